package jetstream_test

import (
	"testing"

	"websockets/server/eventlog"
	"websockets/server/eventlog/jetstream"
	"websockets/server/eventlog/logtest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	logtest.Run(t, func(t testing.TB, o logtest.Options) eventlog.Store {
		l, err := tryOpen(t, t.TempDir(), jetstream.WithShards(2), func(opts *jetstream.Options) {
			opts.MaxRoomMessages, opts.KeyBytes = o.MaxRoomMessages, o.KeyBytes
			if o.Now != nil { // a test of what the table of keys remembers
				jetstream.WithKeys(forgetsAfter, o.Now)(opts)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return l
	})
}
