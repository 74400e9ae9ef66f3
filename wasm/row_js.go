package main

import (
	"strings"
	"syscall/js"
	"time"
	"unicode"

	"websockets/wasm/view"
)

// row is the content of an item in the timeline.
type row struct {
	shown view.Entry
	parts *messageParts // nil if it is not a message
}

// messageParts holds the elements of a message's row that change.
type messageParts struct {
	avatar, from, tag, time, body, stateLabel, retry js.Value
}

func isMessage(r row) bool { return r.parts != nil }

// newRow returns an item for a row. It reuses the item of a removed message if it can:
// creating one takes ten times as long as filling it.
func (t *timeline) newRow(e view.Entry) *item[row] {
	if e.Kind == view.Message {
		if r := t.rows.takeSpare(isMessage); r != nil {
			r.element.Call("setAttribute", "data-key", e.Key)
			return r
		}
	}
	switch e.Kind {
	case view.Day:
		return &item[row]{element: clone(t.day)}
	case view.Divider:
		return &item[row]{element: clone(t.divider)}
	case view.Note:
		return &item[row]{element: clone(t.note)}
	}
	r := &item[row]{element: clone(t.message)}
	r.data.parts = &messageParts{
		avatar:     find(r.element, ".avatar"),
		from:       find(r.element, ".from"),
		tag:        find(r.element, ".tag"),
		time:       find(r.element, "time"),
		body:       find(r.element, ".body"),
		stateLabel: find(r.element, ".state span"),
		retry:      find(r.element, "[data-act=retry]"),
	}
	r.element.Call("setAttribute", "data-key", e.Key)
	return r
}

// fill writes what has changed into the row.
func (t *timeline) fill(r *item[row], e view.Entry) {
	was := r.data.shown
	if was == e {
		return
	}
	r.data.shown = e
	p := r.data.parts
	if p == nil {
		r.element.Get("firstElementChild").Set("textContent", e.Text)
		return
	}
	if was.User != e.User || was.From != e.From {
		setHue(r.element, view.Hue(e.User))
		p.avatar.Set("textContent", view.Initials(e.From))
		p.from.Set("textContent", e.From)
	}
	if was.Tag != e.Tag {
		p.tag.Set("textContent", e.Tag)
	}
	if was.Sent != e.Sent || was.Follows != e.Follows {
		at := time.UnixMilli(e.Sent)
		hour := t.clock.hourOf(at)
		if e.Follows { // the gutter is too narrow for AM or PM
			hour = strings.TrimFunc(hour, func(r rune) bool { return !unicode.IsDigit(r) })
		}
		p.time.Set("textContent", hour)
		p.time.Set("title", t.clock.fullOf(at))
		p.time.Set("dateTime", at.UTC().Format(time.RFC3339))
	}
	if was.Text != e.Text {
		writeBody(p.body, e.Text)
		if emoji := view.EmojiAlone(e.Text); emoji != view.EmojiAlone(was.Text) {
			p.body.Get("classList").Call("toggle", "emoji", emoji)
		}
	}
	if was.Fold != e.Fold {
		drawFold(find(r.element, "[data-act=fold]"), e.Fold)
	}
	if was.Follows != e.Follows {
		r.element.Get("classList").Call("toggle", "follows", e.Follows)
	}
	if was.State != e.State {
		if e.State == "" {
			r.element.Call("removeAttribute", "data-state")
		} else {
			r.element.Call("setAttribute", "data-state", e.State)
		}
	}
	if was.StateLabel != e.StateLabel {
		p.stateLabel.Set("textContent", e.StateLabel)
	}
	if was.Reason != e.Reason {
		p.stateLabel.Set("title", e.Reason)
	}
	if was.Retry != e.Retry {
		p.retry.Set("textContent", e.Retry)
	}
}

// drawFold shows the button that folds or unfolds a message, or hides it.
func drawFold(button js.Value, text string) {
	button.Set("textContent", text)
	setHidden(button, text == "")
	if text == "" {
		button.Call("removeAttribute", "aria-expanded")
		return
	}
	button.Call("setAttribute", "aria-expanded", text == view.ShowLess)
}

// writeBody writes a message's text with its links and code.
func writeBody(body js.Value, text string) {
	spans := view.Spans(text)
	if len(spans) == 1 && spans[0].Href == "" && !spans[0].Code {
		body.Set("textContent", text)
		return
	}
	body.Call("replaceChildren")
	for _, s := range spans {
		switch {
		case s.Href != "":
			a := document.Call("createElement", "a")
			a.Set("textContent", s.Text)
			a.Set("href", s.Href)
			a.Set("rel", "noopener noreferrer")
			a.Set("target", "_blank")
			body.Call("append", a)
		case s.Code:
			code := document.Call("createElement", "code")
			code.Set("textContent", s.Text)
			body.Call("append", code)
		default:
			body.Call("append", s.Text)
		}
	}
}
