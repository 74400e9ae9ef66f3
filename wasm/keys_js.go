package main

import (
	"strings"
	"syscall/js"

	"websockets/wasm/view"
)

// keysDialog is the list of shortcuts.
type keysDialog struct {
	dialog, list js.Value
}

func newKeysDialog(l *loop) *keysDialog {
	d := &keysDialog{dialog: byID("keys-dialog"), list: byID("keys-list")}
	listen(byID("keys"), "click", func(js.Value) { l.post(d.toggle) })
	listen(byID("keys-close"), "click", func(js.Value) { l.post(func() { d.dialog.Call("close") }) })
	return d
}

// toggle opens or closes the dialog.
func (d *keysDialog) toggle() {
	switch {
	case d.dialog.Get("open").Bool():
		d.dialog.Call("close")
		return
	case dialogIsOpen():
		return // one dialog at a time
	}
	if d.list.Get("childElementCount").Int() == 0 {
		for _, line := range view.KeyLines(onMac(), coarse()) {
			d.list.Call("append", keyLine(line))
		}
	}
	d.dialog.Call("showModal")
}

func dialogIsOpen() bool { return !find(document, "dialog[open]").IsNull() }

// pressOf converts a key event.
func pressOf(event js.Value) view.Press {
	is := func(property string) bool { return event.Get(property).Truthy() }
	press := view.Press{
		Ctrl: is("ctrlKey") || is("metaKey"), Alt: is("altKey"), Shift: is("shiftKey"),
		// Some browsers mark the Enter that ends a composition with this code only.
		Composing: is("isComposing") || event.Get("keyCode").Equal(js.ValueOf(229)),
	}
	if key := event.Get("key"); key.Type() == js.TypeString { // autofill sends events without a key
		press.Key = key.String()
	}
	if code := event.Get("code"); code.Type() == js.TypeString {
		press.Code = code.String()
	}
	press.Touch = press.Key == "Enter" && coarse()
	target := event.Get("target")
	in := func(selector string) bool {
		return target.Get("closest").Truthy() && !target.Call("closest", selector).IsNull()
	}
	switch {
	case dialogIsOpen():
		press.Place = view.InDialog
	case in("#compose"):
		press.Place = view.InComposer
	case in("#go"):
		press.Place = view.InFilter
	case in("#room-list"):
		press.Place = view.InRooms
	case in("input, textarea, select, [contenteditable]"):
		press.Place = view.InField
	}
	return press
}

func keyLine(line view.KeyLine) js.Value {
	element := clone(byID("t-key"))
	for i, way := range line.Ways {
		if i > 0 {
			find(element, "dt").Call("append", " or ")
		}
		for j, name := range way {
			if j > 0 {
				find(element, "dt").Call("append", " + ")
			}
			cap := document.Call("createElement", "kbd")
			cap.Set("textContent", name)
			find(element, "dt").Call("append", cap)
		}
	}
	find(element, "dd").Set("textContent", line.Does)
	return element
}

// onMac reports whether the keyboard has a Command key.
func onMac() bool {
	return strings.HasPrefix(window.Get("navigator").Get("platform").String(), "Mac")
}
