package main

import (
	"strconv"
	"strings"
	"syscall/js"
	"time"

	"websockets/wasm/client"
	"websockets/wasm/view"
)

// composerParts is the composer. It is never disabled: a message that is sent without a
// connection waits in the outbox.
type composerParts struct {
	input      js.Value
	hint       *label
	hintStatus *label // the hint for screen readers
	wait       *label // replaces the Send icon while sending is paused
	fits       bool   // the browser fits the field's height to its text

	room    string
	drafts  drafts
	problem string // why the last message was refused
}

func newComposerParts() composerParts {
	return composerParts{
		input:      byID("compose"),
		hint:       newLabel(byID("hint")),
		hintStatus: newLabel(byID("hint-said")),
		wait:       newLabel(byID("wait")),
		fits:       window.Get("CSS").Call("supports", "field-sizing", "content").Bool(),
		drafts:     newDrafts(),
	}
}

// enter shows the draft of a room. In the first room it keeps what was typed before the
// room was known. The draft of the room before is stored already.
func (c *composerParts) enter(room string) {
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

func (c *composerParts) text() string { return c.input.Get("value").String() }

func (c *composerParts) setText(text string) {
	if text != c.text() { // setting the value moves the caret
		c.input.Set("value", text)
	}
	c.grow()
}

// grow fits the field's height to its text, within the limits of the style sheet.
func (c *composerParts) grow() {
	if c.fits {
		return
	}
	style := c.input.Get("style")
	style.Set("height", "auto")
	style.Set("height", strconv.Itoa(c.input.Get("scrollHeight").Int())+"px")
}

func (p *Page) drawComposer(v client.View) {
	c := &p.composer
	hint := view.HintOf(v, c.text(), c.problem, p.booted, time.Now())
	c.hint.set(hint.Text)
	c.hint.Get("classList").Call("toggle", "over", hint.Bad)
	c.hintStatus.set(hint.StatusText)
	c.wait.set(hint.Wait)
}

func (p *Page) listenToComposer() {
	// Preventing keydown prevents keypress too, except for programs that send the two
	// separately.
	listen(p.composer.input, "keypress", func(event js.Value) {
		if p.press(event).Action() == view.Send {
			event.Call("preventDefault")
		}
	})
	listen(byID("composer"), "submit", func(event js.Value) {
		event.Call("preventDefault")
		p.post(p.send)
	})
	listen(p.composer.input, "input", func(js.Value) {
		p.post(func() {
			p.composer.problem = ""
			p.composer.grow()
			p.composer.drafts.put(p.composer.room, p.composer.text())
			if p.composer.text() != "" {
				p.client.Typing("")
			}
			p.drawComposer(p.view)
		})
	})
}

// send puts the text into the outbox.
func (p *Page) send() {
	c := &p.composer
	typed := c.text()
	text := view.MessageOf(typed)
	if text == "" {
		return
	}
	if _, err := p.client.Send(p.view.Current, text); err != nil {
		c.problem = errorText(err)
	} else {
		c.setText("")
		c.drafts.sent(c.room, typed)
		p.sent()
	}
	c.input.Call("focus")
	p.redraw()
}

// edit moves a refused message back into the composer.
func (p *Page) edit(id string) {
	for _, m := range p.view.Room.Outgoing {
		if m.ID != id || p.client.Discard(id) != nil {
			continue
		}
		text := m.Text
		if draft := p.composer.text(); strings.TrimSpace(draft) != "" {
			text += "\n" + draft
		}
		p.composer.setText(text)
		p.composer.drafts.put(p.composer.room, text)
		p.composer.input.Call("focus")
	}
	p.redraw()
}

// focusComposer focuses the composer when the reader is likely to write next. It does
// nothing on a phone, where it would open the keyboard.
func (p *Page) focusComposer() {
	if !coarse() {
		p.composer.input.Call("focus")
	}
}

// coarse reports whether this is a touch device.
func coarse() bool {
	return window.Call("matchMedia", "(pointer: coarse)").Get("matches").Bool()
}
