package main

import (
	"context"
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

	form         *formDialog
	me           client.Me // as last drawn
	asked        bool      // the dialog was opened once
	previousName string    // the reader's name as the guest before
}

func newNameDialog(l *loop, c *client.Client, closed func()) *nameDialog {
	button := byID("me")
	d := &nameDialog{
		loop:   l,
		client: c,
		closed: closed,
		button: button,
		avatar: newLabel(find(button, ".avatar")),
		name:   newLabel(find(button, ".name")),
	}
	d.form = newFormDialog(l, "name", byID("name"), byID("name-later"), d.save, d.onClose)
	listen(button, "click", func(js.Value) { l.post(d.ask) })
	return d
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
	if d.form.isOpen() {
		return
	}
	name := d.previousName
	if d.me.Named {
		name = d.me.Name
	}
	d.form.input.Set("placeholder", d.me.Name)
	setHidden(byID("forget"), !d.me.Named) // a new guest has nothing to forget
	d.form.open(name)
}

func (d *nameDialog) save() {
	d.form.save(shared.ValidateName, d.client.SetName)
}

// onClose sets the generated name as the reader's if they chose none, so that the next
// visit does not ask again.
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
