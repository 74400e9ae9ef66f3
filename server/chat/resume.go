package chat

import (
	"context"

	"websockets/server/eventlog"
	"websockets/shared"
)

// maxFlights is how many others a client waits for who ask the log about the same
// room, before it asks by itself: what they learn is nearly always what it needs.
const maxFlights = 2

// resume finds where in the log a client begins that comes with a cursor, or
// without one. Count and Members of the answer are left to the caller.
func (r *room) resume(ctx context.Context, after *shared.Cursor) (shared.RoomJoinedPayload, error) {
	if after != nil && after.Epoch != r.epochNow() {
		joined, err := r.resume(ctx, nil)
		joined.State = shared.StateReset
		return joined, err
	}
	trusted := r.sub.Trusted() // else the ring may lack what the log has
	for flights := 0; trusted; flights++ {
		if joined, ok := r.resumeHere(after); ok {
			return joined, nil
		}
		if flights == maxFlights {
			break
		}
		others, land := r.takeOff()
		if land != nil {
			defer land()
			break
		}
		select {
		case <-others:
		case <-ctx.Done():
			return shared.RoomJoinedPayload{}, ctx.Err()
		}
	}
	if after == nil {
		return r.begin(ctx, shared.StateNew)
	}
	return r.resumeFromLog(ctx, *after)
}

// takeOff returns the function that ends this flight, or if somebody else is asking
// the log, what is closed when he has landed.
func (r *room) takeOff() (others chan struct{}, land func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flight != nil {
		return r.flight, nil
	}
	flight := make(chan struct{})
	r.flight = flight
	return nil, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.flight = nil
		close(flight)
	}
}

// resumeHere is resume for one whom the log need not be asked about.
func (r *room) resumeHere(after *shared.Cursor) (joined shared.RoomJoinedPayload, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	joined.Room = r.name
	if after != nil {
		joined.Cursor, joined.State = *after, r.holds(*after)
		return joined, joined.State != ""
	}
	joined.State = shared.StateNew
	seq, ok := r.ring.back(shared.JoinBacklog)
	if ok {
		joined.Cursor, ok = r.cursorHere(seq)
	}
	return joined, ok
}

// resumeFromLog is resume for a cursor that is not in the ring.
func (r *room) resumeFromLog(ctx context.Context, after shared.Cursor) (shared.RoomJoinedPayload, error) {
	joined := shared.RoomJoinedPayload{Room: r.name, Cursor: after}
	head, err := r.log.Head(ctx, r.name)
	if err != nil {
		return joined, err
	}
	if head.Seq != 0 && after.Seq == head.Seq && after.ID == messageID(head.Body) {
		joined.State = shared.StateCurrent
		r.verify(after)
		return joined, nil
	}
	place, err := r.log.Locate(ctx, r.name, after.Seq)
	if err != nil {
		return joined, err
	}
	switch {
	case place.State == eventlog.Expired:
		joined.State = shared.StateTruncated
		joined.Truncated = &shared.Truncated{After: after.Seq, First: place.First}
		return joined, nil
	case place.State == eventlog.Beyond:
		return r.begin(ctx, shared.StateReset)
	case place.State == eventlog.Present && after.ID != messageID(place.Record.Body):
		return r.begin(ctx, shared.StateReset) // another message: not the log it knew
	case place.State == eventlog.Absent && after.ID != "":
		return r.begin(ctx, shared.StateReset) // only a place before a room's first message has none
	case head.Seq <= after.Seq:
		joined.State = shared.StateCurrent
	default:
		joined.State = shared.StateRecovered
	}
	r.verify(after)
	r.fillFrom(ctx, after)
	return joined, nil
}

// holds returns the state of a client whose cursor is in the ring, or is the last
// one that the log has verified and the ring goes on from there: it misses nothing,
// and the log need not be asked. It is empty for others. r.mu is held.
func (r *room) holds(after shared.Cursor) (state string) {
	switch {
	case after.Seq < r.ring.base || after.Epoch != r.epoch:
		return ""
	case after != r.verified && (after.ID == "" || messageID(r.ring.frame(after.Seq)) != after.ID):
		return ""
	case after.Seq >= r.ring.head:
		return shared.StateCurrent
	}
	return shared.StateRecovered
}

// verify remembers that the log knows a cursor. A crowd that was cut off together
// comes back with the same one.
func (r *room) verify(c shared.Cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.Epoch == r.epoch {
		r.verified = c
	}
}

// begin is for a client that has nothing of the room: it starts JoinBacklog
// messages back.
func (r *room) begin(ctx context.Context, state string) (shared.RoomJoinedPayload, error) {
	joined := shared.RoomJoinedPayload{Room: r.name, State: state}
	r.mu.RLock()
	seq, ok := r.ring.back(shared.JoinBacklog)
	r.mu.RUnlock()
	var err error
	if ok {
		joined.Cursor, err = r.cursorAt(ctx, seq)
		if joined.Cursor.ID != "" {
			r.verify(joined.Cursor)
		}
	} else {
		joined.Cursor, err = r.backlog(ctx)
	}
	return joined, err
}

// backlog finds in the log where the last JoinBacklog messages begin: at the
// message before them, or just before the room's first.
func (r *room) backlog(ctx context.Context) (shared.Cursor, error) {
	cursor := shared.Cursor{Epoch: r.epochNow()}
	page, err := r.log.Before(ctx, r.name, 0, shared.JoinBacklog+1, 0)
	records := page.Records
	switch {
	case err != nil || len(records) == 0:
		return cursor, err
	case len(records) <= shared.JoinBacklog:
		cursor.Seq = records[0].Seq - 1
	default:
		cursor.Seq, cursor.ID = records[0].Seq, messageID(records[0].Body)
		r.verify(cursor)
		records = records[1:]
	}
	if !page.Gone {
		r.refill(cursor.Epoch, cursor.Seq, chunkOf(records), !page.More && cursor.ID == "")
	}
	return cursor, nil
}
