package jetstream

import (
	"context"
	"log/slog"

	"websockets/server/eventlog"
)

// What tests of this package need beyond the contract.

// WithShards sets how many shards a new store gets.
func WithShards(n int) func(*Options) { return func(o *Options) { o.shards = n } }

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
func (l *Log) Newest(ctx context.Context, shard int, seq uint64) ([]eventlog.Record, uint64, error) {
	return l.shards[shard].stream.newest(ctx, seq)
}
