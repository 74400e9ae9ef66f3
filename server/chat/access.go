package chat

import (
	"context"

	"websockets/server/auth"
	"websockets/shared"
)

// inRoom is a payload with the name of a room, which may be empty for the current one.
type inRoom interface{ RoomName() string }

// onRoom registers the handler of an event that names a room, with the right that the
// event needs there. Rights that no such event asks for are checked in joinFirstRoom,
// listRooms and refreshSession.
func onRoom[T inRoom](handlers *shared.Registry[request], t shared.Type[T], right auth.Right, handle func(context.Context, request, T) error) {
	shared.On(handlers, t, func(ctx context.Context, r request, p T) error {
		if err := r.may(right, p.RoomName()); err != nil {
			return err
		}
		return handle(ctx, r, p)
	})
}

// may returns a *shared.Error with the code forbidden if the session lacks a right in a
// room. Whether the room exists makes no difference. Only the reader may call it.
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
