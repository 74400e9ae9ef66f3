package main

import (
	"syscall/js"
	"time"

	"websockets/wasm/client"
	"websockets/wasm/view"
)

// timeline is the list of messages of the current room. Every row has a key and
// stays one and the same element for as long as its key is there, so a message
// that goes from pending to sent is never taken out and put in again.
//
// Only the page's goroutine touches it.
type timeline struct {
	clock   *clock
	after   func(time.Duration, func()) // see Page.after
	scroll  js.Value
	latest  js.Value
	message js.Value // templates
	day     js.Value
	note    js.Value

	room string
	rows *list[row]

	stuck   bool   // the reader is at the end and stays there
	seenSeq uint64 // the last message that was there when the reader was at the end
	lastSeq uint64
	quiets  int // calls of quiet whose time is not over
}

func newTimeline(after func(time.Duration, func())) *timeline {
	return &timeline{
		clock:   newClock(),
		after:   after,
		scroll:  byID("scroll"),
		latest:  byID("latest"),
		message: byID("t-message"),
		day:     byID("t-day"),
		note:    byID("t-note"),
		rows:    newList[row](byID("messages")),
		stuck:   true,
	}
}

// draw makes the list show the view's current room.
func (t *timeline) draw(v client.View, names view.Names) {
	room := v.Room
	if room.Name != t.room {
		t.clear(room.Name)
	}
	if !room.Synced {
		t.quiet()
	}
	t.lastSeq = 0
	if n := len(room.Messages); n > 0 {
		t.lastSeq = room.Messages[n-1].Seq
	}

	anchor, was := t.anchor()
	t.place(view.Entries(v, names, t.clock.dayOf, t.stuck))
	if t.stuck {
		t.toEnd()
	} else if anchor.Truthy() && anchor.Get("isConnected").Bool() {
		if moved := top(anchor) - was; moved != 0 {
			t.scroll.Set("scrollTop", t.scroll.Get("scrollTop").Float()+moved)
		}
	}
	t.drawLatest(v)
}

// clear empties the list for another room.
func (t *timeline) clear(room string) {
	t.quiet()
	t.rows.clear()
	t.room, t.stuck, t.seenSeq = room, true, 0
	t.scroll.Call("setAttribute", "aria-label", "Messages in "+room)
}

// place makes the list's children those of the entries.
func (t *timeline) place(entries []view.Entry) {
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = e.Key
	}
	t.rows.place(keys, func(i int) *child[row] { return t.newRow(entries[i]) })
	for _, e := range entries {
		t.fill(t.rows.children[e.Key], e)
	}
}
