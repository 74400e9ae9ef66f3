package view

import (
	"strconv"

	"websockets/shared"
	"websockets/wasm/client"
)

// TitleOf returns the title of the tab: the unread messages of all rooms, and the
// current room.
func TitleOf(v client.View) string {
	unread := 0
	for _, r := range v.Rooms {
		unread += r.Unread
	}
	title := "#" + v.Current
	switch {
	case v.Current == "":
		title = "Rooms"
	case unread > shared.MaxUnread:
		title = "(" + strconv.Itoa(shared.MaxUnread) + "+) " + title
	case unread > 0:
		title = "(" + strconv.Itoa(unread) + ") " + title
	}
	return title
}
