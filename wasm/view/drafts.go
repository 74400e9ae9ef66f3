package view

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"websockets/shared"
)

// maxDrafts is how many rooms can have a draft. The oldest is dropped for a new one.
const maxDrafts = 50

// Draft is an unsent text in a room.
type Draft struct {
	Text string
	At   time.Time // last change, with milliseconds
}

// String returns the stored form: the time in milliseconds, a space, and at most
// shared.MaxMessageLength code points of the text.
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

// ParseDraft parses the result of String.
func ParseDraft(kept string) (d Draft, ok bool) {
	at, text, ok := strings.Cut(kept, " ")
	ms, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil || strings.TrimSpace(text) == "" {
		return Draft{}, false
	}
	return Draft{text, time.UnixMilli(ms)}, true
}

// Drafts maps rooms to their drafts.
type Drafts map[string]Draft

// Put sets a room's draft. A blank text removes it. Put returns the rooms that no
// longer have a draft: this one, or the oldest if there are too many.
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
		if oldest != room { // keep the new one even if the clock was set back
			delete(d, oldest)
			gone = append(gone, oldest)
		}
	}
	return gone
}

// Rooms returns the rooms that have a draft, oldest draft first.
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

// MergeDraft returns the text of the composer in the first room: the stored draft
// followed by what was typed before the page was ready. If the browser has restored the
// draft into the field, typed already begins with it.
func MergeDraft(draft, typed string) string {
	switch {
	case draft == "" || strings.HasPrefix(typed, draft):
		return typed
	case strings.TrimSpace(typed) == "":
		return draft
	}
	return draft + "\n" + typed
}
