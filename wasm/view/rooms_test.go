package view

import (
	"strings"
	"testing"

	"websockets/shared"
	"websockets/wasm/client"
)

func TestRoomTyped(t *testing.T) {
	for typed, want := range map[string]string{
		"": "", "ops": "ops", " #Ops East ": "ops-east", "##a": "a", "# a": "a", "Ä b": "ä-b", "a#b": "a#b",
	} {
		if got := RoomNameOf(typed); got != want {
			t.Errorf("%q is the room got %q, want %q", typed, got, want)
		}
	}
}

// roomLines writes rows as one line each, with what is heard of them.
func roomLines(rooms Rooms) string {
	var b strings.Builder
	for _, row := range rooms.Rows {
		b.WriteString(row.Label)
		if row.Current {
			b.WriteString(" current")
		}
		if row.Unread != "" || row.Mark != "" {
			b.WriteString(" [" + row.Unread + string(row.Mark) + "] " + row.Spoken)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestRoomsOf(t *testing.T) {
	v := client.View{Current: "ops", Rooms: []client.RoomEntry{
		{Name: "shop", Unread: 3}, {Name: "ops"}, {Name: "opera", Unread: shared.MaxUnread + 1}, {Name: "den", Undecided: 2, Unread: 1},
	}}
	found := []shared.RoomSummary{{Name: "opal", Unread: 1}, {Name: "shop", Unread: 9}}
	drafts := []string{"shop", "ops", "loft", "den"}
	for _, test := range []struct{ typed, want, none, said string }{
		{"", `shop [3draft] 3 unread, a draft
ops current
opera [99+] more than 99 unread
den [1not sent] 1 unread, a draft, 2 messages not sent
loft [draft] a draft
`, "", ""},
		{"op", `ops current
opera [99+] more than 99 unread
opal [1] 1 unread
shop [3draft] 3 unread, a draft
Create #op
`, "", "4 rooms, Create #op"},
		{"ops", "ops current\n", "", "1 room"},
		{"new", "Create #new\n", "", "No room new, Create #new"},
		{"n§", "", "No room “n§”. A room name has 1 to 64 characters: a-z, 0-9, - and _.", "No room “n§”. A room name has 1 to 64 characters: a-z, 0-9, - and _."},
	} {
		list := found
		if test.typed == "" {
			list = nil
		}
		rooms := RoomsOf(v, test.typed, list, drafts)
		if got := roomLines(rooms); got != test.want {
			t.Errorf("%q finds\n%s\nwant\n%s", test.typed, got, test.want)
		}
		if rooms.EmptyText != test.none || rooms.StatusText != test.said {
			t.Errorf("%q: got %q and %q, want %q and %q", test.typed, rooms.EmptyText, rooms.StatusText, test.none, test.said)
		}
		if first := len(rooms.Rows) > 0 && rooms.Rows[0].First; first != (test.typed != "" && test.none == "") {
			t.Errorf("%q: the first row is Enter's: got %v, want %v", test.typed, first, !first)
		}
	}
}

func TestEntered(t *testing.T) {
	rooms := []client.RoomEntry{{Name: "a", Unread: 2}, {Name: "b"}, {Name: "c", Unread: shared.MaxUnread + 1}}
	for room, want := range map[string]string{"a": "Room a, 2 unread", "b": "Room b, 0 unread", "c": "Room c, 99+ unread", "new": "Room new, 0 unread"} {
		if got := EnteredText(client.View{Current: room, Rooms: rooms}); got != want {
			t.Errorf("going to %s: got %q, want %q", room, got, want)
		}
	}
}

func TestStep(t *testing.T) {
	rooms := Rooms{Rows: []RoomRow{{Room: "a"}, {Room: "b"}, {Room: "c", Creates: true}}}
	for _, test := range []struct {
		from string
		by   int
		want string
	}{{"a", 1, "b"}, {"b", -1, "a"}, {"a", -1, ""}, {"b", 1, ""}, {"elsewhere", 1, "a"}, {"elsewhere", -1, "a"}} {
		if got := rooms.Neighbor(test.from, test.by); got != test.want {
			t.Errorf("%d from %s: got %q, want %q", test.by, test.from, got, test.want)
		}
	}
	if got := (Rooms{}).Neighbor("a", 1); got != "" {
		t.Errorf("step among no rooms: got %q, want none", got)
	}
}

func TestRefusal(t *testing.T) {
	refused := &shared.Error{Code: shared.CodeUnsupported, Message: "not for you"}
	later := &shared.Error{Code: shared.CodeUnavailable, Message: "not now", RetryAfter: 1}
	for _, test := range []struct {
		v      client.View
		before string
		want   *Refusal
	}{
		{client.View{Current: "a"}, "b", nil},
		{client.View{Current: "a", Room: client.RoomView{Refused: refused, Messages: make([]shared.Message, 1)}}, "b", nil},
		{client.View{Current: "a", Room: client.RoomView{Refused: refused}}, "b", &Refusal{"Can't open #a", "Not for you.", "b"}},
		{client.View{Current: "a", Room: client.RoomView{Refused: later}}, "", &Refusal{"Can't open #a", "Not now. Retrying automatically.", "general"}},
		{client.View{Current: "general", Room: client.RoomView{Refused: refused}}, "general", &Refusal{"Can't open #general", "Not for you.", ""}},
		{client.View{}, "b", &Refusal{"No room is open", "Choose a room from the list, or start with #general.", "general"}},
	} {
		got := RefusalOf(test.v, test.before)
		if (got == nil) != (test.want == nil) || got != nil && *got != *test.want {
			t.Errorf("%+v: got %+v, want %+v", test.v, got, test.want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 rooms", 1: "1 room", 99: "99 rooms", 100: "99+ rooms", 5000: "99+ rooms"} {
		if got := Count(n, "room"); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}
