package main

import (
	"context"
	"syscall/js"

	"websockets/shared"
	"websockets/wasm/client"
	"websockets/wasm/view"
)

// topicDialog changes the room's topic. Its line below the room's name shows the topic.
type topicDialog struct {
	client *client.Client
	clock  *clock

	line *label
	view client.View // the last one drawn

	form  *formDialog
	setBy *label
	room  string // the room of the dialog
}

func newTopicDialog(l *loop, c *client.Client, clock *clock, closed func()) *topicDialog {
	d := &topicDialog{client: c, clock: clock, line: newLabel(byID("topic")), setBy: newLabel(byID("topic-by"))}
	d.form = newFormDialog(l, "topic", byID("topic-text"), byID("topic-cancel"), d.save, closed)
	listen(d.line.Value, "click", func(js.Value) { l.post(d.edit) })
	return d
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
	if d.form.isOpen() {
		return
	}
	d.room = d.view.Current
	text, setBy := "", ""
	if topic := d.view.Room.Topic; topic != nil {
		text, setBy = topic.Topic, view.TopicBy(*topic, d.clock.names)
	}
	d.setBy.showText(setBy)
	d.form.open(text)
}

func (d *topicDialog) save() {
	room := d.room
	d.form.save(shared.ValidateTopic, func(ctx context.Context, text string) error {
		return d.client.SetTopic(ctx, room, text)
	})
}
