package main

import (
	"strings"
	"syscall/js"
	"time"

	"websockets/shared"
	"websockets/wasm/view"
)

// draftPrefix begins the keys of all drafts in localStorage; the room follows.
const draftPrefix = "draft/"

// drafts are what was begun in each room, kept by the browser for all of its tabs
// and for the next visit. Only what the reader types is written, so a tab that
// merely shows a room takes nothing from the tab that is written in; in the same
// room the last one that is typed in wins. Where the browser keeps nothing, they
// live as long as the page.
type drafts struct {
	view.Drafts
	store tabStore
	keeps bool
}

func newDrafts() drafts {
	d := drafts{Drafts: make(view.Drafts)}
	storage, ok := localStorage()
	if !ok {
		return d
	}
	d.store, d.keeps = tabStore{storage, draftPrefix}, true
	for room, kept := range d.store.Load() {
		d.take(room, kept)
	}
	return d
}

// take notes what is kept for a room.
func (d *drafts) take(room, kept string) {
	if draft, ok := view.ParseDraft(kept); ok && shared.ValidateRoom(room) == nil {
		d.Drafts[room] = draft
	} else {
		delete(d.Drafts, room)
	}
}

// put notes what is typed for a room.
func (d *drafts) put(room, text string) {
	gone := d.Put(room, text, time.Now())
	if !d.keeps {
		return
	}
	for _, room := range gone {
		d.store.Remove(room)
	}
	if draft, ok := d.Drafts[room]; ok {
		d.store.Save(room, draft.String()) // a full store does no harm: the page has it
	}
}

// sent forgets the draft of a message that is on its way, unless another tab has
// begun another one there.
func (d *drafts) sent(room, text string) {
	if d.Drafts[room].Text == text {
		d.put(room, "")
	}
}

// listenToDrafts hears of what other tabs have kept.
func (p *Page) listenToDrafts() {
	listen(window, "storage", func(event js.Value) {
		if event.Get("key").IsNull() { // all is gone
			p.post(func() {
				clear(p.composer.drafts.Drafts)
				p.redraw()
			})
			return
		}
		room, ok := strings.CutPrefix(event.Get("key").String(), draftPrefix)
		if !ok {
			return
		}
		kept := ""
		if value := event.Get("newValue"); value.Type() == js.TypeString {
			kept = value.String()
		}
		p.post(func() {
			p.composer.drafts.take(room, kept)
			p.redraw()
		})
	})
}
