package main

import (
	"context"
	"sort"
	"syscall/js"
	"time"

	"websockets/wasm/client"
	"websockets/wasm/view"
)

// nearEnd is how close to its end, in CSS pixels, the timeline still follows new
// messages.
const nearEnd = 100

// loadRetryDelay is how long to wait after a failure before loading automatically
// again.
const loadRetryDelay = 3 * time.Second

func (t *timeline) fromEnd() float64 {
	s := t.scroll
	return s.Get("scrollHeight").Float() - s.Get("scrollTop").Float() - s.Get("clientHeight").Float()
}

// size is the height of the list, and of its visible part, in CSS pixels.
type size struct{ all, visible float64 }

func (t *timeline) size() size {
	return size{t.scroll.Get("scrollHeight").Float(), t.scroll.Get("clientHeight").Float()}
}

func (t *timeline) toEnd() {
	t.end = t.size()
	t.scroll.Set("scrollTop", t.end.all)
}

// rowAt returns the index of the first row that begins at or below y in the browser's
// window.
func (t *timeline) rowAt(y float64) int {
	order := t.rows.order
	return sort.Search(len(order), func(i int) bool { return top(t.rows.items[order[i]].element) >= y })
}

// anchor returns the key and position of the first visible message. It must not move
// when rows are inserted above it. The first message of the page does not serve: it loses
// its header if an older message of the same person is inserted. If no message begins in
// the visible part, anchor returns the last one.
func (t *timeline) anchor() (key string, at float64) {
	order := t.rows.order
	if t.AtEnd || len(order) == 0 {
		return "", 0
	}
	for _, key := range order[max(2, min(t.rowAt(top(t.scroll)), len(order)-1)):] {
		if r := t.rows.items[key]; r.data.parts != nil { // the row of a day may move
			return key, top(r.element)
		}
	}
	return "", 0
}

// top returns the position of an element in the browser's window, in CSS pixels.
func top(element js.Value) float64 {
	return element.Call("getBoundingClientRect").Get("top").Float()
}

// updateWindow passes the visible rows to view.Timeline.UpdateWindow, so that the page
// always has more messages than are visible.
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
			// When a phone is turned, the list's height changes and the browser scrolls.
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

	// The timeline shrinks when the composer grows or a phone's keyboard opens. A reader
	// at the end stays there.
	onResize(t.scroll, func() {
		p.post(func() {
			if t.AtEnd {
				t.toEnd()
			}
		})
	})
}

// keyOf returns the key of the row that contains an element.
func keyOf(element js.Value) string {
	row := element.Call("closest", "[data-key]")
	if row.IsNull() {
		return ""
	}
	return row.Get("dataset").Get("key").String()
}

// resolvePending performs the reader's decision about an unsent message.
func (p *Page) resolvePending(act, id string) {
	switch act {
	case "retry":
		p.client.Retry(id) // an error means that it is resolved already
	case "delete":
		p.client.Discard(id)
	case "edit":
		p.composer.edit(id)
	}
	p.composer.focus() // the pressed button disappears
	p.redraw()
}

// sent shows the end of the timeline after the reader has sent a message.
func (p *Page) sent() {
	p.timeline.Sent(p.view.Room)
	p.redraw()
}

// dismiss handles Esc when no dialog is open: it dismisses the divider, or else goes to
// the newest message. It reports false if there was nothing to do.
func (p *Page) dismiss() bool {
	if !p.timeline.Dismiss(p.view.Room) {
		return false
	}
	p.redraw()
	return true
}

// load loads older or newer messages. asked is true if the reader has requested it: then
// an error is shown.
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
	p.timeline.beginMute() // the View may have the messages before load returns
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
				p.notice.show(errorText(err))
			}
			p.timeline.endMute()
			p.redraw()
		})
	}()
}

// copyLink copies the room's address to the clipboard. Without a clipboard it shows the
// address.
func (p *Page) copyLink() {
	link := window.Get("location").Get("origin").String() + addressOf(p.view.Current)
	clipboard := window.Get("navigator").Get("clipboard")
	if clipboard.IsUndefined() { // on a page without TLS
		p.notice.show("The link to this room is " + link)
		return
	}
	p.notice.show("Link copied: " + link)
	clipboard.Call("writeText", link)
}
