package jetstream

import (
	"context"
	"log/slog"
	"time"

	"websockets/server/eventlog"
)

// What tests of this package need beyond the contract.

// WithShards sets how many shards a new store gets.
func WithShards(n int) func(*Options) { return func(o *Options) { o.shards = n } }

// WithKeys sets for how long JetStream itself remembers keys, and the clock by which the
// table of keys forgets them.
func WithKeys(duplicates time.Duration, now func() time.Time) func(*Options) {
	return func(o *Options) { o.duplicates, o.now = duplicates, now }
}

// AddKey adds a key to a room's table as if it had the hash of the record at seq.
func (l *Log) AddKey(room string, seq uint64, key string) { l.shardOf(room).keys.add(seq, key) }

// AwaitKeys waits until a room's table of keys is filled.
func (l *Log) AwaitKeys(room string) { <-l.shardOf(room).keys.loaded }

// Shard returns which shard a room is in.
func (l *Log) Shard(room string) int { return l.shardOf(room).stream.number }

// Shards returns the number of shards.
func (l *Log) Shards() int { return len(l.shards) }

// Value returns a value of the server's, created if it is missing.
func (l *Log) Value(ctx context.Context, key string, create func() []byte) ([]byte, error) {
	return l.values[eventlog.Server].getOrCreate(ctx, key, create)
}

// FailureAfter returns what Ready says once embedded NATS has logged an error.
func FailureAfter(format string, v ...any) error {
	h := newHealth()
	failed := func(err error) { h.failure.Store(&err) }
	serverLogger{slog.New(slog.DiscardHandler), failed}.Errorf(format, v...)
	return h.err()
}

// LoseFeed ends what the feed brings to a subscription.
func LoseFeed(sub eventlog.Subscription) error {
	return sub.(*subscription).feed.Unsubscribe()
}

// Newest returns the newest records of a shard's rooms; see newest.
func (l *Log) Newest(ctx context.Context, shard int, seq uint64) (records []eventlog.Record, reached uint64, err error) {
	s := l.shards[shard].stream
	state, err := s.state(ctx)
	if err != nil {
		return nil, 0, err
	}
	reached, err = s.newest(ctx, state, seq, func(r eventlog.Record) { records = append(records, r) })
	return records, reached, err
}
