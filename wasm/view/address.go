package view

import (
	"strings"

	"websockets/shared"
)

// PathOf returns the path of a room's page. base is the path of the server's root, with a
// slash at its end.
func PathOf(base, room string) string { return base + "r/" + room }

// RoomOf returns the room of a path. The path of the root is the default room. For a path
// without a valid room it returns the default room and false.
func RoomOf(base, path string) (room string, ok bool) {
	if path == base {
		return shared.DefaultRoom, true
	}
	room, found := strings.CutPrefix(path, base+"r/")
	if !found || shared.ValidateRoom(room) != nil {
		return shared.DefaultRoom, false
	}
	return room, true
}
