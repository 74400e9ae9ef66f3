package jetstream

import (
	"context"
	"errors"
	"slices"
	"time"
)

// The feed may lose records. If another record follows, its previous sequence shows
// the hole. If the room's last record is lost, reconciling finds it: subscriptions are
// compared with the stream, and one that lags reads from the log.

const (
	// reconcileInterval is how often subscriptions are compared with the stream. A lost
	// record is found the third time at the latest, within 2 s: the first time the
	// subscription may have just moved, the second time the stream has more, the third
	// time the feed still has not brought it.
	reconcileInterval = 500 * time.Millisecond
	// reconcileTimeout is how long the stream may take to reply. It is short, because a
	// leader that was elected meanwhile never received the request.
	reconcileTimeout = time.Second
)

// distrustFeed makes the next reconciliation compare all subscriptions, even those
// that have just moved.
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
		err := s.reconcile(ctx)
		switch {
		case err == nil:
			s.reconciled.Store(began.UnixNano())
		case ctx.Err() == nil:
			s.opts.Logger.Debug("reconciling failed", "stream", s.stream.name, "err", err)
		}
	}
}

// reconcile makes subscriptions for which something is overdue catch up, and compares
// those that have not moved with the stream. The others notice losses by themselves.
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

// isOverdue reports whether the feed has still not brought what was due the last time.
func (s *subscription) isOverdue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	overdue := s.due > s.delivered
	s.due = max(s.due, s.stored.Swap(0))
	return overdue
}

// isIdle reports whether nothing was delivered since the last time.
func (s *subscription) isIdle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := s.started && s.seen == s.delivered
	s.seen = s.delivered
	return idle
}

// completeTo returns the sequence of the stream up to which nothing is missing.
func (s *subscription) completeTo() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.delivered, s.complete)
}

// catchUp makes the subscriber read from the log what the feed has not brought.
func (s *subscription) catchUp(ctx context.Context) error {
	head, err := s.room.head(ctx)
	if err == nil {
		s.skip(head.Seq)
	}
	return err
}

// compare notes what the stream has beyond what was delivered. The feed may be about to
// bring it, so it is overdue only the next time.
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
		heads, isCurrent, err := s.stream.heads(ctx, rooms, from, last)
		if err != nil {
			return err
		}
		for _, head := range heads {
			subs[head.Room].noteDue(head.Seq)
		}
		if !isCurrent {
			lagging = errors.New("the replica lags behind")
			continue
		}
		for _, room := range rooms {
			subs[room].noteComplete(last)
		}
	}
	return lagging
}

// noteDue notes that the stream has seq. If the feed does not bring it before the next
// reconciliation, it is overdue.
func (s *subscription) noteDue(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due = max(s.due, seq)
}

// noteComplete notes that nothing up to seq is missing, unless it is due.
func (s *subscription) noteComplete(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.complete = max(s.complete, seq)
}
