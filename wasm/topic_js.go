package main

import (
	"context"
	"strings"
	"syscall/js"

	"websockets/shared"
	"websockets/wasm/client"
	"websockets/wasm/view"
)

// topicDialog changes the room's topic. Its line below the room's name shows the topic.
type topicDialog struct {
	loop   *loop
	client *client.Client
	clock  *clock
	closed func() // runs after the dialog was closed

	line *label
	view client.View // the last one drawn

	dialog  js.Value
	input   js.Value
	setBy   *label
	problem *label
	room    string // the room of the dialog
	saving  bool
}

func newTopicDialog(l *loop, c *client.Client, clock *clock, closed func()) *topicDialog {
	d := &topicDialog{
		loop:    l,
		client:  c,
		clock:   clock,
		closed:  closed,
		line:    newLabel(byID("topic")),
		dialog:  byID("topic-dialog"),
		input:   byID("topic-text"),
		setBy:   newLabel(byID("topic-by")),
		problem: newLabel(byID("topic-error")),
	}
	d.listen()
	return d
}

func (d *topicDialog) listen() {
	listen(d.line.Value, "click", func(js.Value) { d.loop.post(d.edit) })
	listen(byID("topic-form"), "submit", func(event js.Value) {
		event.Call("preventDefault") // the dialog closes when the server has the topic
		d.loop.post(d.save)
	})
	listen(byID("topic-cancel"), "click", func(js.Value) { d.loop.post(d.close) })
	listen(d.dialog, "close", func(js.Value) { d.loop.post(d.closed) })
}

func (d *topicDialog) draw(v client.View) {
	d.view = v
	setHidden(d.line.Value, !v.Room.Joined || v.Room.Refused != nil || v.Room.Epoch == "")
	text := view.TopicLine(v.Room.Topic)
	if text != d.line.text {
		d.line.Set("title", text) // the full text, if the line cuts it off
	}
	d.line.set(text)
}

// edit opens the dialog with the current topic.
func (d *topicDialog) edit() {
	if d.dialog.Get("open").Bool() {
		return
	}
	topic := d.view.Room.Topic
	d.room = d.view.Current
	d.problem.showText("")
	text, setBy := "", ""
	if topic != nil {
		text, setBy = topic.Topic, view.TopicBy(*topic, d.clock.names)
	}
	d.setBy.showText(setBy)
	d.input.Set("value", text)
	d.dialog.Call("showModal")
	d.input.Call("focus")
	d.input.Call("select")
}

func (d *topicDialog) close() { d.dialog.Call("close") }

// save sends the typed topic to the server.
func (d *topicDialog) save() {
	if d.saving {
		return
	}
	text := strings.Join(strings.Fields(d.input.Get("value").String()), " ")
	if err := shared.ValidateTopic(text); err != nil {
		d.problem.showText(errorText(err))
		return
	}
	d.saving = true
	room := d.room
	d.loop.call(answerTimeout, func(ctx context.Context) error {
		return d.client.SetTopic(ctx, room, text)
	}, func(err error) {
		d.saving = false
		if err != nil {
			d.problem.showText(errorText(err))
			return
		}
		d.close()
	})
}
