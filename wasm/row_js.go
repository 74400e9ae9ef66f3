package main

import (
	"strings"
	"syscall/js"
	"time"
	"unicode"
)

// row is what one child of the list shows.
type row struct {
	shown entry
	parts *messageParts // of a message
}

// messageParts are the elements of a message's row that change.
type messageParts struct {
	avatar, from, tag, time, body, word js.Value
}

func (t *timeline) newRow(e entry) *child[row] {
	switch {
	case strings.HasPrefix(e.key, "day "):
		return &child[row]{element: clone(t.day)}
	case !e.message:
		return &child[row]{element: clone(t.note)}
	}
	r := &child[row]{element: clone(t.message)}
	r.data.parts = &messageParts{
		avatar: find(r.element, ".avatar"),
		from:   find(r.element, ".from"),
		tag:    find(r.element, ".tag"),
		time:   find(r.element, "time"),
		body:   find(r.element, ".body"),
		word:   find(r.element, ".state span"),
	}
	r.element.Get("dataset").Set("key", e.key)
	return r
}

// fill writes into the row what has changed.
func (t *timeline) fill(r *child[row], e entry) {
	was := r.data.shown
	if was == e {
		return
	}
	r.data.shown = e
	p := r.data.parts
	if p == nil {
		r.element.Get("firstElementChild").Set("textContent", e.text)
		return
	}
	if was.user != e.user || was.from != e.from {
		setHue(r.element, hueOf(e.user))
		p.avatar.Set("textContent", initials(e.from))
		p.from.Set("textContent", e.from)
	}
	if was.tag != e.tag {
		p.tag.Set("textContent", e.tag)
	}
	if was.sent != e.sent || was.follows != e.follows {
		at := time.UnixMilli(e.sent)
		hour := t.clock.hourOf(at)
		if e.follows { // it stands in the gutter, where there is no room for AM or PM
			hour = strings.TrimFunc(hour, func(r rune) bool { return !unicode.IsDigit(r) })
		}
		p.time.Set("textContent", hour)
		p.time.Set("title", t.clock.fullOf(at))
		p.time.Set("dateTime", at.UTC().Format(time.RFC3339))
	}
	if was.text != e.text {
		writeBody(p.body, e.text)
	}
	if was.follows != e.follows {
		r.element.Get("classList").Call("toggle", "follows", e.follows)
	}
	if was.state != e.state {
		r.element.Get("dataset").Set("state", e.state)
	}
	if was.word != e.word {
		p.word.Set("textContent", e.word)
	}
}

// writeBody puts a message's text into its row, with its links as links.
func writeBody(body js.Value, text string) {
	spans := spansOf(text)
	if len(spans) == 1 && spans[0].href == "" {
		body.Set("textContent", text)
		return
	}
	body.Call("replaceChildren")
	for _, s := range spans {
		if s.href == "" {
			body.Call("append", s.text)
			continue
		}
		a := document.Call("createElement", "a")
		a.Set("textContent", s.text)
		a.Set("href", s.href)
		a.Set("rel", "noopener noreferrer")
		a.Set("target", "_blank")
		body.Call("append", a)
	}
}
