package view

import (
	"errors"
	"strings"
	"testing"

	"websockets/shared"
	"websockets/wasm/client"
)

func TestRoomOfAddress(t *testing.T) {
	for path, want := range map[string]string{
		"/": shared.DefaultRoom, "/r/ops": "ops", PathOf("/", "a-b_1"): "a-b_1",
		"/r/": "", "/r/Ops": "", "/r/a/b": "", "/r/%2e": "", "/x": "", "": "",
	} {
		for _, base := range []string{"/", "/chat/"} {
			below := base + strings.TrimPrefix(path, "/")
			if path == "" {
				below = ""
			}
			room, ok := RoomOf(base, below)
			if ok != (want != "") || ok && room != want || !ok && room != shared.DefaultRoom {
				t.Errorf("room of %q below %s: got %q, %v, want %q", below, base, room, ok, want)
			}
		}
	}
	if room, ok := RoomOf("/chat/", "/r/ops"); ok {
		t.Errorf("room of /r/ops below /chat/: got %q, want none", room)
	}
}

func TestTitleCountsAllRooms(t *testing.T) {
	v := client.View{Current: "ops", Rooms: []client.RoomEntry{{Name: "ops", Unread: 2}, {Name: "b", Unread: 3}}}
	if got := TitleOf(v); got != "(5) #ops" {
		t.Errorf("the title: got %q, want (5) #ops", got)
	}
	v.Rooms[1].Unread = shared.MaxUnread + 1
	if got := TitleOf(v); got != "(99+) #ops" {
		t.Errorf("the title: got %q, want (99+) #ops", got)
	}
	if got := TitleOf(client.View{Current: "ops"}); got != "#ops" {
		t.Errorf("the title: got %q, want #ops", got)
	}
}

func TestErrorsAreSentences(t *testing.T) {
	for want, err := range map[string]error{
		"A room name has 1 to 64 characters: a-z, 0-9, - and _.": shared.ValidateRoom("X"),
		"Please choose a room first.":                            client.ErrNoRoom,
		"Something else.":                                        errors.New("something else."),
	} {
		if got := ErrorText(err); got != want {
			t.Errorf("words of %v: got %q, want %q", err, got, want)
		}
	}
}
