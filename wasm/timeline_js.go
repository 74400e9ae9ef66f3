package main

import (
	"syscall/js"
	"time"

	"websockets/shared"
	"websockets/wasm/client"
	"websockets/wasm/view"
)

// timeline is the list of messages of the current room. A row keeps its element as long
// as its key exists, so a message that changes from pending to sent stays in place.
//
// Only the page's goroutine may use it.
type timeline struct {
	view.Timeline
	loop     *loop
	client   *client.Client
	clock    *clock
	composer *composer
	notice   *notice

	scroll  js.Value
	latest  *label
	older   *label
	message js.Value // templates
	day     js.Value
	note    js.Value
	divider js.Value

	view   client.View // the last one drawn
	room   string
	synced bool // the room was synced at the last draw
	end    size // size when toEnd was last called
	rows   *keyedList[row]
	flood  bool // the last draw replaced all visible rows while the reader was at the end
	mutes  int  // calls of beginMute that are in effect
	ended  int  // how many of them endMute has ended since the last draw

	loading     bool      // history is being loaded, or has not been drawn yet
	loaded      bool      // loading has ended, the next draw shows the result
	loadFailed  time.Time // when loading last failed
	probedOlder bool      // older messages of this room were requested once
}

func newTimeline(l *loop, c *client.Client, clock *clock, composer *composer, n *notice) *timeline {
	t := &timeline{
		loop:     l,
		client:   c,
		clock:    clock,
		composer: composer,
		notice:   n,

		scroll:  byID("scroll"),
		latest:  newLabel(byID("latest")),
		older:   newLabel(byID("older")),
		message: byID("t-message"),
		day:     byID("t-day"),
		note:    byID("t-note"),
		divider: byID("t-divider"),
		rows:    newKeyedList[row](byID("messages")),
	}
	t.AtEnd = true
	t.listen()
	return t
}

// draw draws the messages of the current room.
func (t *timeline) draw(v client.View, names view.Names, booted bool) {
	t.view = v
	if t.loaded { // the View has the result, so the next page may be loaded
		t.loading, t.loaded = false, false
	}
	if v.Room.Name != t.room {
		t.clear(v.Room.Name)
	}
	t.probeOlder()
	if !v.Room.Synced || !t.synced {
		t.mute() // missed messages are history
	}
	t.synced = v.Room.Synced

	t.updateWindow(v.Room) // the reader may have scrolled since
	anchor, was := t.anchor()
	hidden := document.Get("hidden").Bool()
	entries := t.Show(v, names, t.clock.names, hidden)
	setHidden(t.older.Value, !t.OlderButton(v.Room) || !booted)
	t.reconcile(entries)
	if t.AtEnd {
		t.toEnd()
	} else if r := t.rows.items[anchor]; r != nil {
		if moved := top(r.element) - was; moved != 0 {
			t.scroll.Set("scrollTop", t.scroll.Get("scrollTop").Float()+moved)
		}
	}
	t.latest.showText(t.LatestButton(v))
	t.unmute()
	t.moveWindow()
	if seq := t.Read(v.Room, hidden); seq != 0 {
		t.client.MarkRead(v.Current, seq)
	}
}

// clear empties the list for another room.
func (t *timeline) clear(room string) {
	t.mute()
	t.rows.clear()
	t.room, t.probedOlder = room, false
	t.scroll.Call("setAttribute", "aria-label", "Messages in "+room)
}

// reconcile updates the list to the entries.
func (t *timeline) reconcile(entries []view.Entry) {
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = e.Key
	}
	moved := t.rows.reconcile(keys, func(i int) *item[row] { return t.newRow(entries[i]) })
	t.flood = t.AtEnd && moved > shared.JoinBacklog+10 // joining a room adds a backlog of rows
	for _, e := range entries {
		t.fill(t.rows.items[e.Key], e)
	}
}

// mute keeps a screen reader from reading the rows that the next draw adds: history is
// not news.
func (t *timeline) mute() {
	t.beginMute()
	t.endMute()
}

// beginMute keeps a screen reader from reading rows that are added before endMute, and by
// the draw after it.
func (t *timeline) beginMute() {
	t.scroll.Call("setAttribute", "aria-live", "off")
	t.mutes++
}

// endMute ends a beginMute. It takes effect in unmute.
func (t *timeline) endMute() { t.ended++ }

// unmute is called after each draw. It gives the screen reader a second to notice the
// rows before what endMute has ended is over.
func (t *timeline) unmute() {
	ended := t.ended
	t.ended = 0
	if ended == 0 {
		return
	}
	t.loop.after(time.Second, func() {
		t.mutes -= ended
		if t.mutes == 0 {
			t.scroll.Call("removeAttribute", "aria-live")
		}
	})
}
