package jetstream

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"websockets/server/eventlog"
)

// shard is one stream and the rooms in it. It has a connection of its own, for appends
// and for the feed.
type shard struct {
	stream   *stream
	opts     *Options // the log's
	health   *health  // the log's
	values   *values  // the bucket eventlog.Server: epochs and checkpoints
	epoch    atomic.Pointer[string]
	stored   *checkpoint // the last one; owned by keepCheckpoint once the log is open
	appender appender
	follower follower
	keys     *recentKeys

	reconciled atomic.Int64 // when the last successful reconciliation began, in Unix nanoseconds

	mu   sync.RWMutex // guards subs
	subs map[string]*subscription
}

// openShard opens the shard's stream, creating it if it is missing, and connects to it.
func (l *Log) openShard(ctx context.Context, n, count int) error {
	names := l.existing.names
	s := &shard{
		stream: &stream{number: n, name: names.stream(n), names: names, opts: &l.opts, conn: l.conn, js: l.js, reads: l.reads},
		opts:   &l.opts, health: l.health, values: l.values[eventlog.Server],
		subs: map[string]*subscription{},
		keys: newRecentKeys(l.opts.KeyBytes/int64(count), l.ctx.Done()),
	}
	s.appender.keys = s.keys
	config, err := l.openStream(ctx, n, count)
	if err != nil {
		return err
	}
	s.stream.settings.Store(settingsOf(config))
	err = s.openEpoch(ctx, l.damage[s.stream.name])
	if err != nil {
		return err
	}
	config, err = l.mark(ctx, config, s.marks(config, count))
	if err != nil {
		return err
	}
	l.compared = append(l.compared, part{shard: s, stream: s.stream, have: config, want: l.wantedStream(config, n, count)})
	conn, err := l.connect(s.disconnected, s.follower.noteLoss)
	if err != nil {
		return err
	}
	s.appender.batching = !l.opts.shared() && l.opts.SyncAlways
	err = s.appender.open(conn, s.stream.name)
	if err != nil {
		conn.Close()
		return err
	}
	l.wg.Go(func() { s.appender.expire(l.ctx) })
	s.follower.open(conn)
	l.shards = append(l.shards, s)
	return nil
}

// openStream returns the configuration of the shard's stream, which it creates if it is
// missing.
func (l *Log) openStream(ctx context.Context, n, count int) (config jetstream.StreamConfig, err error) {
	config, exists := l.existing.streams[l.existing.names.stream(n)]
	if !exists {
		config, err = l.createStream(ctx, l.newStream(n, count))
		if err != nil {
			return config, err
		}
	}
	return l.checkUsable(ctx, config, l.wantedStream(config, n, count))
}

// disconnected fails the appends in flight: their replies are lost.
func (s *shard) disconnected() {
	s.appender.fail(fmt.Errorf("%w: %w", ErrUnavailable, nats.ErrDisconnected))
}

// add makes sub the room's subscription.
func (s *shard) add(sub *subscription) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.subs[sub.room.name] != nil {
		return fmt.Errorf("room %s has a subscription already", sub.room.name)
	}
	s.subs[sub.room.name] = sub
	return nil
}

func (s *shard) remove(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.subs[sub.room.name] == sub {
		delete(s.subs, sub.room.name)
	}
}

// subscriptionTo returns the room's subscription, nil if it has none.
func (s *shard) subscriptionTo(room string) *subscription {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.subs[room]
}

// subscriptions returns the shard's subscriptions.
func (s *shard) subscriptions() []*subscription {
	s.mu.RLock()
	defer s.mu.RUnlock()
	subs := make([]*subscription, 0, len(s.subs))
	for _, sub := range s.subs {
		subs = append(subs, sub)
	}
	return subs
}
