package main

import (
	"context"
	"errors"
	"strings"
	"syscall/js"

	"websockets/shared"
	"websockets/wasm/client"
	"websockets/wasm/view"
)

// nameDialog changes the reader's name. Its button below the rooms shows the name.
type nameDialog struct {
	loop   *loop
	client *client.Client
	closed func() // runs after the dialog was closed

	button js.Value
	avatar *label
	name   *label

	dialog       js.Value
	input        js.Value
	problem      *label
	me           client.Me // as last drawn
	asked        bool      // the dialog was opened once
	previousName string    // the reader's name as the guest before
	saving       bool
}

func newNameDialog(l *loop, c *client.Client, closed func()) *nameDialog {
	button := byID("me")
	d := &nameDialog{
		loop:    l,
		client:  c,
		closed:  closed,
		button:  button,
		avatar:  newLabel(find(button, ".avatar")),
		name:    newLabel(find(button, ".name")),
		dialog:  byID("name-dialog"),
		input:   byID("name"),
		problem: newLabel(byID("name-error")),
	}
	d.listen()
	return d
}

func (d *nameDialog) listen() {
	listen(d.button, "click", func(js.Value) { d.loop.post(d.ask) })
	listen(byID("name-form"), "submit", func(event js.Value) {
		event.Call("preventDefault") // the dialog closes when the server has the name
		d.loop.post(d.save)
	})
	listen(byID("name-later"), "click", func(js.Value) { d.loop.post(d.close) })
	listen(d.dialog, "close", func(js.Value) { d.loop.post(d.onClose) })
}

func (d *nameDialog) draw(me client.Me) {
	d.me = me
	if me.User == "" {
		return
	}
	setHidden(d.button, false)
	setHue(d.button, view.Hue(me.User))
	d.avatar.set(view.Initials(me.Name))
	d.name.set(me.Name)
	if !me.Named && !d.asked {
		d.ask()
	}
}

// ask opens the dialog.
func (d *nameDialog) ask() {
	d.asked = true
	if d.dialog.Get("open").Bool() {
		return
	}
	d.input.Set("value", d.previousName)
	d.input.Set("placeholder", d.me.Name)
	setHidden(byID("forget"), !d.me.Named) // a new guest has nothing to forget
	if d.me.Named {
		d.input.Set("value", d.me.Name)
	}
	d.problem.showText("")
	d.dialog.Call("showModal")
	d.input.Call("focus")
	d.input.Call("select")
}

func (d *nameDialog) close() { d.dialog.Call("close") }

// onClose runs when the dialog has closed. If the reader chose no name, it sets the
// generated one as theirs, so that the next visit does not ask again.
func (d *nameDialog) onClose() {
	d.closed()
	me := d.client.View().Me
	if me.Named || me.Name == "" {
		return
	}
	d.loop.call(answerTimeout, func(ctx context.Context) error {
		return d.client.SetName(ctx, me.Name)
	}, func(error) {}) // if it fails, the next visit asks
}

// newGuest asks for a name again when the reader continues as a new guest. It proposes
// the name that they had.
func (d *nameDialog) newGuest() {
	d.asked = false
	if d.me.Named {
		d.previousName = d.me.Name
	}
}

// save sends the typed name to the server.
func (d *nameDialog) save() {
	if d.saving {
		return
	}
	name := strings.Join(strings.Fields(d.input.Get("value").String()), " ")
	if err := shared.ValidateName(name); err != nil {
		d.problem.showText(errorText(err))
		return
	}
	d.saving = true
	d.loop.call(answerTimeout, func(ctx context.Context) error {
		return d.client.SetName(ctx, name)
	}, func(err error) {
		d.saving = false
		if err != nil {
			d.problem.showText(errorText(err))
			return
		}
		d.close()
	})
}

// errorText returns the text of an error for the reader. Texts of the server are meant
// for people already.
func errorText(err error) string {
	var said *shared.Error
	switch {
	case errors.As(err, &said):
		return view.Sentence(said.Message)
	case errors.Is(err, client.ErrDisconnected), errors.Is(err, client.ErrBusy):
		return "There is no connection right now. Please try again in a moment."
	case errors.Is(err, context.DeadlineExceeded):
		return "The server didn't answer. Please try again in a moment."
	case errors.Is(err, client.ErrOutboxFull):
		return "Too many messages are waiting to be sent. Please wait for the connection."
	case errors.Is(err, client.ErrNoRoom):
		return "Please choose a room first."
	}
	return view.Sentence(err.Error())
}
