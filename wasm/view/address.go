package view

import (
	"strings"

	"websockets/shared"
)

// PathOf returns the path of a room's page.
func PathOf(room string) string { return "/r/" + room }

// RoomOf returns the room of a path. The path / is the default room. For a path without
// a valid room it returns the default room and false.
func RoomOf(path string) (room string, ok bool) {
	if path == "/" {
		return shared.DefaultRoom, true
	}
	room, found := strings.CutPrefix(path, "/r/")
	if !found || shared.ValidateRoom(room) != nil {
		return shared.DefaultRoom, false
	}
	return room, true
}
