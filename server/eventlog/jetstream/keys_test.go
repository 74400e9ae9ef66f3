package jetstream_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"websockets/server/eventlog"
	"websockets/server/eventlog/jetstream"
	"websockets/server/servertest"
)

// forgetsAfter is for how long JetStream itself remembers keys in these tests. The table
// may not lag by more than that, so it has to be enough for a busy machine.
const forgetsAfter = 4 * time.Second

// awaitForgotten appends a record again until it is stored again.
func awaitForgotten(t *testing.T, l *jetstream.Log, room, key string) {
	t.Helper()
	servertest.Eventually(t, "the log to forget "+key, func() bool { return !put(t, l, room, key, "again").Duplicate })
}

// A key is known after a restart, for a day after it was stored.
func TestKeysAreKnownAfterARestart(t *testing.T) {
	t.Parallel()
	for name, syncAlways := range map[string]bool{"fsync=always": true, "fsync=interval": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, clock := t.TempDir(), &servertest.Clock{}
			with := func(o *jetstream.Options) { o.SyncAlways = syncAlways }
			l := open(t, dir, jetstream.WithKeys(forgetsAfter, clock.Now), with)
			receipts := appendAll(t, l, 2500, func(i int) (room, key, body string) {
				return fmt.Sprint("room-", i%7), fmt.Sprint(i), "first"
			})
			l.Close()
			l = open(t, dir, jetstream.WithKeys(forgetsAfter, clock.Now), with)
			l.AwaitKeys("room-0") // by a clock that is right
			clock.Set(eventlog.DedupeWindow + time.Minute)
			awaitForgotten(t, l, "room-0", "0")
			awaitForgotten(t, l, "room-2", "2499")
			clock.Set(eventlog.DedupeWindow - time.Minute)
			for i, first := range receipts[1:2499] {
				i++
				if i%50 != 1 && i < 2490 {
					continue
				}
				room := fmt.Sprint("room-", i%7)
				if again := put(t, l, room, fmt.Sprint(i), "again"); !again.Duplicate || again.Seq != first.Seq {
					t.Errorf("append %d again: got %+v, want a duplicate of %d", i, again, first.Seq)
				}
			}
		})
	}
}

// A key that one server has stored is known on the others, for a day.
func TestKeysAreKnownOnAllServers(t *testing.T) {
	t.Parallel()
	for name, nodes := range map[string]int{"one NATS server": 1, "a cluster": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keysKnownOnAllServers(t, servertest.StartNATS(t, nodes))
		})
	}
}

func keysKnownOnAllServers(t *testing.T, nats *servertest.NATS) {
	clock := &servertest.Clock{}
	server := func() *jetstream.Log {
		opts := jetstream.Options{Servers: nats.URL(), Replicas: len(nats.Nodes), MaxBytes: 1 << 28, Logger: slog.New(slog.DiscardHandler)}
		jetstream.WithShards(2)(&opts)
		jetstream.WithKeys(forgetsAfter, clock.Now)(&opts)
		l, err := jetstream.Open(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.Close)
		return l
	}
	const records = 50
	servers := []*jetstream.Log{server(), server()}
	first := map[int]uint64{}
	for i := range records {
		first[i] = put(t, servers[i%2], "x", fmt.Sprint(i), "first").Seq
		if again := put(t, servers[(i+1)%2], "x", fmt.Sprint(i), "again"); !again.Duplicate || again.Seq != first[i] {
			t.Errorf("append %d at once to the other server: got %+v, want a duplicate of %d", i, again, first[i])
		}
	}
	last := put(t, servers[0], "x", "last", "first")
	clock.Set(eventlog.DedupeWindow + time.Minute)
	awaitForgotten(t, servers[1], "x", "last")
	clock.Set(eventlog.DedupeWindow - time.Minute)
	servers = append(servers, server()) // one that comes later
	for i := range records {
		for n, l := range servers {
			if again := put(t, l, "x", fmt.Sprint(i), "again"); !again.Duplicate || again.Seq != first[i] {
				t.Errorf("append %d to server %d: got %+v, want a duplicate of %d", i, n, again, first[i])
			}
		}
	}
	if again := put(t, servers[0], "x", "last", "again"); !again.Duplicate || again.Seq <= last.Seq {
		t.Errorf("what the other server has stored twice: got %+v, want a duplicate beyond %d", again, last.Seq)
	}
}

// Two keys with the same hash are two records: a hash alone drops nothing.
func TestCollisionIsStored(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	first := put(t, l, "x", "one", "one")
	l.AddKey("x", first.Seq, "two")
	second := put(t, l, "x", "two", "two")
	if second.Duplicate || second.Seq <= first.Seq {
		t.Errorf("receipt: got %+v, want a new place after %d", second, first.Seq)
	}
	if again := put(t, l, "x", "two", "two"); !again.Duplicate || again.Seq != second.Seq {
		t.Errorf("the same again: got %+v, want a duplicate of %d", again, second.Seq)
	}
}
