package view

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"websockets/shared"
	"websockets/wasm/client"
)

// createRowKey is the key of the row that creates a room. It is not a valid room name.
const createRowKey = "+"

// RoomRow is a row of the list of rooms. Equal rows look the same.
type RoomRow struct {
	Key     string
	Room    string // the room that the row opens
	Label   string
	Creates bool // the row creates a new room
	Current bool
	First   bool   // the best match: Enter opens it
	Unread  string // "3" or "99+", empty if there are no unread messages
	Mark    Mark
	Spoken  string // text for screen readers after the label
}

// Mark is a word next to a room's name: an unsent text of the reader's.
type Mark string

const (
	NoMark  Mark = ""
	Drafted Mark = "draft"
	Unsent  Mark = "not sent" // the reader must decide about a message
)

// Rooms is the content of the list of rooms.
type Rooms struct {
	Rows []RoomRow
	// EmptyText says why there are no rows. It is empty if there are rows, or if the
	// filter is empty.
	EmptyText string
	// StatusText describes the result of the filter for screen readers.
	StatusText string
}

// RoomNameOf turns a typed text into a room name: "#Some Room" becomes "some-room". The
// result may be an invalid name.
func RoomNameOf(text string) string {
	return strings.Join(strings.Fields(strings.ToLower(strings.TrimLeft(text, "# \t"))), "-")
}

// RoomsOf lists the rooms whose names contain typed, a result of RoomNameOf. The room of
// that name comes first, then rooms that begin with it, each group by recent activity.
// If there is no room of that name, the last row creates it. found are rooms on the
// server that the View does not have. Rooms with a draft are listed too.
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
		rooms.EmptyText = "No room “" + isolate(truncate(typed, 24)) + "”. " + Sentence(errorMessage(err))
		rooms.StatusText = rooms.EmptyText
	}
	if len(rooms.Rows) > 0 {
		rooms.Rows[0].First = true
	}
	return rooms
}

// matchRank orders names by how well they match what was typed, best first.
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
	if drafted && !row.Current { // in the current room the composer shows the draft
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

// EnteredText announces the current room and its unread messages. It takes the count
// from the list of rooms, because the messages may not have arrived yet.
func EnteredText(v client.View) string {
	unread := "0"
	for _, e := range v.Rooms {
		if e.Name == v.Current && e.Unread > 0 {
			unread = roomRow(e, "", false).Unread
		}
	}
	return "Room " + v.Current + ", " + unread + " unread"
}

// Neighbor returns the room that is by rows below the current one, or above it if by is
// negative. It returns the first room if the current one has no row, and "" beyond
// either end.
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

// Refusal replaces a room that the reader may not open.
type Refusal struct {
	Title string
	Why   string
	Back  string // the room that the button leads to, empty for no button
}

// RefusalOf returns what to show instead of the current room. It returns nil if the room
// can be shown: the server has not refused it, or it has messages to show. before is the
// room that was shown before.
func RefusalOf(v client.View, before string) *Refusal {
	room := v.Room
	if v.Current == "" {
		return &Refusal{Title: "No room is open", Why: "Choose a room from the list, or start with #" + shared.DefaultRoom + ".", Back: shared.DefaultRoom}
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
	if room.Refused.RetryAfter > 0 { // the client tries again
		why += " Retrying automatically."
	}
	return &Refusal{Title: "Can't open #" + v.Current, Why: why, Back: back}
}

// errorMessage returns an error's text without its code.
func errorMessage(err error) string {
	if said, ok := err.(*shared.Error); ok {
		return said.Message
	}
	return err.Error()
}

// truncate shortens a text to at most most code points and adds an ellipsis.
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

// Count formats a number with its noun. Numbers above shared.MaxUnread become "99+".
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
