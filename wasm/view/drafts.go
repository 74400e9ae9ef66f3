package view

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"websockets/shared"
)

// maxDrafts is how many rooms keep a draft: beyond it the oldest goes.
const maxDrafts = 50

// Draft is what was begun in a room and not sent.
type Draft struct {
	Text string
	At   time.Time // when it was last changed, to the millisecond
}

// String is the draft as it is kept: the time in milliseconds, a blank, and at
// most shared.MaxMessageLength code points of the text.
func (d Draft) String() string {
	text := d.Text
	n := 0
	for i := range text {
		if n == shared.MaxMessageLength {
			text = text[:i]
			break
		}
		n++
	}
	return strconv.FormatInt(d.At.UnixMilli(), 10) + " " + text
}

// ParseDraft reads what String wrote.
func ParseDraft(kept string) (d Draft, ok bool) {
	at, text, ok := strings.Cut(kept, " ")
	ms, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil || strings.TrimSpace(text) == "" {
		return Draft{}, false
	}
	return Draft{text, time.UnixMilli(ms)}, true
}

// Drafts are the drafts by room.
type Drafts map[string]Draft

// Put sets a room's draft, one of blanks is none. It returns the rooms whose
// draft goes: this one, or the oldest when there are too many.
func (d Drafts) Put(room, text string, now time.Time) (gone []string) {
	if strings.TrimSpace(text) == "" {
		delete(d, room)
		return []string{room}
	}
	d[room] = Draft{text, now}
	for _, oldest := range d.Rooms() {
		if len(d) <= maxDrafts {
			break
		}
		if oldest != room { // whatever the clocks say
			delete(d, oldest)
			gone = append(gone, oldest)
		}
	}
	return gone
}

// Rooms returns the rooms that have a draft, the oldest first.
func (d Drafts) Rooms() []string {
	rooms := make([]string, 0, len(d))
	for room := range d {
		rooms = append(rooms, room)
	}
	slices.SortStableFunc(rooms, func(a, b string) int {
		if order := d[a].At.Compare(d[b].At); order != 0 {
			return order
		}
		return strings.Compare(a, b)
	})
	return rooms
}

// MergeDraft is what the composer of the first room shows: the room's draft, and
// what was typed before the page could show it. A browser that has brought back
// what was in the field has brought back the draft.
func MergeDraft(draft, typed string) string {
	switch {
	case draft == "" || strings.HasPrefix(typed, draft):
		return typed
	case strings.TrimSpace(typed) == "":
		return draft
	}
	return draft + "\n" + typed
}
