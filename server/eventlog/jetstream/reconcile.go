package jetstream

import (
	"context"
	"errors"
	"slices"
	"time"
)

// The feed may lose records, the last one of a room too. A hole shows when the next
// record tells what was before it. What no next record shows is found here: each
// subscription is compared with the stream, and one that lags is sent to the log.

const (
	// reconcileInterval is how often subscriptions are compared with the stream. A
	// lost record is noticed at the third time at the latest: the first may find
	// that the subscription has just moved, the second that the stream has more, the
	// third that the feed still has not brought it. So it takes less than 2 s.
	reconcileInterval = 500 * time.Millisecond
	// reconcileTimeout is how long the stream may take to answer. It is short, since
	// a leader that was elected meanwhile never got the question.
	reconcileTimeout = time.Second
)

// distrustFeed has even the subscriptions that have just moved compared next time.
func (s *shard) distrustFeed() {
	for _, sub := range s.subscriptions() {
		sub.mu.Lock()
		sub.seen = sub.delivered
		sub.mu.Unlock()
	}
}

// reconcileLoop reconciles the shard until ctx ends.
func (s *shard) reconcileLoop(ctx context.Context) {
	ticker := time.NewTicker(reconcileInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		began := time.Now()
		if err := s.reconcile(ctx); err == nil {
			s.reconciled.Store(began.UnixNano())
		} else if ctx.Err() == nil {
			s.opts.Logger.Debug("comparing subscriptions with the stream", "stream", s.stream.name, "err", err)
		}
	}
}

// reconcile sends those to the log for which something is overdue, and compares
// those that have not moved with the stream. The others show by themselves what
// they lack.
func (s *shard) reconcile(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, reconcileTimeout)
	defer cancel()
	idle := map[string]*subscription{}
	for _, sub := range s.subscriptions() {
		switch {
		case sub.isOverdue():
			err = errors.Join(err, sub.catchUp(ctx))
		case sub.isIdle():
			idle[sub.room.name] = sub
		}
	}
	if len(idle) > 0 {
		err = errors.Join(err, s.compare(ctx, idle))
	}
	return err
}

// isOverdue reports that the feed has not brought, since the last time, what the
// stream was known to have then.
func (s *subscription) isOverdue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	overdue := s.due > s.delivered
	s.due = max(s.due, s.stored.Swap(0))
	return overdue
}

// isIdle reports that nothing was delivered since the last time.
func (s *subscription) isIdle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := s.started && s.seen == s.delivered
	s.seen = s.delivered
	return idle
}

// completeTo returns up to where in the stream nothing is missing.
func (s *subscription) completeTo() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.delivered, s.complete)
}

// catchUp sends the subscriber to the log for what the feed has not brought.
func (s *subscription) catchUp(ctx context.Context) error {
	head, err := s.room.head(ctx)
	if err == nil {
		s.skip(head.Seq)
	}
	return err
}

// compare notes what the stream has beyond what was delivered. It may be on its way,
// so it is overdue only the next time.
func (s *shard) compare(ctx context.Context, subs map[string]*subscription) error {
	last, err := s.stream.lastSeq(ctx)
	if err != nil {
		return err
	}
	from := last
	var behind []string
	for room, sub := range subs {
		complete := sub.completeTo()
		if complete < last {
			behind = append(behind, room)
			from = min(from, complete)
		}
	}
	var lagging error
	for rooms := range slices.Chunk(behind, maxHeads) {
		heads, current, err := s.stream.heads(ctx, rooms, from, last)
		if err != nil {
			return err
		}
		for _, head := range heads {
			subs[head.Room].noteDue(head.Seq)
		}
		if !current {
			lagging = errors.New("the replica that answered lags behind")
			continue
		}
		for _, room := range rooms {
			subs[room].noteComplete(last)
		}
	}
	return lagging
}

// noteDue notes that the stream has seq: if the feed has not brought it by the next
// time, it is overdue.
func (s *subscription) noteDue(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due = max(s.due, seq)
}

// noteComplete notes that what is missing up to seq, if anything, is due.
func (s *subscription) noteComplete(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.complete = max(s.complete, seq)
}
