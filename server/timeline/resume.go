package timeline

import (
	"context"

	"websockets/server/eventlog"
	"websockets/shared"
)

// maxLookupWaits is how many lookups of others a client waits for before it looks
// up its own place: what they find is nearly always what it needs.
const maxLookupWaits = 2

// Position is where in a room's log a client continues.
type Position struct {
	Cursor    shared.Cursor
	State     string            // one of shared.StateNew and the others
	Truncated *shared.Truncated // set in that state only
}

// Resume finds where a client continues that comes with a cursor, or without one.
// Errors wrap eventlog.ErrUnavailable, or are ctx's.
func (t *Timeline) Resume(ctx context.Context, after *shared.Cursor) (Position, error) {
	if after != nil && after.Epoch != t.Epoch() {
		p, err := t.Resume(ctx, nil)
		p.State = shared.StateReset
		return p, err
	}
	trusted := t.sub.Trusted() // else the ring may lack what the log has
	for waits := 0; trusted; waits++ {
		if p, ok := t.resumeFromRing(after); ok {
			return p, nil
		}
		if waits == maxLookupWaits {
			break
		}
		others, done := t.beginLookup()
		if done != nil {
			defer done()
			break
		}
		select {
		case <-others:
		case <-ctx.Done():
			return Position{}, ctx.Err()
		}
	}
	if after == nil {
		return t.startBack(ctx, shared.StateNew)
	}
	return t.resumeFromLog(ctx, *after)
}

// beginLookup begins a lookup and returns the function that ends it, or if one is in
// progress, what is closed when that one is done.
func (t *Timeline) beginLookup() (others chan struct{}, done func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lookup != nil {
		return t.lookup, nil
	}
	lookup := make(chan struct{})
	t.lookup = lookup
	return nil, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.lookup = nil
		close(lookup)
	}
}

// resumeFromRing is Resume for a client that the log need not be asked about.
func (t *Timeline) resumeFromRing(after *shared.Cursor) (p Position, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if after != nil {
		p = Position{Cursor: *after, State: t.stateAt(*after)}
		return p, p.State != ""
	}
	p.State = shared.StateNew
	seq, ok := t.ring.back(shared.JoinBacklog)
	if ok {
		p.Cursor, ok = t.cachedCursor(seq)
	}
	return p, ok
}

// stateAt returns the state of a client whose cursor is in the ring, or is the last
// one that the log has verified and the ring goes on from there: it misses nothing,
// and the log need not be asked. It is empty for others. t.mu is held.
func (t *Timeline) stateAt(after shared.Cursor) (state string) {
	switch {
	case after.Seq < t.ring.base || after.Epoch != t.epoch:
		return ""
	case after != t.verified && (after.ID == "" || id(t.ring.frame(after.Seq)) != after.ID):
		return ""
	case after.Seq >= t.ring.head:
		return shared.StateCurrent
	}
	return shared.StateRecovered
}

// resumeFromLog is Resume for a cursor that is not in the ring.
func (t *Timeline) resumeFromLog(ctx context.Context, after shared.Cursor) (Position, error) {
	p := Position{Cursor: after}
	head, err := t.log.Head(ctx, t.room)
	if err != nil {
		return p, err
	}
	if head.Seq != 0 && after.Seq == head.Seq && after.ID == id(head.Body) {
		p.State = shared.StateCurrent
		t.verify(after)
		return p, nil
	}
	place, err := t.log.Locate(ctx, t.room, after.Seq)
	if err != nil {
		return p, err
	}
	switch {
	case place.State == eventlog.Expired:
		p.State = shared.StateTruncated
		p.Truncated = &shared.Truncated{After: after.Seq, First: place.First}
		return p, nil
	case place.State == eventlog.Beyond:
		return t.startBack(ctx, shared.StateReset)
	case place.State == eventlog.Present && after.ID != id(place.Record.Body):
		return t.startBack(ctx, shared.StateReset) // another record: not the log it knew
	case place.State == eventlog.Absent && after.ID != "":
		return t.startBack(ctx, shared.StateReset) // only a place before a room's first record has no id
	case head.Seq <= after.Seq:
		p.State = shared.StateCurrent
	default:
		p.State = shared.StateRecovered
	}
	t.verify(after)
	t.backfill(ctx, after)
	return p, nil
}

// startBack is for a client that has nothing of the room: it starts JoinBacklog
// records back.
func (t *Timeline) startBack(ctx context.Context, state string) (p Position, err error) {
	p.State = state
	t.mu.RLock()
	seq, ok := t.ring.back(shared.JoinBacklog)
	t.mu.RUnlock()
	if !ok {
		p.Cursor, err = t.startBackInLog(ctx)
		return p, err
	}
	p.Cursor, err = t.Cursor(ctx, seq)
	if p.Cursor.ID != "" {
		t.verify(p.Cursor)
	}
	return p, err
}

// startBackInLog finds in the log where the last JoinBacklog records begin: at the
// record before them, or just before the room's first.
func (t *Timeline) startBackInLog(ctx context.Context) (shared.Cursor, error) {
	cursor := shared.Cursor{Epoch: t.Epoch()}
	page, err := t.log.Before(ctx, t.room, 0, shared.JoinBacklog+1, 0)
	records := page.Records
	switch {
	case err != nil || len(records) == 0:
		return cursor, err
	case len(records) <= shared.JoinBacklog:
		cursor.Seq = records[0].Seq - 1
	default:
		cursor.Seq, cursor.ID = records[0].Seq, id(records[0].Body)
		t.verify(cursor)
		records = records[1:]
	}
	if !page.Gone {
		t.prepend(cursor.Epoch, cursor.Seq, chunkOf(records), !page.More && cursor.ID == "")
	}
	return cursor, nil
}
