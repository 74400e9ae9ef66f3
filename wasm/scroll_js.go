package main

import (
	"context"
	"sort"
	"syscall/js"
	"time"

	"websockets/shared"
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

// moveWindow is updateWindow after the reader has scrolled. It draws and loads what the
// window lacks.
func (t *timeline) moveWindow() {
	moved, load := t.updateWindow(t.view.Room)
	if moved {
		t.loop.redraw()
	}
	if load != view.NoLoad {
		t.load(load, false)
	}
}

func (t *timeline) listen() {
	listen(t.scroll, "scroll", func(js.Value) {
		t.loop.post(func() {
			// When a phone is turned, the list's height changes and the browser scrolls.
			if t.AtEnd && t.size() != t.end {
				t.toEnd()
				return
			}
			if t.Scrolled(t.fromEnd() < nearEnd) {
				t.loop.redraw()
			}
			t.moveWindow()
		})
	})
	listen(t.rows.parent, "click", func(event js.Value) {
		button := event.Get("target").Call("closest", "[data-act]")
		if button.IsNull() {
			return
		}
		act, key := button.Get("dataset").Get("act").String(), keyOf(button)
		t.loop.post(func() {
			if act == "fold" {
				t.toggleFold(key)
				return
			}
			t.resolvePending(act, key)
		})
	})
	listen(t.latest.Value, "click", func(js.Value) {
		t.loop.post(func() {
			t.AtEnd = true
			t.loop.redraw()
		})
	})
	listen(t.older.Value, "click", func(js.Value) { t.loop.post(func() { t.load(view.Older, true) }) })

	// The browser prints what is there when the callback returns: posted work is done by then.
	listen(window, "beforeprint", func(js.Value) { t.loop.post(func() { t.print(true) }) })
	listen(window, "afterprint", func(js.Value) { t.loop.post(func() { t.print(false) }) })

	// The timeline shrinks when the composer grows or a phone's keyboard opens. A reader
	// at the end stays there.
	onResize(t.scroll, func() {
		t.loop.post(func() {
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
func (t *timeline) resolvePending(act, id string) {
	switch act {
	case "retry":
		t.client.Retry(id) // an error means that it is resolved already
	case "delete":
		t.client.Discard(id)
	case "edit":
		t.composer.edit(id)
	}
	t.composer.focus() // the pressed button disappears
	t.loop.redraw()
}

// toggleFold unfolds a long message and keeps its beginning in place, or folds it and keeps
// its end, with the button, in place.
func (t *timeline) toggleFold(key string) {
	r := t.rows.items[key]
	if r == nil {
		return
	}
	edge := "top"
	if r.data.shown.Fold == view.ShowLess {
		edge = "bottom"
	}
	place := func() float64 { return r.element.Call("getBoundingClientRect").Get(edge).Float() }
	was := place()
	t.ToggleFold(key)
	t.loop.drawNow()
	t.scroll.Set("scrollTop", t.scroll.Get("scrollTop").Float()+place()-was)
	if t.Scrolled(t.fromEnd() < nearEnd) {
		t.loop.redraw()
	}
}

// print draws all messages of the View, or the window of them again.
func (t *timeline) print(begins bool) {
	t.Printing = begins
	t.mute()
	t.loop.drawNow()
}

// sent shows the end of the timeline after the reader has sent a message.
func (t *timeline) sent() {
	t.Sent(t.view.Room)
	t.loop.redraw()
}

// dismiss handles Esc when no dialog is open: it dismisses the divider, or else goes to
// the newest message.
func (t *timeline) dismiss() {
	if t.Dismiss(t.view.Room) {
		t.loop.redraw()
	}
}

// probeOlder loads older messages once if the room has less than a full backlog. It has
// probably none, and then the reader sees no button without effect.
func (t *timeline) probeOlder() {
	room := t.view.Room
	few := len(room.Messages) < shared.JoinBacklog
	if few && room.More && room.Synced && !t.probedOlder {
		t.probedOlder = true
		t.load(view.Older, false)
	}
}

// load loads older or newer messages. asked is true if the reader has requested it: then
// an error is shown.
func (t *timeline) load(which view.Load, asked bool) {
	if t.loading || which == view.Older && !t.view.Room.More {
		return
	}
	if !asked && (!t.view.Room.Synced || time.Since(t.loadFailed) < loadRetryDelay) {
		return
	}
	t.loading = true
	load := t.client.LoadNewer
	if which == view.Older {
		load = t.client.LoadOlder
		t.older.set("Loading…")
	}
	room := t.view.Current
	t.beginMute() // the View may have the messages before load returns
	t.loop.call(answerTimeout, func(ctx context.Context) error { return load(ctx, room) }, func(err error) {
		t.loaded = true
		t.older.set("Show older")
		if err != nil {
			t.loadFailed = time.Now()
			t.loop.after(loadRetryDelay, t.loop.redraw)
		}
		if err != nil && asked && room == t.view.Current {
			t.notice.show(view.ErrorText(err))
		}
		t.endMute()
		t.loop.redraw()
	})
}
