package main

import (
	"syscall/js"

	"websockets/wasm/client"
	"websockets/wasm/view"
)

// refusedRoom replaces the current room if it cannot be opened.
type refusedRoom struct {
	composer *composer

	pane       js.Value
	title, why *label
	back       *label
	again      js.Value

	before  string        // the room shown before the current one
	refusal *view.Refusal // nil if the current room is shown
}

// newRefusedRoom takes what its buttons do: goTo opens the room before, retry the current
// one again.
func newRefusedRoom(l *loop, composer *composer, goTo func(room string), retry func()) *refusedRoom {
	r := &refusedRoom{
		composer: composer,
		pane:     byID("refused"),
		title:    newLabel(byID("refused-title")),
		why:      newLabel(byID("refused-why")),
		back:     newLabel(byID("refused-back")),
		again:    byID("refused-again"),
	}
	listen(r.back.Value, "click", func(js.Value) {
		l.post(func() {
			if r.refusal != nil {
				goTo(r.refusal.Back)
			}
		})
	})
	listen(r.again, "click", func(js.Value) { l.post(retry) })
	return r
}

// leave records that the reader has left a room, which was shown unless it was refused.
func (r *refusedRoom) leave(room string) {
	if room != "" && r.refusal == nil {
		r.before = room
	}
}

// draw shows why the current room cannot be opened, with a button to another.
func (r *refusedRoom) draw(v client.View) {
	refusal, was := view.RefusalOf(v, r.before), r.refusal
	r.refusal = refusal
	setHidden(r.pane, refusal == nil)
	focused := document.Get("activeElement")
	if refusal == nil {
		setData(body(), "room", "open")
		if was != nil && (focused.Equal(body()) || r.pane.Call("contains", focused).Bool()) {
			r.composer.focus()
		}
		return
	}
	setData(body(), "room", "refused")
	r.title.set(refusal.Title)
	r.why.set(refusal.Why)
	back := ""
	if refusal.Back != "" {
		back = "Go to #" + refusal.Back
	}
	r.back.showText(back)
	setHidden(r.again, v.Current == "")
	if was == nil && (focused.Equal(body()) || focused.Equal(r.composer.input)) { // the composer is hidden
		find(r.pane, "button:not([hidden])").Call("focus")
	}
}
