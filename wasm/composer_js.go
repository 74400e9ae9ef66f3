package main

import (
	"strconv"
	"strings"
	"syscall/js"
	"time"

	"websockets/wasm/client"
	"websockets/wasm/view"
)

// composer is never disabled: a message that is sent without a connection waits in the
// outbox.
type composer struct {
	loop   *loop
	client *client.Client
	drafts *drafts
	sent   func() // runs after a message was sent

	input      js.Value
	hint       *label
	hintStatus *label // the hint for screen readers
	wait       *label // replaces the Send icon while sending is paused
	fits       bool   // the browser fits the field's height to its text

	view    client.View // the last one drawn
	booted  bool        // as it was then
	room    string
	problem string // why the last message was refused
}

func newComposer(l *loop, c *client.Client, d *drafts, sent func()) *composer {
	composer := &composer{
		loop:   l,
		client: c,
		drafts: d,
		sent:   sent,

		input:      byID("compose"),
		hint:       newLabel(byID("hint")),
		hintStatus: newLabel(byID("hint-said")),
		wait:       newLabel(byID("wait")),
	}
	_ = try(func() { composer.fits = window.Get("CSS").Call("supports", "field-sizing", "content").Bool() })
	composer.listen()
	return composer
}

func (c *composer) listen() {
	// Preventing keydown prevents keypress too, except for programs that send the two
	// separately.
	listen(c.input, "keypress", func(event js.Value) {
		if pressOf(event).Action() == view.Send {
			event.Call("preventDefault")
		}
	})
	// On a phone Enter breaks the line. A tablet's keyboard may come and go.
	listen(c.input, "focus", func(js.Value) {
		hint := "send"
		if coarse() {
			hint = "enter"
		}
		c.input.Set("enterKeyHint", hint)
	})
	listen(byID("composer"), "submit", func(event js.Value) {
		event.Call("preventDefault")
		c.loop.post(c.send)
	})
	listen(c.input, "input", func(js.Value) {
		c.loop.post(func() {
			c.problem = ""
			c.grow()
			c.drafts.put(c.room, c.text())
			if c.text() != "" {
				c.client.Typing("")
			}
			c.drawHint()
		})
	})
}

// enter shows the draft of a room. In the first room it keeps what was typed before the
// room was known. The draft of the room before is stored already.
func (c *composer) enter(room string) {
	if room == c.room {
		return
	}
	if draft := c.drafts.Drafts[room].Text; c.room != "" {
		c.setText(draft)
	} else if typed := c.text(); room != "" {
		c.setText(view.MergeDraft(draft, typed))
		if c.text() != draft {
			c.drafts.put(room, c.text())
		}
	}
	c.room, c.problem = room, ""
	placeholder := "Message"
	if room != "" {
		placeholder += " #" + room
	}
	c.input.Set("placeholder", placeholder)
}

func (c *composer) text() string { return c.input.Get("value").String() }

func (c *composer) setText(text string) {
	if text != c.text() { // setting the value moves the caret
		c.input.Set("value", text)
	}
	c.grow()
}

// grow fits the field's height to its text, within the limits of the style sheet.
func (c *composer) grow() {
	if c.fits {
		return
	}
	style := c.input.Get("style")
	style.Set("height", "auto")
	style.Set("height", strconv.Itoa(c.input.Get("scrollHeight").Int())+"px")
}

func (c *composer) draw(v client.View, booted bool) {
	c.view, c.booted = v, booted
	c.drawHint()
}

func (c *composer) drawHint() {
	hint := view.HintOf(c.view, c.text(), c.problem, c.booted, time.Now())
	c.hint.set(hint.Text)
	c.hint.Get("classList").Call("toggle", "over", hint.Bad)
	c.hintStatus.set(hint.StatusText)
	c.wait.set(hint.Wait)
}

// send puts the text into the outbox.
func (c *composer) send() {
	typed := c.text()
	text := view.MessageOf(typed)
	if text == "" {
		return
	}
	if _, err := c.client.Send(c.room, text); err != nil {
		c.problem = view.ErrorText(err)
	} else {
		c.setText("")
		c.drafts.sent(c.room, typed)
		c.sent()
	}
	c.input.Call("focus")
	c.loop.redraw()
}

// edit moves a refused message back into the composer.
func (c *composer) edit(id string) {
	for _, m := range c.view.Room.Outgoing {
		if m.ID != id || c.client.Discard(id) != nil {
			continue
		}
		text := m.Text
		if draft := c.text(); strings.TrimSpace(draft) != "" {
			text += "\n" + draft
		}
		c.setText(text)
		c.drafts.put(c.room, text)
		c.input.Call("focus")
	}
	c.loop.redraw()
}

// focus focuses the field when the reader is likely to write next. It does nothing on a
// phone, where it would open the keyboard.
func (c *composer) focus() {
	if !coarse() {
		c.input.Call("focus")
	}
}
