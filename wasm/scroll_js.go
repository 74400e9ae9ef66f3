package main

import (
	"context"
	"sort"
	"syscall/js"
	"time"

	"websockets/wasm/client"
	"websockets/wasm/view"
)

// nearEnd is how far from its end, in CSS pixels, the timeline still sticks to
// it.
const nearEnd = 100

// loadRetryDelay is how long after a failure messages are not fetched by themselves.
const loadRetryDelay = 3 * time.Second

func (t *timeline) fromEnd() float64 {
	s := t.scroll
	return s.Get("scrollHeight").Float() - s.Get("scrollTop").Float() - s.Get("clientHeight").Float()
}

// size is how high the list is, and how much of it is in sight, in CSS pixels.
type size struct{ all, visible float64 }

func (t *timeline) size() size {
	return size{t.scroll.Get("scrollHeight").Float(), t.scroll.Get("clientHeight").Float()}
}

func (t *timeline) toEnd() {
	t.end = t.size()
	t.scroll.Set("scrollTop", t.end.all)
}

// rowAt returns the index of the first row that begins at or below a place in the
// window.
func (t *timeline) rowAt(y float64) int {
	order := t.rows.order
	return sort.Search(len(order), func(i int) bool { return top(t.rows.items[order[i]].element) >= y })
}

// anchor is the key of the first message that begins in sight, with where it is: it must not
// move when something is put in above it. But not the first one in the page, which
// loses its head when the one before comes and is of the same person, and the last
// one rather than none.
func (t *timeline) anchor() (key string, at float64) {
	order := t.rows.order
	if t.AtEnd || len(order) == 0 {
		return "", 0
	}
	for _, key := range order[max(2, min(t.rowAt(top(t.scroll)), len(order)-1)):] {
		if r := t.rows.items[key]; r.data.parts != nil { // a day's name may go elsewhere
			return key, top(r.element)
		}
	}
	return "", 0
}

// top is where an element begins in the window, in CSS pixels.
func top(element js.Value) float64 {
	return element.Call("getBoundingClientRect").Get("top").Float()
}

// lookAt sees to it that there is always more in the page than in sight; see
// view.Timeline.Look.
func (t *timeline) updateWindow(room client.RoomView) (moved bool, load view.Load) {
	if t.AtEnd || len(t.rows.order) == 0 {
		return false, view.NoLoad
	}
	edge := top(t.scroll)
	first, below := t.rowAt(edge), t.rowAt(edge+t.scroll.Get("clientHeight").Float())
	if moved, load = t.UpdateWindow(room, max(0, first-1), below-1); moved {
		t.mute()
	}
	return moved, load
}

func (p *Page) updateWindow() {
	moved, load := p.timeline.updateWindow(p.view.Room)
	if moved {
		p.redraw()
	}
	if load != view.NoLoad {
		p.load(load, false)
	}
}

func (p *Page) listenToTimeline() {
	t := p.timeline
	listen(t.scroll, "scroll", func(js.Value) {
		p.post(func() {
			// Turning a phone makes the list another height, and the browser scrolls.
			if t.AtEnd && t.size() != t.end {
				t.toEnd()
				return
			}
			if t.Scrolled(t.fromEnd() < nearEnd) {
				p.redraw()
			}
			p.updateWindow()
		})
	})
	listen(t.rows.parent, "click", func(event js.Value) {
		button := event.Get("target").Call("closest", "[data-act]")
		if button.IsNull() {
			return
		}
		act, key := button.Get("dataset").Get("act").String(), keyOf(button)
		p.post(func() { p.resolvePending(act, key) })
	})
	listen(t.latest.Value, "click", func(js.Value) {
		p.post(func() {
			t.AtEnd = true
			p.redraw()
		})
	})
	listen(t.older.Value, "click", func(js.Value) { p.post(func() { p.load(view.Older, true) }) })
	listen(byID("copy-link"), "click", func(js.Value) { p.post(p.copyLink) })

	// The timeline becomes lower when the composer grows or a phone's keyboard
	// comes up: who was at the end stays there.
	onResize(t.scroll, func() {
		p.post(func() {
			if t.AtEnd {
				t.toEnd()
			}
		})
	})
}

// keyOf returns the key of the row that an element is in.
func keyOf(element js.Value) string {
	row := element.Call("closest", "[data-key]")
	if row.IsNull() {
		return ""
	}
	return row.Get("dataset").Get("key").String()
}

// decide does what the reader wants with a message that was not sent.
func (p *Page) resolvePending(act, id string) {
	switch act {
	case "retry":
		p.client.Retry(id) // an error says that it is decided already
	case "delete":
		p.client.Discard(id)
	case "edit":
		p.edit(id)
	}
	p.focusComposer() // the button that was pressed goes
	p.redraw()
}

// sent comes when the reader has written something: he wants to see it.
func (p *Page) sent() {
	p.timeline.Sent(p.view.Room)
	p.redraw()
}

// dismiss is what Esc does when no dialog is open: it takes the divider away,
// else it goes to the newest message. It reports false if there was neither to
// do.
func (p *Page) dismiss() bool {
	if !p.timeline.Dismiss(p.view.Room) {
		return false
	}
	p.redraw()
	return true
}

// load fetches messages of the log beyond those there are. asked says that the
// reader wants to know if it fails.
func (p *Page) load(which view.Load, asked bool) {
	if p.loading || which == view.Older && !p.view.Room.More {
		return
	}
	if !asked && (!p.view.Room.Synced || time.Since(p.loadFailed) < loadRetryDelay) {
		return
	}
	p.loading = true
	load := p.client.LoadNewer
	if which == view.Older {
		load = p.client.LoadOlder
		p.timeline.older.set("Loading…")
	}
	room := p.view.Current
	p.timeline.beginMute() // the client may show what it has loaded before load returns
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
		defer cancel()
		err := load(ctx, room)
		p.post(func() {
			p.loaded = true
			p.timeline.older.set("Show older")
			if err != nil {
				p.loadFailed = time.Now()
				p.after(loadRetryDelay, p.redraw)
			}
			if err != nil && asked && room == p.view.Current {
				p.showNotice(errorText(err))
			}
			p.timeline.endMute()
			p.redraw()
		})
	}()
}

// copyLink puts the room's address on the clipboard, or at least on the page.
func (p *Page) copyLink() {
	link := window.Get("location").Get("origin").String() + addressOf(p.view.Current)
	clipboard := window.Get("navigator").Get("clipboard")
	if clipboard.IsUndefined() { // so it is on a page without TLS
		p.showNotice("The link to this room is " + link)
		return
	}
	p.showNotice("The link to this room is copied: " + link)
	clipboard.Call("writeText", link)
}
