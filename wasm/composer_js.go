package main

import (
	"strconv"
	"strings"
	"syscall/js"
	"time"
	"unicode/utf8"

	"websockets/shared"
	"websockets/wasm/client"
	"websockets/wasm/view"
)

// composerParts are where a message is written. Nothing ever disables them: what
// is written without a connection waits in the outbox.
type composerParts struct {
	input js.Value
	hint  *label
	fits  bool // the browser grows the field by itself

	room    string
	drafts  map[string]string // by room, while another one is current
	problem string            // why the last message was not taken
}

func newComposerParts() composerParts {
	return composerParts{
		input:  byID("compose"),
		hint:   newLabel(byID("hint")),
		fits:   window.Get("CSS").Call("supports", "field-sizing", "content").Bool(),
		drafts: make(map[string]string),
	}
}

// enter puts the draft aside and takes out the room's own. What was typed before
// the first room was there stays.
func (c *composerParts) enter(room string) {
	if room == c.room {
		return
	}
	if c.room != "" {
		c.drafts[c.room] = c.text()
		c.setText(c.drafts[room])
		delete(c.drafts, room)
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
	c.input.Set("value", text)
	c.grow()
}

// grow fits the field's height to its text, up to what the style sheet allows.
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
	limit := shared.MaxMessageLength
	if v.Limits.MessageLength > 0 {
		limit = v.Limits.MessageLength
	}
	length := utf8.RuneCountInString(c.text())
	hint, bad := "", false
	switch {
	case c.problem != "":
		hint, bad = c.problem, true
	case length > limit*8/10:
		hint, bad = strconv.Itoa(length)+" of "+strconv.Itoa(limit)+" characters", length > limit
	case v.State != client.Online && v.Queued > 0:
		hint = "Will be sent when the connection is back (" + count(v.Queued, "message") + ")"
	case v.State != client.Online && p.booted:
		hint = "Will be sent when the connection is back"
	case v.Queued > 0 && time.Now().Before(v.PausedUntil):
		hint = "The server asks to wait: sending goes on in " + view.Seconds(time.Until(v.PausedUntil))
	}
	c.hint.set(hint)
	c.hint.Get("classList").Call("toggle", "over", bad)
}

func (p *Page) listenToComposer() {
	listen(p.composer.input, "keydown", func(event js.Value) {
		if sends(event) {
			event.Call("preventDefault")
			p.post(p.send)
		}
	})
	// The character of the key was prevented with it, except where a program types
	// and sends the two apart.
	listen(p.composer.input, "keypress", func(event js.Value) {
		if sends(event) {
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
			if p.composer.text() != "" {
				p.client.Typing("")
			}
			p.drawComposer(p.view)
		})
	})
}

// sends reports whether a key is the Enter that sends: not the one that breaks
// the line, and not the one that ends the input of, say, a Japanese word.
func sends(key js.Value) bool {
	return key.Get("key").String() == "Enter" && !key.Get("shiftKey").Bool() &&
		!key.Get("isComposing").Bool() && key.Get("keyCode").Int() != 229 && !coarse()
}

// send gives what is written to the outbox.
func (p *Page) send() {
	c := &p.composer
	text := strings.TrimRight(strings.Trim(c.text(), "\r\n"), " \t\r\n")
	if strings.TrimSpace(text) == "" {
		return
	}
	if _, err := p.client.Send(p.view.Current, text); err != nil {
		c.problem = words(err)
	} else {
		c.setText("")
		p.timeline.stuck = true
	}
	c.input.Call("focus")
	p.redraw()
}

// edit takes a message that was not accepted back into the field.
func (p *Page) edit(id string) {
	for _, m := range p.view.Room.Pending {
		if m.ID != id || p.client.Discard(id) != nil {
			continue
		}
		text := m.Message
		if draft := p.composer.text(); strings.TrimSpace(draft) != "" {
			text += "\n" + draft
		}
		p.composer.setText(text)
		p.composer.input.Call("focus")
	}
	p.redraw()
}

// focusComposer is for a moment when the reader is likely to write next. A phone
// would bring its keyboard up.
func (p *Page) focusComposer() {
	if !coarse() {
		p.composer.input.Call("focus")
	}
}

// coarse reports whether the reader points with a finger, so that Enter is a
// key of the phone's keyboard.
func coarse() bool {
	return window.Call("matchMedia", "(pointer: coarse)").Get("matches").Bool()
}
