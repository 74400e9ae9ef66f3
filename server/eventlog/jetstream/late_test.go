package jetstream

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// TestABatchAnsweredTooLate: a batch had no reply in time, and its writers have been
// told so. A refusal that comes then stores none of its messages, and no late reply
// touches the batch that is in flight by then.
func TestABatchAnsweredTooLate(t *testing.T) {
	for name, reply := range map[string]string{
		"refused": `{"error":{"code":400,"description":"batch timeout"}}`,
		"stored":  `{"stream":"x","seq":100,"batch":"x","count":10}`,
	} {
		t.Run(name, func(t *testing.T) {
			l, err := Open(t.Context(), Options{Dir: t.TempDir(), MaxBytes: 1 << 30, SyncAlways: true, shards: 1, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(l.Close)
			s := l.shardOf("den")
			subject, err := s.stream.subject("den")
			if err != nil {
				t.Fatal(err)
			}
			a := &s.appender
			inFlight := func(count int, since time.Time, done func(Receipt, error)) (last uint64) {
				a.mu.Lock()
				defer a.mu.Unlock()
				for range count {
					a.slots <- struct{}{}
					a.number++
					a.pending[a.number] = pendingAppend{done: done, since: since, published: true}
					a.queue.published++
					a.queue.batch = append(a.queue.batch, message{a.number, subject, fmt.Sprint("key", a.number), []byte("late")})
				}
				return a.number
			}
			failed := 0
			late := inFlight(10, time.Now().Add(-time.Hour), func(_ Receipt, err error) {
				if errors.Is(err, ErrUnavailable) {
					failed++
				}
			})
			a.failBefore(time.Now().Add(-time.Minute), ErrUnavailable)
			if failed != 10 {
				t.Fatalf("failed appends: got %d, want 10", failed)
			}
			settled := 0
			next := inFlight(20, time.Now(), func(_ Receipt, err error) {
				if err == nil {
					settled++
				}
			})
			a.handleReply(&nats.Msg{Subject: a.inbox + fmt.Sprint(late), Data: []byte(reply)})
			a.handleReply(&nats.Msg{Subject: a.inbox + fmt.Sprint(next), Data: []byte(`{"stream":"x","seq":200,"batch":"y","count":20}`)})
			if settled != 20 {
				t.Errorf("settled appends of the next batch: got %d, want 20", settled)
			}
			// What comes last is the only message.
			stored := make(chan Receipt, 1)
			if err := l.Append(t.Context(), "den", "last", []byte("last"), func(r Receipt, _ error) { stored <- r }); err != nil {
				t.Fatal(err)
			}
			if r := <-stored; r.Seq != 1 {
				t.Errorf("receipt: got %+v, want the first place", r)
			}
		})
	}
}
