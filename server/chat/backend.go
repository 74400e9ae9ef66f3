package chat

import (
	"context"
	"strings"
	"time"

	"websockets/server/eventlog"
	"websockets/server/timeline"
	"websockets/shared"
)

// The HTTP API of package web calls the methods of this file for the operator's backends.
// It has authenticated them, and they may do everything in every room.

// presenceWait is how long Presence waits for the other servers to tell who is there.
const presenceWait = 300 * time.Millisecond

// Post stores a backend's message and returns it with its sequence. created is false if
// the message was stored before: it has the same id and the same text. With another text
// the error is a *shared.Error id_reused. Other errors wrap eventlog.ErrUnavailable, and
// the same call may succeed later. When Post returns, the message is on disk if the log
// syncs every append.
func (m *Manager) Post(ctx context.Context, message shared.Message) (stored shared.Message, created bool, err error) {
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

// Rooms returns the page of the list of rooms that list_rooms asks for, of all rooms.
// Unread is not set. The error is a *shared.Error, or wraps eventlog.ErrUnavailable.
func (m *Manager) Rooms(ctx context.Context, p shared.ListRoomsPayload) (shared.RoomsPayload, error) {
	return m.recentRooms.List(ctx, p, func(name string) bool { return strings.Contains(name, p.Filter) })
}

// Presence returns how many users are in a room, on all servers, and at most
// shared.MaxListedMembers of them. The error is that of ctx, or wraps
// eventlog.ErrUnavailable.
func (m *Manager) Presence(ctx context.Context, name string) (count int, listed []shared.Member, err error) {
	wasOpen := m.rooms.has(name)
	if !wasOpen && !m.log.Shared() {
		return 0, []shared.Member{}, nil // there are no other servers
	}
	r, err := m.rooms.acquire(ctx, name) // asks the other servers if it opens the room
	if err != nil {
		return 0, nil, err
	}
	defer m.rooms.release(r)
	if !wasOpen {
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
