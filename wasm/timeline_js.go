package main

import (
	"syscall/js"
	"time"

	"websockets/shared"
	"websockets/wasm/client"
	"websockets/wasm/view"
)

// timeline is the list of messages of the current room. Every row has a key and
// stays one and the same element for as long as its key is there, so a message
// that goes from pending to sent is never taken out and put in again.
//
// Only the page's goroutine touches it.
type timeline struct {
	view.Timeline
	clock   *clock
	after   func(time.Duration, func()) // see Page.after
	scroll  js.Value
	latest  *label
	older   *label
	message js.Value // templates
	day     js.Value
	note    js.Value
	divider js.Value

	room   string
	synced bool // at the last draw
	end    size // when the reader was brought to the end
	rows   *list[row]
	flood  bool // at the end all rows in sight were others than before, and more
	quiets int  // calls of beginQuiet that have not ended
}

func newTimeline(after func(time.Duration, func())) *timeline {
	t := &timeline{
		clock:   newClock(),
		after:   after,
		scroll:  byID("scroll"),
		latest:  newLabel(byID("latest")),
		older:   newLabel(byID("older")),
		message: byID("t-message"),
		day:     byID("t-day"),
		note:    byID("t-note"),
		divider: byID("t-divider"),
		rows:    newList[row](byID("messages")),
	}
	t.AtEnd = true
	return t
}

// drawTimeline makes the list show the View's current room.
func (p *Page) drawTimeline(v client.View, names view.Names) {
	t := p.timeline
	if v.Room.Name != t.room {
		t.clear(v.Room.Name)
	}
	if !v.Room.Synced || !t.synced {
		t.quiet() // what was missed is history
	}
	t.synced = v.Room.Synced

	t.lookAt(v.Room) // the reader may have moved on since
	anchor, was := t.anchor()
	entries := t.Show(v, names, t.clock.names, document.Get("hidden").Bool())
	setHidden(t.older.Value, !t.OlderButton(v.Room) || !p.booted)
	t.place(entries)
	if t.AtEnd {
		t.toEnd()
	} else if r := t.rows.children[anchor]; r != nil {
		if moved := top(r.element) - was; moved != 0 {
			t.scroll.Set("scrollTop", t.scroll.Get("scrollTop").Float()+moved)
		}
	}
	t.latest.say(t.LatestButton(v))
	p.look()
}

// clear empties the list for another room.
func (t *timeline) clear(room string) {
	t.quiet()
	t.rows.clear()
	t.room = room
	t.scroll.Call("setAttribute", "aria-label", "Messages in "+room)
}

// place makes the list's children those of the entries.
func (t *timeline) place(entries []view.Entry) {
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = e.Key
	}
	moved := t.rows.place(keys, func(i int) *child[row] { return t.newRow(entries[i]) })
	t.flood = t.AtEnd && moved > shared.JoinBacklog+10 // a room that is entered has that many
	for _, e := range entries {
		t.fill(t.rows.children[e.Key], e)
	}
}

// quiet keeps a screen reader from reading out what is added now: history is not
// news.
func (t *timeline) quiet() {
	t.beginQuiet()
	t.endQuiet()
}

// beginQuiet keeps a screen reader from reading out what is added until endQuiet.
func (t *timeline) beginQuiet() {
	t.scroll.Call("setAttribute", "aria-live", "off")
	t.quiets++
}

// endQuiet ends what beginQuiet began, when the screen reader has had the time to
// notice what was added.
func (t *timeline) endQuiet() {
	t.after(time.Second, func() {
		if t.quiets--; t.quiets == 0 {
			t.scroll.Call("removeAttribute", "aria-live")
		}
	})
}
