package main

import (
	"errors"
	"testing"

	"websockets/shared"
	"websockets/wasm/client"
)

func TestRoomOfAddress(t *testing.T) {
	for path, want := range map[string]string{
		"/": shared.DefaultRoom, "/r/ops": "ops", addressOf("a-b_1"): "a-b_1",
		"/r/": "", "/r/Ops": "", "/r/a/b": "", "/r/%2e": "", "/x": "", "": "",
	} {
		room, ok := roomOf(path)
		if ok != (want != "") || ok && room != want || !ok && room != shared.DefaultRoom {
			t.Errorf("%q names %q, %v", path, room, ok)
		}
	}
}

func TestWhoIsTyping(t *testing.T) {
	member := func(name string) shared.Member { return shared.Member{User: name, Name: name} }
	for _, test := range []struct {
		who  []shared.Member
		want string
	}{
		{nil, ""},
		{[]shared.Member{member("Ada")}, "Ada is typing…"},
		{[]shared.Member{member("Ada"), member("Bob")}, "Ada and Bob are typing…"},
		{[]shared.Member{member("Ada"), member("Bob"), member("Cem")}, "Ada, Bob and Cem are typing…"},
		{[]shared.Member{member("a"), member("b"), member("c"), member("d")}, "Several people are typing…"},
	} {
		if got := typingWords(test.who); got != test.want {
			t.Errorf("%d: %q, not %q", len(test.who), got, test.want)
		}
	}
}

func TestTitleCountsAllRooms(t *testing.T) {
	v := client.View{Current: "ops", Rooms: []client.RoomEntry{{Name: "ops", Unread: 2}, {Name: "b", Unread: 3}}}
	if got := titleOf(v); got != "(5) #ops" {
		t.Errorf("the title is %q", got)
	}
	v.Rooms[1].Unread = shared.MaxUnread + 1
	if got := titleOf(v); got != "(99+) #ops" {
		t.Errorf("the title is %q", got)
	}
	if got := titleOf(client.View{Current: "ops"}); got != "#ops" {
		t.Errorf("the title is %q", got)
	}
}

func TestErrorsAreSentences(t *testing.T) {
	for want, err := range map[string]error{
		"A room's name is 1 to 64 characters of a-z 0-9 - _.": shared.ValidateRoom("X"),
		"Please choose a room first.":                         client.ErrNoRoom,
		"Something else.":                                     errors.New("something else."),
	} {
		if got := words(err); got != want {
			t.Errorf("%v is said as %q, not %q", err, got, want)
		}
	}
}
