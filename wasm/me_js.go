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

// meParts is the reader's own name: a button below the rooms, and the dialog that
// changes it.
type meParts struct {
	button js.Value
	avatar *label
	name   *label

	dialog       js.Value
	input        js.Value
	problem      *label
	asked        bool   // the dialog was opened once
	previousName string // the reader's name as the guest before
	saving       bool
}

func newMeParts() meParts {
	button := byID("me")
	return meParts{
		button:  button,
		avatar:  newLabel(find(button, ".avatar")),
		name:    newLabel(find(button, ".name")),
		dialog:  byID("name-dialog"),
		input:   byID("name"),
		problem: newLabel(byID("name-error")),
	}
}

func (p *Page) drawMe(v client.View) {
	if v.Me.User == "" {
		return
	}
	setHidden(p.me.button, false)
	setHue(p.me.button, view.Hue(v.Me.User))
	p.me.avatar.set(view.Initials(v.Me.Name))
	p.me.name.set(v.Me.Name)
	if !v.Me.Named && !p.me.asked {
		p.askName()
	}
}

func (p *Page) listenToMe() {
	listen(p.me.button, "click", func(js.Value) { p.post(p.askName) })
	listen(byID("name-form"), "submit", func(event js.Value) {
		event.Call("preventDefault") // the dialog closes when the server has the name
		p.post(p.saveName)
	})
	listen(byID("name-later"), "click", func(js.Value) { p.post(p.closeName) })
	listen(p.me.dialog, "close", func(js.Value) { p.post(p.nameAsked) })
}

// askName opens the name dialog.
func (p *Page) askName() {
	p.me.asked = true
	if p.me.dialog.Get("open").Bool() {
		return
	}
	p.me.input.Set("value", p.me.previousName)
	p.me.input.Set("placeholder", p.view.Me.Name)
	setHidden(byID("forget"), !p.view.Me.Named) // a new guest has nothing to forget
	if p.view.Me.Named {
		p.me.input.Set("value", p.view.Me.Name)
	}
	p.me.problem.showText("")
	p.me.dialog.Call("showModal")
	p.me.input.Call("focus")
	p.me.input.Call("select")
}

func (p *Page) closeName() { p.me.dialog.Call("close") }

// nameAsked runs when the dialog has closed. If the reader chose no name, it sets the
// generated one as theirs, so that the next visit does not ask again.
func (p *Page) nameAsked() {
	p.composer.focus()
	me := p.client.View().Me
	if me.Named || me.Name == "" {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
		defer cancel()
		p.client.SetName(ctx, me.Name) // if it fails, the next visit asks
	}()
}

// saveName sends the typed name to the server.
func (p *Page) saveName() {
	if p.me.saving {
		return
	}
	name := strings.Join(strings.Fields(p.me.input.Get("value").String()), " ")
	if err := shared.ValidateName(name); err != nil {
		p.me.problem.showText(errorText(err))
		return
	}
	p.me.saving = true
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
		defer cancel()
		err := p.client.SetName(ctx, name)
		p.post(func() {
			p.me.saving = false
			if err != nil {
				p.me.problem.showText(errorText(err))
				return
			}
			p.closeName()
		})
	}()
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
