package jetstream

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
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
	maxBytes int64    // bounds all messages together; 0 means no bound
	epoch    atomic.Pointer[string]
	stored   *checkpoint // the last one; owned by keepCheckpoint once the log is open
	appender appender
	follower follower

	reconciled atomic.Int64 // when the last successful reconciliation began, in Unix nanoseconds

	mu   sync.RWMutex // guards subs
	subs map[string]*subscription
}

// openShard creates or updates the shard's stream, and connects to it.
func (l *Log) openShard(ctx context.Context, n, count int) error {
	s := &shard{
		stream: &stream{number: n, name: fmt.Sprintf("ROOMS_%d", n), opts: &l.opts, conn: l.conn, js: l.js, reads: l.reads},
		opts:   &l.opts, health: l.health, values: l.values[eventlog.Server],
		maxBytes: l.opts.MaxBytes / int64(count),
		subs:     map[string]*subscription{},
	}
	limit := func(v int64) int64 { return cmp.Or(v, -1) } // -1 means none
	_, err := l.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:               s.stream.name,
		Description:        "messages of the rooms of shard " + strconv.Itoa(n),
		Subjects:           []string{fmt.Sprintf("room.%d.*", n)},
		RePublish:          &jetstream.RePublish{Source: fmt.Sprintf("room.%d.*", n), Destination: fmt.Sprintf("feed.%d.{{wildcard(1)}}", n)},
		Storage:            jetstream.FileStorage,
		Replicas:           l.opts.Replicas,
		AllowDirect:        true,
		AllowAtomicPublish: !l.opts.shared() && l.opts.SyncAlways,
		Duplicates:         eventlog.DedupeWindow,
		MaxBytes:           limit(s.maxBytes),
		MaxAge:             l.opts.MaxAge,
		MaxMsgsPerSubject:  limit(l.opts.MaxRoomMessages),
	})
	if err != nil {
		return fmt.Errorf("stream %s: %w", s.stream.name, err)
	}
	err = s.openEpoch(ctx, l.damage[s.stream.name])
	if err != nil {
		return err
	}
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
