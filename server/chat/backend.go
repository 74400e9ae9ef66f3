package chat

import (
	"context"
	"strings"
	"time"

	"websockets/server/eventlog"
	"websockets/server/timeline"
	"websockets/shared"
)

// What follows is for the operator's own backends, which speak HTTP: package web
// has checked who they are. They may do everything in every room.

// presenceWait is how long the other servers have to say who is at theirs.
const presenceWait = 300 * time.Millisecond

// Post stores a message that a backend has written and returns it with its place.
// fresh says that it was not there already: the same id again with the same text is
// the same message, with another it is an *shared.Error id_reused. It returns when
// the message is on disk, if the log syncs always. Other errors wrap
// eventlog.ErrUnavailable: the same again may succeed.
func (m *Manager) Post(ctx context.Context, message shared.Message) (stored shared.Message, fresh bool, err error) {
	message.Sent = time.Now().UTC().Truncate(time.Millisecond)
	receipt, err := m.appends.appendAndWait(ctx, message.Room, message.User, message.ID, message.Encode())
	message.Seq = receipt.Seq
	if err != nil || !receipt.Duplicate {
		return message, err == nil, err
	}
	place, err := m.log.Locate(ctx, message.Room, receipt.Seq)
	if err != nil || place.State != eventlog.Present {
		return message, false, err
	}
	if !timeline.IsMessage(place.Record.Body) {
		return message, false, idReused(message.ID)
	}
	first, err := timeline.Message(place.Record)
	if err == nil && first.Message != message.Message {
		err = idReused(message.ID)
	}
	return first, false, err
}

// Rooms lists the rooms whose names contain filter, the most recently active first.
// Errors wrap eventlog.ErrUnavailable.
func (m *Manager) Rooms(ctx context.Context, filter string) ([]shared.RoomSummary, error) {
	return m.recentRooms.List(ctx, func(name string) bool { return strings.Contains(name, filter) })
}

// Presence returns how many users are in a room, on all servers, and at most
// shared.MaxListedMembers of them.
func (m *Manager) Presence(ctx context.Context, name string) (count int, listed []shared.Member, err error) {
	known := m.rooms.has(name)
	if !known && !m.log.Shared() {
		return 0, []shared.Member{}, nil // nobody is anywhere else
	}
	r, err := m.rooms.acquire(ctx, name) // which asks the others if the room is not open here
	if err != nil {
		return 0, nil, err
	}
	defer m.rooms.release(r)
	if !known {
		timer := time.NewTimer(presenceWait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		}
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.presence.Count(), r.presence.List(), nil
}
