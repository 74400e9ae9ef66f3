package chat

import (
	"context"

	"websockets/shared"
)

// resume finds where in the log a client begins that comes with a cursor, or
// without one. Count and Members of the answer are left to the caller.
func (r *room) resume(ctx context.Context, after *shared.Cursor) (shared.RoomJoinedPayload, error) {
	if after == nil {
		return r.begin(ctx, shared.StateNew)
	}
	joined := shared.RoomJoinedPayload{Room: r.name, Cursor: *after}
	head, err := r.log.Head(ctx, r.name)
	if err != nil {
		return joined, err
	}
	switch {
	case after.Epoch != r.epoch:
		return r.begin(ctx, shared.StateReset)
	case after.Seq == head.Seq && (after.Seq == 0 || after.ID == messageID(head.Body)):
		joined.State = shared.StateCurrent
		return joined, nil
	case after.Seq == 0: // it saw the room before its first message
		joined.State = shared.StateRecovered
		return joined, nil
	}
	at, err := r.log.At(ctx, r.name, after.Seq)
	switch {
	case err != nil:
		return joined, err
	case at.Seq != 0 && messageID(at.Body) == after.ID:
		joined.State = shared.StateRecovered
		return joined, nil
	case at.Seq != 0:
		return r.begin(ctx, shared.StateReset) // another message: not the log it knew
	}
	last, err := r.log.LastSeq(ctx, r.log.Shard(r.name))
	switch {
	case err != nil:
		return joined, err
	case after.Seq > last:
		return r.begin(ctx, shared.StateReset) // from a future that never was
	}
	return r.truncated(ctx, joined)
}

// truncated is for a client whose place in the log is gone: what lay between it
// and the first message that is left may be gone too.
func (r *room) truncated(ctx context.Context, joined shared.RoomJoinedPayload) (shared.RoomJoinedPayload, error) {
	joined.State = shared.StateTruncated
	joined.Truncated = &shared.Truncated{After: joined.Cursor.Seq}
	first, err := r.log.After(ctx, r.name, joined.Cursor.Seq, 1, 0)
	if err != nil {
		return joined, err
	}
	if len(first) > 0 {
		joined.Truncated.First = first[0].Seq
	}
	return joined, nil
}

// begin is for a client that has nothing of the room: it starts JoinBacklog
// messages back.
func (r *room) begin(ctx context.Context, state string) (shared.RoomJoinedPayload, error) {
	joined := shared.RoomJoinedPayload{Room: r.name, State: state}
	r.mu.RLock()
	seq, ok := r.ring.back(shared.JoinBacklog)
	r.mu.RUnlock()
	if ok {
		var err error
		joined.Cursor, err = r.cursorAt(ctx, seq)
		return joined, err
	}
	joined.Cursor.Epoch = r.epoch
	total, err := r.log.Count(ctx, r.name, 0)
	if err != nil || total <= shared.JoinBacklog {
		return joined, err
	}
	// A cursor is the place of a message: that of the one before the backlog.
	start, _, err := r.log.Back(ctx, r.name, 0, shared.JoinBacklog+1)
	if err != nil {
		return joined, err
	}
	before, err := r.log.After(ctx, r.name, start, 1, 0)
	if err == nil && len(before) > 0 {
		joined.Cursor.Seq, joined.Cursor.ID = before[0].Seq, messageID(before[0].Body)
	}
	return joined, err
}
