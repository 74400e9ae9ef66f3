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
	if after.Epoch != r.epochNow() {
		return r.begin(ctx, shared.StateReset)
	}
	joined := shared.RoomJoinedPayload{Room: r.name, Cursor: *after}
	head, err := r.log.Head(ctx, r.name)
	if err != nil {
		return joined, err
	}
	if head.Seq != 0 && after.Seq == head.Seq && after.ID == messageID(head.Body) {
		joined.State = shared.StateCurrent
		return joined, nil
	}
	at, err := r.log.At(ctx, r.name, after.Seq)
	switch {
	case err != nil:
		return joined, err
	case at.Seq != 0 && after.ID == messageID(at.Body):
		joined.State = shared.StateRecovered
		return joined, nil
	case at.Seq != 0:
		return r.begin(ctx, shared.StateReset) // another message: not the log it knew
	}
	// There is no message at the cursor. A cursor from before a room's first
	// message never had one; another's has been removed by retention, or it is from
	// a log that this one never was.
	last, err := r.log.LastSeq(ctx, r.log.Shard(r.name))
	if err != nil {
		return joined, err
	}
	removed, err := r.log.Removed(ctx, r.name, after.Seq)
	switch {
	case err != nil:
		return joined, err
	case after.Seq > last, after.ID != "" && !removed:
		return r.begin(ctx, shared.StateReset)
	case removed:
		return r.truncated(ctx, joined)
	case head.Seq <= after.Seq:
		joined.State = shared.StateCurrent
	default:
		joined.State = shared.StateRecovered
	}
	return joined, nil
}

// truncated is for a client whose place in the log is gone: what lay between it
// and the first message that is left may be gone too.
func (r *room) truncated(ctx context.Context, joined shared.RoomJoinedPayload) (shared.RoomJoinedPayload, error) {
	first, err := r.log.Next(ctx, r.name, joined.Cursor.Seq)
	joined.State = shared.StateTruncated
	joined.Truncated = &shared.Truncated{After: joined.Cursor.Seq, First: first.Seq}
	return joined, err
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
	} else {
		joined.Cursor, err = r.backlog(ctx)
	}
	return joined, err
}

// backlog finds in the log where the last JoinBacklog messages begin: at the
// message before them, or just before the room's first.
func (r *room) backlog(ctx context.Context) (shared.Cursor, error) {
	cursor := shared.Cursor{Epoch: r.epochNow()}
	entries, _, err := r.log.Before(ctx, r.name, 0, shared.JoinBacklog+1)
	switch {
	case err != nil || len(entries) == 0:
		return cursor, err
	case len(entries) <= shared.JoinBacklog:
		cursor.Seq = entries[0].Seq - 1
	default:
		cursor.Seq, cursor.ID = entries[0].Seq, messageID(entries[0].Body)
	}
	return cursor, nil
}
