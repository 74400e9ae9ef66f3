package main

import (
	"time"

	"websockets/shared"
	"websockets/wasm/storage"
	"websockets/wasm/view"
)

// draftPrefix begins the localStorage keys of drafts, followed by the room.
const draftPrefix = "draft/"

// drafts keeps the unsent text of each room in localStorage, for all tabs and for the
// next visit. A draft is written only when the reader types, so a tab that merely shows
// a room does not overwrite another tab's draft. If the reader types in two tabs, the
// last change wins. Without localStorage, drafts are kept until the page is closed.
type drafts struct {
	view.Drafts
	store storage.Store
	keeps bool
}

func newDrafts(l *loop) *drafts {
	d := &drafts{Drafts: make(view.Drafts)}
	d.listen(l)
	d.store, d.keeps = storage.Open(draftPrefix)
	if !d.keeps {
		return d
	}
	for room, kept := range d.store.Load() {
		d.take(room, kept)
	}
	return d
}

// take sets a room's draft to a stored value, and removes it if the value is invalid.
func (d *drafts) take(room, kept string) {
	if draft, ok := view.ParseDraft(kept); ok && shared.ValidateRoom(room) == nil {
		d.Drafts[room] = draft
	} else {
		delete(d.Drafts, room)
	}
}

// put sets and stores a room's draft.
func (d *drafts) put(room, text string) {
	gone := d.Put(room, text, time.Now())
	if !d.keeps {
		return
	}
	for _, room := range gone {
		d.store.Remove(room)
	}
	if draft, ok := d.Drafts[room]; ok {
		d.store.Save(room, draft.String()) // if it fails, the page still has the draft
	}
}

// sent removes the draft of a message that was sent, unless another tab has changed it.
func (d *drafts) sent(room, text string) {
	if d.Drafts[room].Text == text {
		d.put(room, "")
	}
}

// listen takes over drafts that other tabs store.
func (d *drafts) listen(l *loop) {
	storage.OnChange(draftPrefix, func(room, kept string, _ bool) {
		l.post(func() {
			d.take(room, kept)
			l.redraw()
		})
	}, func() {
		l.post(func() {
			clear(d.Drafts)
			l.redraw()
		})
	})
}
