package roomsync

import (
	"slices"

	"websockets/shared"
)

const (
	// MaxWindow is how many messages of a room are kept for a user who reads further
	// up than its tail.
	MaxWindow = 600
	// PageSize is by how many messages the window is extended at once.
	PageSize = shared.MaxHistory
)

// window is the part of a room that the user reads while they are not at its end: a
// range of the log, at most MaxWindow messages. The tail continues beside it, and
// cursor, unread count and outbox depend on the tail alone.
//
// A window that ends where the tail ends grows with it until it is full. From then
// on there are newer messages than it shows.
type window struct {
	messages []shared.Message // at least one
	more     bool             // there are older ones
}

func (w *window) first() uint64 { return w.messages[0].Seq }
func (w *window) last() uint64  { return w.messages[len(w.messages)-1].Seq }

// visible returns what a view shows: messages, whether there are older ones, and
// whether there are newer ones.
func (t *timeline) visible() (messages []shared.Message, more, newer bool) {
	if t.window != nil {
		return t.window.messages, t.window.more, !t.windowAtTail()
	}
	return t.messages, t.more, false
}

// visibleGaps returns the missing ranges between, and after, the visible messages.
func (t *timeline) visibleGaps() (gaps []shared.Truncated) {
	messages, _, newer := t.visible()
	if len(messages) == 0 {
		return nil
	}
	first, last := messages[0].Seq, messages[len(messages)-1].Seq
	for _, gap := range t.gaps {
		if gap.After >= first && (!newer || gap.After < last) {
			gaps = append(gaps, gap)
		}
	}
	return gaps
}

// windowAtTail reports whether the window ends where the tail does.
func (t *timeline) windowAtTail() bool {
	return t.window.last() >= t.messages[len(t.messages)-1].Seq
}

// pin opens a window where the tail is now.
func (t *timeline) pin() {
	if t.window == nil && len(t.messages) > 0 {
		t.window = &window{messages: slices.Clip(t.messages), more: t.more}
	}
}

// extendOlder puts a page of history before what is visible. The tail takes it while
// it has room.
func (t *timeline) extendOlder(page shared.HistoryPayload) {
	if t.window == nil && len(t.messages)+len(page.Messages) <= MaxTail {
		t.prepend(page)
		return
	}
	t.pin()
	w := t.window
	w.messages = slices.Concat(messagesBefore(page.Messages, w.first()), w.messages)
	w.more = page.More
	if len(w.messages) > MaxWindow {
		w.messages = slices.Clip(w.messages[:MaxWindow])
	}
}

// extendNewer puts messages behind the window, those that it does not have yet.
func (t *timeline) extendNewer(messages []shared.Message) {
	w := t.window
	for len(messages) > 0 && messages[0].Seq <= w.last() {
		messages = messages[1:]
	}
	w.messages = slices.Concat(w.messages, messages[:min(len(messages), PageSize)])
	if n := len(w.messages) - MaxWindow; n > 0 {
		w.messages, w.more = w.messages[n:], true
	}
}

// Pin keeps the visible messages in place when new ones come, until ShowLatest or
// until the room is left.
func (r *Room) Pin() {
	if r.desired {
		r.timeline.pin()
	}
}

// ShowLatest makes the newest messages visible, and reports whether they were not.
func (r *Room) ShowLatest() bool {
	had := r.timeline.window != nil
	r.timeline.window = nil
	return had
}

// OlderPage is a page of messages before the visible ones, on its way from the
// server.
type OlderPage struct {
	room *Room

	// What was visible when the page was requested.
	window     *window
	before     uint64
	resetCount int
}

// OlderPage begins to load a page, or returns nil if there are no older messages.
// The room must have been joined once.
func (r *Room) OlderPage() *OlderPage {
	t := &r.timeline
	messages, more, _ := t.visible()
	if !more {
		return nil
	}
	p := &OlderPage{room: r, window: t.window, before: t.cursor.Seq + 1, resetCount: t.resetCount}
	if len(messages) > 0 {
		p.before = messages[0].Seq
	}
	return p
}

// Request returns the payload of load_history.
func (p *OlderPage) Request() shared.LoadHistoryPayload {
	return shared.LoadHistoryPayload{Room: p.room.name, Before: p.before, Limit: PageSize}
}

// Apply makes the answer visible. It reports false if that is of no use any more:
// the log was reset, or the user reads elsewhere by now.
func (p *OlderPage) Apply(answer shared.HistoryPayload) bool {
	t := &p.room.timeline
	messages, _, _ := t.visible()
	if t.resetCount != p.resetCount || t.window != p.window || len(messages) > 0 && messages[0].Seq != p.before {
		return false
	}
	t.extendOlder(answer)
	return true
}

// NewerPage is a page of messages after the visible ones, on its way from the
// server.
type NewerPage struct {
	room *Room

	// What was visible when the page was requested.
	window *window
	after  uint64
}

// NewerPage begins to load a page, or returns nil if none is needed: the newest
// messages are visible, or the tail had some that were not, and extended says that
// they are now.
func (r *Room) NewerPage() (page *NewerPage, extended bool) {
	t := &r.timeline
	if t.window == nil || t.windowAtTail() {
		return nil, false
	}
	after := t.window.last()
	if t.messages[0].Seq <= after {
		t.extendNewer(t.messages)
		return nil, true
	}
	return &NewerPage{room: r, window: t.window, after: after}, false
}

// Request returns the payload of load_history.
func (p *NewerPage) Request() shared.LoadHistoryPayload {
	return shared.LoadHistoryPayload{Room: p.room.name, After: p.after, Limit: PageSize}
}

// CheckRequest returns the payload of a second load_history, to be sent after
// Request has been answered. While the log still has the message that it asks for,
// retention has removed nothing after it, so nothing is missing before the page.
func (p *NewerPage) CheckRequest() shared.LoadHistoryPayload {
	return shared.LoadHistoryPayload{Room: p.room.name, Before: p.after + 1, Limit: 1}
}

// Apply makes the answers to Request and CheckRequest visible. It reports false if
// they are of no use any more: the log was reset, or the user reads elsewhere by
// now.
func (p *NewerPage) Apply(answer, check shared.HistoryPayload) bool {
	t := &p.room.timeline
	if t.window != p.window || p.window.last() != p.after {
		return false
	}
	messages := answer.Messages
	if len(messages) == 0 && !answer.More { // all that the log had there is gone
		messages = t.messages
	}
	n := len(check.Messages)
	if len(messages) > 0 && (n == 0 || check.Messages[n-1].Seq != p.after) {
		t.addGap(shared.Truncated{After: p.after, First: messages[0].Seq})
	}
	t.extendNewer(messages)
	return true
}
