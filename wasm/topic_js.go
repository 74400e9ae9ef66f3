package main

import (
	"context"
	"strings"
	"syscall/js"

	"websockets/shared"
	"websockets/wasm/client"
	"websockets/wasm/view"
)

// topicParts is the room's topic: a line below the room's name, and the dialog that
// changes it.
type topicParts struct {
	line *label

	dialog  js.Value
	input   js.Value
	setBy   *label
	problem *label
	room    string // the room of the dialog
	saving  bool
}

func newTopicParts() topicParts {
	return topicParts{
		line:    newLabel(byID("topic")),
		dialog:  byID("topic-dialog"),
		input:   byID("topic-text"),
		setBy:   newLabel(byID("topic-by")),
		problem: newLabel(byID("topic-error")),
	}
}

func (p *Page) drawTopic(v client.View) {
	setHidden(p.topic.line.Value, !v.Room.Joined || v.Room.Refused != nil || v.Room.Epoch == "")
	text := view.TopicLine(v.Room.Topic)
	if text != p.topic.line.text {
		p.topic.line.Set("title", text) // the full text, if the line cuts it off
	}
	p.topic.line.set(text)
}

func (p *Page) listenToTopic() {
	listen(p.topic.line.Value, "click", func(js.Value) { p.post(p.editTopic) })
	listen(byID("topic-form"), "submit", func(event js.Value) {
		event.Call("preventDefault") // the dialog closes when the server has the topic
		p.post(p.saveTopic)
	})
	listen(byID("topic-cancel"), "click", func(js.Value) { p.post(p.closeTopic) })
	listen(p.topic.dialog, "close", func(js.Value) { p.post(p.composer.focus) })
}

// editTopic opens the dialog with the current topic.
func (p *Page) editTopic() {
	if p.topic.dialog.Get("open").Bool() {
		return
	}
	topic := p.view.Room.Topic
	p.topic.room = p.view.Current
	p.topic.problem.showText("")
	text, setBy := "", ""
	if topic != nil {
		text, setBy = topic.Topic, view.TopicBy(*topic, p.timeline.clock.names)
	}
	p.topic.setBy.showText(setBy)
	p.topic.input.Set("value", text)
	p.topic.dialog.Call("showModal")
	p.topic.input.Call("focus")
	p.topic.input.Call("select")
}

func (p *Page) closeTopic() { p.topic.dialog.Call("close") }

// saveTopic sends the typed topic to the server.
func (p *Page) saveTopic() {
	if p.topic.saving {
		return
	}
	text := strings.Join(strings.Fields(p.topic.input.Get("value").String()), " ")
	if err := shared.ValidateTopic(text); err != nil {
		p.topic.problem.showText(errorText(err))
		return
	}
	p.topic.saving = true
	room := p.topic.room
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
		defer cancel()
		err := p.client.SetTopic(ctx, room, text)
		p.post(func() {
			p.topic.saving = false
			if err != nil {
				p.topic.problem.showText(errorText(err))
				return
			}
			p.closeTopic()
		})
	}()
}
