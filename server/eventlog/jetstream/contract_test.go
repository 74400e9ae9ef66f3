package jetstream_test

import (
	"testing"
	"time"

	"websockets/server/eventlog"
	"websockets/server/eventlog/jetstream"
	"websockets/server/eventlog/logtest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	logtest.Run(t, func(t testing.TB, o logtest.Options) eventlog.Store {
		l, err := tryOpen(t, t.TempDir(), jetstream.WithShards(2), jetstream.WithKeys(4*time.Second, o.Now), func(opts *jetstream.Options) {
			opts.MaxRoomMessages, opts.KeyBytes = o.MaxRoomMessages, o.KeyBytes
		})
		if err != nil {
			t.Fatal(err)
		}
		return l
	})
}
