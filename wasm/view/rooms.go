package view

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"websockets/shared"
	"websockets/wasm/client"
)

// createRowKey is the key of the row that creates a room; no room is called so.
const createRowKey = "+"

// RoomRow is a row of the column of rooms. Two that are equal look the same.
type RoomRow struct {
	Key     string
	Room    string // where it leads
	Label   string
	Creates bool // nobody has written there yet, as far as we know
	Current bool
	First   bool   // of those that match: Enter goes there
	Unread  string // as it is to be seen: "3", "99+", empty if there are none
	Mark    Mark
	Spoken  string // what is to be heard after the label
}

// Mark is a word beside a room's name: what the reader has begun there.
type Mark string

const (
	NoMark  Mark = ""
	Drafted Mark = "draft"
	Unsent  Mark = "not sent" // messages wait for a decision
)

// Rooms are what the column of rooms is to show.
type Rooms struct {
	Rows []RoomRow
	// EmptyText is why there are no rows, empty if there are some or nothing was typed.
	EmptyText string
	// StatusText tells somebody who does not see the rows what there are.
	StatusText string
}

// RoomNameOf makes a room's name of what was typed: #Some Room is some-room. It
// may be one that no room can have.
func RoomNameOf(text string) string {
	return strings.Join(strings.Fields(strings.ToLower(strings.TrimLeft(text, "# \t"))), "-")
}

// RoomsOf lists the rooms whose name contains what was typed, which is as
// RoomNameOf returns it: first the one of that name, then those that begin with
// it, each by recent activity; last the row that creates it if there is none.
// found are rooms that the server knows beside those of the View. Rooms with a
// draft are there too.
func RoomsOf(v client.View, typed string, found []shared.RoomSummary, drafts []string) Rooms {
	var rooms Rooms
	listed := make(map[string]bool)
	exact := false
	add := func(e client.RoomEntry) {
		if listed[e.Name] || !strings.Contains(e.Name, typed) {
			return
		}
		listed[e.Name] = true
		exact = exact || e.Name == typed
		rooms.Rows = append(rooms.Rows, roomRow(e, v.Current, slices.Contains(drafts, e.Name)))
	}
	for _, e := range v.Rooms {
		add(e)
	}
	for _, s := range found {
		add(client.RoomEntry{Name: s.Name, Unread: s.Unread})
	}
	for _, name := range drafts {
		add(client.RoomEntry{Name: name})
	}
	if typed == "" {
		return rooms
	}
	slices.SortStableFunc(rooms.Rows, func(a, b RoomRow) int {
		return cmp.Compare(matchRank(a.Room, typed), matchRank(b.Room, typed))
	})

	if n := len(rooms.Rows); n > 0 {
		rooms.StatusText = Count(n, "room")
	}
	switch err := shared.ValidateRoom(typed); {
	case exact:
	case err == nil:
		rooms.Rows = append(rooms.Rows, RoomRow{Key: createRowKey, Room: typed, Label: "Create #" + typed, Creates: true})
		if rooms.StatusText == "" {
			rooms.StatusText = "No room " + typed
		}
		rooms.StatusText += ", Create #" + typed
	case len(rooms.Rows) == 0:
		rooms.EmptyText = "No room “" + truncate(typed, 24) + "”. " + Sentence(errorMessage(err))
		rooms.StatusText = rooms.EmptyText
	}
	if len(rooms.Rows) > 0 {
		rooms.Rows[0].First = true
	}
	return rooms
}

// matchRank is how far a name is from what was typed.
func matchRank(name, typed string) int {
	switch {
	case name == typed:
		return 0
	case strings.HasPrefix(name, typed):
		return 1
	}
	return 2
}

func roomRow(e client.RoomEntry, current string, drafted bool) RoomRow {
	row := RoomRow{Key: e.Name, Room: e.Name, Label: e.Name, Current: e.Name == current}
	var words []string
	switch {
	case e.Unread > shared.MaxUnread:
		row.Unread = strconv.Itoa(shared.MaxUnread) + "+"
		words = append(words, "more than "+strconv.Itoa(shared.MaxUnread)+" unread")
	case e.Unread > 0:
		row.Unread = strconv.Itoa(e.Unread)
		words = append(words, row.Unread+" unread")
	}
	if drafted && !row.Current { // in the current room the field shows it
		row.Mark = Drafted
		words = append(words, "a draft")
	}
	if e.Undecided > 0 {
		row.Mark = Unsent
		words = append(words, Count(e.Undecided, "message")+" not sent")
	}
	row.Spoken = strings.Join(words, ", ")
	return row
}

// EnteredText says which room is the current one now, with what is unread there. Its
// messages may still be on their way: until they are there the list knows.
func EnteredText(v client.View) string {
	unread := "0"
	for _, e := range v.Rooms {
		if e.Name == v.Current && e.Unread > 0 {
			unread = roomRow(e, "", false).Unread
		}
	}
	return "Room " + v.Current + ", " + unread + " unread"
}

// Step returns the room that is by places below the current one among the rows,
// or above it if by is negative; from a room that is not among them the first.
// Empty at the ends.
func (r Rooms) Neighbor(current string, by int) string {
	at := slices.IndexFunc(r.Rows, func(row RoomRow) bool { return row.Room == current })
	if at < 0 {
		at, by = 0, 0
	}
	if at += by; at < 0 || at >= len(r.Rows) || r.Rows[at].Creates {
		return ""
	}
	return r.Rows[at].Room
}

// Refusal is what a room shows that the server does not let the reader into.
type Refusal struct {
	Title string
	Why   string
	Back  string // the room that leads away from it, empty if none does
}

// RefusalOf returns what to show instead of the current room: nil if it is to be
// shown itself, as is one that was let in before and has messages. before is the
// room that was shown before it.
func RefusalOf(v client.View, before string) *Refusal {
	room := v.Room
	if v.Current == "" {
		return &Refusal{Title: "No room is open", Why: "Choose one from the list, or begin with the general one.", Back: shared.DefaultRoom}
	}
	if room.Refused == nil || len(room.Messages)+len(room.Outgoing) > 0 {
		return nil
	}
	back := before
	if back == "" || back == v.Current {
		back = shared.DefaultRoom
	}
	if back == v.Current {
		back = ""
	}
	why := Sentence(room.Refused.Message)
	if room.Refused.RetryAfter > 0 { // then the client asks again
		why += " It is tried again by itself."
	}
	return &Refusal{Title: "#" + v.Current + " does not open", Why: why, Back: back}
}

// errorMessage is an error without what is for programs.
func errorMessage(err error) string {
	if said, ok := err.(*shared.Error); ok {
		return said.Message
	}
	return err.Error()
}

// truncate cuts a text to so many code points.
func truncate(text string, most int) string {
	n := 0
	for i := range text {
		if n == most {
			return text[:i] + "…"
		}
		n++
	}
	return text
}

// Count says a number of things in words, up to shared.MaxUnread.
func Count(n int, thing string) string {
	number := strconv.Itoa(min(n, shared.MaxUnread))
	switch {
	case n == 1:
		return "1 " + thing
	case n > shared.MaxUnread:
		number += "+"
	}
	return number + " " + thing + "s"
}
