package main

import (
	"context"
	"strings"
	"syscall/js"

	"websockets/wasm/view"
)

// formDialog asks for a line of text and sends it to the server.
type formDialog struct {
	loop    *loop
	dialog  js.Value
	input   js.Value
	problem *label
	saving  bool
}

// newFormDialog finds the dialog id-dialog, with id-form, id-error, and the two elements
// given. save runs when the form is submitted, closed after the dialog was closed.
func newFormDialog(l *loop, id string, input, cancel js.Value, save, closed func()) *formDialog {
	d := &formDialog{loop: l, dialog: byID(id + "-dialog"), input: input, problem: newLabel(byID(id + "-error"))}
	listen(byID(id+"-form"), "submit", func(event js.Value) {
		event.Call("preventDefault") // the dialog closes when the server has the text
		l.post(save)
	})
	listen(cancel, "click", func(js.Value) { l.post(d.close) })
	listen(d.dialog, "close", func(js.Value) { l.post(closed) })
	return d
}

func (d *formDialog) isOpen() bool { return d.dialog.Get("open").Bool() }

// open opens the dialog with a text that the reader may replace.
func (d *formDialog) open(text string) {
	d.input.Set("value", text)
	d.problem.showText("")
	d.dialog.Call("showModal")
	d.input.Call("focus")
	d.input.Call("select")
}

func (d *formDialog) close() { d.dialog.Call("close") }

// save sends the typed text if it is valid, and closes the dialog when the server has it.
func (d *formDialog) save(validate func(text string) error, send func(ctx context.Context, text string) error) {
	if d.saving {
		return
	}
	text := strings.Join(strings.Fields(d.input.Get("value").String()), " ")
	if err := validate(text); err != nil {
		d.problem.showText(view.ErrorText(err))
		return
	}
	d.saving = true
	d.loop.call(answerTimeout, func(ctx context.Context) error { return send(ctx, text) }, func(err error) {
		d.saving = false
		if err != nil {
			d.problem.showText(view.ErrorText(err))
			return
		}
		d.close()
	})
}
