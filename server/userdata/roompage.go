package userdata

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"time"

	"websockets/shared"
)

// A list of rooms is read in pages while rooms move to its top. So it is read downwards
// first, and when the bottom is reached upwards, for rooms that have moved since the first
// page. A reader of all pages gets every room, and those that have moved perhaps twice.

// roomPage is where a page begins: behind a room of the list. It is all that the name of
// a page contains, so a name that somebody has made up shows them no other rooms.
type roomPage struct {
	Sent   int64  `json:"t"`
	Name   string `json:"n"`
	Since  int64  `json:"s"`           // when the first page was read
	Upward bool   `json:"u,omitempty"` // the bottom was reached
}

// firstPage begins at the top of a list that was refreshed then.
func firstPage(refreshed time.Time) roomPage {
	return roomPage{Sent: math.MaxInt64, Since: refreshed.UnixNano()}
}

// parsePage returns the page with a name. The error is a *shared.Error.
func parsePage(name string) (p roomPage, err error) {
	if name == "" {
		return p, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(name)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		return p, shared.Errorf(shared.CodeBadPayload, "no such page: send next as received in rooms")
	}
	return p, nil
}

func (p roomPage) encode() string {
	text, _ := json.Marshal(p) // of numbers and a string
	return base64.RawURLEncoding.EncodeToString(text)
}

// read returns the page, at most limit rooms that match, and the name of the next page,
// empty if no room follows that matches.
func (p roomPage) read(rooms []recentRoom, limit int, matches func(room string) bool) (page []shared.RoomSummary, next string) {
	page = make([]shared.RoomSummary, 0, min(len(rooms), limit))
	// add reports false if the page is full.
	add := func(room recentRoom) bool {
		switch {
		case !matches(room.name):
			return true
		case len(page) == limit:
			next = p.encode()
			return false
		}
		page = append(page, shared.RoomSummary{Name: room.name, LastActivity: time.Unix(0, room.sent).UTC()})
		p.Sent, p.Name = room.sent, room.name
		return true
	}
	at, found := slices.BinarySearchFunc(rooms, recentRoom{name: p.Name, sent: p.Sent}, byActivity)
	if !p.Upward {
		if found {
			at++
		}
		for _, room := range rooms[at:] {
			if !add(room) {
				return page, next
			}
		}
		p.Upward, at = true, len(rooms)
	}
	for _, room := range slices.Backward(rooms[:at]) {
		if room.listed > p.Since && !add(room) {
			return page, next
		}
	}
	return page, ""
}
