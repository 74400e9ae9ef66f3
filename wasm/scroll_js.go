package main

import (
	"context"
	"sort"
	"strconv"
	"syscall/js"
	"time"

	"websockets/shared"
	"websockets/wasm/client"
)

// nearEnd is how far from its end, in CSS pixels, the timeline still sticks to
// it.
const nearEnd = 100

// nearTop is how close to its beginning, in CSS pixels, older messages are
// fetched before the reader has to ask.
const nearTop = 200

// scrolled notes where the reader is, and returns whether that is at the end.
func (t *timeline) scrolled() bool {
	t.stuck = t.fromEnd() < nearEnd
	if t.stuck {
		t.seenSeq = t.lastSeq
	}
	return t.stuck
}

func (t *timeline) fromEnd() float64 {
	s := t.scroll
	return s.Get("scrollHeight").Float() - s.Get("scrollTop").Float() - s.Get("clientHeight").Float()
}

// toEnd goes to the newest message and stays there.
func (t *timeline) toEnd() {
	t.stuck, t.seenSeq = true, t.lastSeq
	t.scroll.Set("scrollTop", t.scroll.Get("scrollHeight"))
}

// anchor is the first message that is in sight, with where it is: it must not
// move when something is put in above it.
func (t *timeline) anchor() (element js.Value, at float64) {
	if t.stuck {
		return js.Undefined(), 0
	}
	edge, order := top(t.scroll), t.rows.order
	first := sort.Search(len(order), func(i int) bool { return top(t.rows.children[order[i]].element) >= edge })
	for _, key := range order[first:] {
		if r := t.rows.children[key]; r.data.parts != nil { // a day's name may go elsewhere
			return r.element, top(r.element)
		}
	}
	return js.Undefined(), 0
}

// top is where an element begins in the window, in CSS pixels.
func top(element js.Value) float64 {
	return element.Call("getBoundingClientRect").Get("top").Float()
}

// drawLatest offers a way down to a reader who is further up, with how many
// messages of others came meanwhile.
func (t *timeline) drawLatest(v client.View) {
	setHidden(t.latest, t.stuck)
	if t.stuck {
		return
	}
	news := 0 // of others
	for i := len(v.Room.Messages) - 1; i >= 0 && v.Room.Messages[i].Seq > t.seenSeq; i-- {
		if v.Room.Messages[i].User != v.Me.User {
			news++
		}
	}
	text := "↓ Latest"
	if news > 0 {
		text = "↓ " + strconv.Itoa(min(news, shared.MaxUnread))
		if news > shared.MaxUnread {
			text += "+"
		}
		text += " new"
	}
	t.latest.Set("textContent", text)
}

// quiet keeps a screen reader from reading out what is added now: history is not
// news.
func (t *timeline) quiet() {
	t.scroll.Call("setAttribute", "aria-live", "off")
	t.quiets++
	t.after(time.Second, func() {
		if t.quiets--; t.quiets == 0 {
			t.scroll.Call("removeAttribute", "aria-live")
		}
	})
}

func (p *Page) listenToTimeline() {
	t := p.timeline
	listen(t.scroll, "scroll", func(js.Value) {
		p.post(func() {
			if was := t.stuck; t.scrolled() != was {
				p.redraw()
			}
			if !t.stuck && t.scroll.Get("scrollTop").Float() < nearTop {
				p.loadOlder(false)
			}
		})
	})
	listen(t.rows.parent, "click", func(event js.Value) {
		button := event.Get("target").Call("closest", "[data-act]")
		if button.IsNull() {
			return
		}
		act, key := button.Get("dataset").Get("act").String(), keyOf(button)
		p.post(func() { p.decide(act, key) })
	})
	listen(t.latest, "click", func(js.Value) {
		p.post(func() {
			t.toEnd()
			p.redraw()
		})
	})
	listen(p.older, "click", func(js.Value) { p.post(func() { p.loadOlder(true) }) })
	listen(byID("copy-link"), "click", func(js.Value) { p.post(p.copyLink) })

	// The timeline becomes lower when the composer grows or a phone's keyboard
	// comes up: who was at the end stays there.
	observer := window.Get("ResizeObserver").New(js.FuncOf(func(js.Value, []js.Value) any {
		p.post(func() {
			if t.stuck {
				t.toEnd()
			}
		})
		return nil
	}))
	observer.Call("observe", t.scroll)
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
func (p *Page) decide(act, id string) {
	switch act {
	case "retry":
		p.client.Retry(id) // an error says that it is decided already
	case "delete":
		p.client.Discard(id)
	case "edit":
		p.edit(id)
	}
	p.redraw()
}

// loadOlder fetches the page of messages before the first one shown. asked says
// that the reader wants to know if it fails.
func (p *Page) loadOlder(asked bool) {
	if p.loading || !p.view.Room.More || !asked && p.view.State != client.Online {
		return
	}
	p.loading = true
	p.older.Set("textContent", "Loading…")
	room := p.view.Current
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		err := p.client.LoadOlder(ctx, room)
		p.post(func() {
			p.loading = false
			p.older.Set("textContent", "Show older")
			if err != nil && asked && room == p.view.Current {
				p.sayNotice(words(err))
			}
			p.timeline.quiet()
			p.redraw()
		})
	}()
}

// copyLink puts the room's address on the clipboard, or at least on the page.
func (p *Page) copyLink() {
	link := window.Get("location").Get("origin").String() + addressOf(p.view.Current)
	clipboard := window.Get("navigator").Get("clipboard")
	if clipboard.IsUndefined() { // so it is on a page without TLS
		p.sayNotice("The link to this room is " + link)
		return
	}
	p.sayNotice("The link to this room is copied: " + link)
	clipboard.Call("writeText", link)
}
