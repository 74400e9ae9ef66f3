package main

import "syscall/js"

// notice is a line about what just happened, above the messages.
type notice struct {
	bar  js.Value
	text *label
}

func newNotice(l *loop) *notice {
	bar := byID("notice")
	n := &notice{bar: bar, text: newLabel(find(bar, "span"))}
	listen(byID("notice-close"), "click", func(js.Value) { l.post(n.hide) })
	return n
}

func (n *notice) show(text string) {
	n.text.set(text)
	setHidden(n.bar, false)
}

func (n *notice) hide() {
	n.text.set("")
	setHidden(n.bar, true)
}
