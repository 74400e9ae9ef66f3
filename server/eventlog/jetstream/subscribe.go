package jetstream

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"websockets/server/eventlog"
)

// trustFor is how long a subscription is trusted after the last reconciliation.
const trustFor = 3 * time.Second

// subscription implements eventlog.Subscription. The feed gives the room's previous
// sequence with each record, so the next record shows that one was lost. A loss that no
// next record shows is found by reconciling.
type subscription struct {
	shard   *shard
	room    roomReader
	feed    *nats.Subscription
	signals *nats.Subscription // nil if the log is not shared
	to      eventlog.Subscriber
	opened  time.Time

	stored atomic.Uint64 // the highest sequence that was acknowledged since the last reconciliation

	mu        sync.Mutex // guards what follows; held while the subscriber is called
	started   bool       // to.Start has been called
	closed    bool
	delivered uint64 // the last sequence that was passed to Append or Skip
	early     uint64 // the highest sequence that came before Start
	due       uint64 // a sequence that the stream has and the feed is to bring
	seen      uint64 // delivered at the last reconciliation
	complete  uint64 // nothing up to this sequence of the stream is missing, unless it is due

	touched bool // owned by shard.deliver: has a record of this batch
}

// Subscribe implements eventlog.Log.
func (l *Log) Subscribe(ctx context.Context, room string, to eventlog.Subscriber) (eventlog.Subscription, error) {
	s := l.shardOf(room)
	reader, err := s.stream.room(room)
	if err != nil {
		return nil, err
	}
	sub := &subscription{shard: s, room: reader, to: to, opened: time.Now()}
	err = s.add(sub)
	if err != nil {
		return nil, err
	}
	err = sub.start(ctx)
	if err != nil {
		sub.Close()
		return nil, err
	}
	return sub, nil
}

// start adds the room to the shard's feed and calls Start with its head.
func (s *subscription) start(ctx context.Context) (err error) {
	conn := s.shard.follower.conn
	s.feed, err = conn.ChanSubscribe(s.shard.stream.names.feed(s.shard.stream.number, s.room.name), s.shard.follower.feed)
	if err != nil {
		return fmt.Errorf("%w: following %s: %w", ErrUnavailable, s.room.name, err)
	}
	if s.shard.opts.shared() {
		s.signals, err = conn.ChanSubscribe(s.shard.stream.names.signal(s.shard.stream.number, s.room.name), s.shard.follower.signals)
		if err != nil {
			return fmt.Errorf("%w: following %s: %w", ErrUnavailable, s.room.name, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	// After the flush the feed brings whatever the head does not cover.
	err = conn.FlushWithContext(ctx)
	if err != nil {
		return fmt.Errorf("%w: following %s: %w", ErrUnavailable, s.room.name, err)
	}
	last, err := s.shard.stream.lastSeq(ctx) // before the head: a room without one has nothing up to here
	if err != nil {
		return err
	}
	head, err := s.room.head(ctx)
	if err != nil {
		return err
	}
	if head.Seq == 0 {
		head = eventlog.Record{Room: s.room.name, Seq: last}
	}
	s.begin(head)
	return nil
}

// begin calls Start, and Skip for what the feed has brought meanwhile.
func (s *subscription) begin(head eventlog.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = true
	s.to.Start(*s.shard.epoch.Load(), head)
	s.delivered = head.Seq
	if s.early > head.Seq {
		s.skipLocked(s.early)
	}
}

// deliver passes a record of the feed to the subscriber. It reports false if it was
// delivered before, or cannot be.
func (s *subscription) deliver(e entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed || e.Seq <= s.delivered:
		return false
	case !s.started:
		s.early = max(s.early, e.Seq)
		return false
	}
	if e.prev > s.delivered {
		s.to.Skip(e.prev)
	}
	s.to.Append(e.Record)
	s.delivered = e.Seq
	return true
}

func (s *subscription) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.to.Flush()
	}
}

// skip makes the subscriber read what it lacks up to seq from the log.
func (s *subscription) skip(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skipLocked(seq)
}

func (s *subscription) skipLocked(seq uint64) {
	s.due = 0
	if s.closed || !s.started || seq <= s.delivered {
		return
	}
	s.delivered = seq
	s.to.Skip(seq)
	s.to.Flush()
}

// reset starts the subscriber over in a new epoch.
func (s *subscription) reset(epoch string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !s.started {
		return
	}
	s.stored.Store(0)
	s.delivered, s.due, s.seen, s.complete = 0, 0, 0, 0
	s.to.Reset(epoch)
}

// noteStored notes that the stream has acknowledged seq.
func (s *subscription) noteStored(seq uint64) {
	for {
		known := s.stored.Load()
		if seq <= known || s.stored.CompareAndSwap(known, seq) {
			return
		}
	}
}

// Trusted implements eventlog.Subscription.
func (s *subscription) Trusted() bool {
	checked := time.Unix(0, s.shard.reconciled.Load())
	if s.opened.After(checked) {
		checked = s.opened
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed && time.Since(checked) <= trustFor && max(s.stored.Load(), s.due) <= s.delivered
}

// Close implements eventlog.Subscription.
func (s *subscription) Close() {
	s.shard.remove(s)
	for _, sub := range []*nats.Subscription{s.feed, s.signals} {
		if sub != nil {
			_ = sub.Unsubscribe()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// Signal implements eventlog.Log.
func (l *Log) Signal(room string, data []byte) error {
	if !l.Shared() {
		return nil
	}
	to := l.shardOf(room).stream
	err := l.conn.Publish(to.names.signal(to.number, room), data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// Shared implements eventlog.Log.
func (l *Log) Shared() bool { return l.opts.shared() }

// followSignals delivers signals, this server's own too, until ctx ends.
func (s *shard) followSignals(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-s.follower.signals:
			sub := s.subscriptionTo(roomOf(m.Subject))
			if sub != nil {
				sub.to.Signal(m.Data)
			}
		}
	}
}
