package chat

import (
	"context"

	"websockets/server/auth"
	"websockets/shared"
)

// inRoom is a payload that names a room, or none for the current one.
type inRoom interface{ RoomName() string }

// onRoom sets the handler of an event that names a room, and the right that it
// takes. This is the only place where rights are checked: setupEventHandlers shows
// which event takes which.
func onRoom[T inRoom](handlers *shared.Registry[request], t shared.Type[T], right auth.Right, handle func(context.Context, request, T) error) {
	shared.On(handlers, t, func(ctx context.Context, r request, p T) error {
		if err := r.may(right, p.RoomName()); err != nil {
			return err
		}
		return handle(ctx, r, p)
	})
}

// may refuses what the session has no right to, the same whether the room exists
// or not.
func (c *Client) may(right auth.Right, room string) error {
	if room == "" && c.current != nil {
		room = c.current.room.name
	}
	if room == "" || c.session.Load().May(right, room) {
		return nil // without a room there is nothing to do it in, as the handler will say
	}
	what := "see"
	if right == auth.Write {
		what = "write in"
	}
	return shared.Errorf(shared.CodeForbidden, "you may not %s the room %s", what, room)
}
