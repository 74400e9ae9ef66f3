package chat

import (
	"context"

	"websockets/server/auth"
	"websockets/shared"
)

// inRoom is a payload that names a room, or none for the current one.
type inRoom interface{ RoomName() string }

// onRoom sets the handler of an event that names a room, and the right it takes.
// setupEventHandlers shows which event takes which. Where no event names the room,
// joinFirstRoom, listRooms and refreshSession check rights.
func onRoom[T inRoom](handlers *shared.Registry[request], t shared.Type[T], right auth.Right, handle func(context.Context, request, T) error) {
	shared.On(handlers, t, func(ctx context.Context, r request, p T) error {
		if err := r.may(right, p.RoomName()); err != nil {
			return err
		}
		return handle(ctx, r, p)
	})
}

// may returns a *shared.Error forbidden if the session lacks a right in a room, whether
// or not the room exists.
func (c *Client) may(right auth.Right, room string) error {
	if room == "" && c.current != nil {
		room = c.current.room.name
	}
	if room == "" || c.session.Load().May(right, room) {
		return nil // without a room the handler answers not_member
	}
	what := "see"
	if right == auth.Write {
		what = "write in"
	}
	return shared.Errorf(shared.CodeForbidden, "you may not %s the room %s", what, room)
}
