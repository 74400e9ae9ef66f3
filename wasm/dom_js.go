package main

import (
	"syscall/js"

	"websockets/wasm/storage"
)

// Helpers for the DOM. Text is set as textContent only, so that nothing a user wrote is
// ever parsed as HTML.

var (
	window   = js.Global()
	document = js.Global().Get("document")
)

// byID returns an element of index.html. It panics if there is none.
func byID(id string) js.Value {
	element := document.Call("getElementById", id)
	if element.IsNull() {
		panic("index.html has no element with id " + id)
	}
	return element
}

func body() js.Value { return document.Get("body") }

// try calls do and returns what the browser has thrown in it. A caller needs it if the page
// does something else then: loop.run and listen survive an exception anyway.
func try(do func()) error { return storage.Try(do) }

// survive calls do. If the browser throws in it, the rest of do is left out.
func survive(do func()) {
	if err := try(do); err != nil {
		window.Get("console").Call("error", "The browser has refused something: "+err.Error())
	}
}

// matches reports whether a media query applies.
func matches(query string) (yes bool) {
	_ = try(func() { yes = window.Call("matchMedia", query).Get("matches").Bool() })
	return yes
}

// coarse reports whether this is a touch device.
func coarse() bool { return matches("(pointer: coarse)") }

// await waits for a promise. It must not be called in a callback of the browser.
func await(promise js.Value) (value js.Value, err error) {
	type outcome struct {
		value js.Value
		err   error
	}
	settled := make(chan outcome, 1)
	resolved := js.FuncOf(func(_ js.Value, args []js.Value) any {
		settled <- outcome{value: args[0]}
		return nil
	})
	defer resolved.Release()
	rejected := js.FuncOf(func(_ js.Value, args []js.Value) any {
		settled <- outcome{err: js.Error{Value: args[0]}}
		return nil
	})
	defer rejected.Release()
	// Some browsers return no promise where others do.
	window.Get("Promise").Call("resolve", promise).Call("then", resolved, rejected)
	o := <-settled
	return o.value, o.err
}

// showPane chooses what a small screen shows: the rooms, or the room.
func showPane(pane string) { setData(body(), "pane", pane) }

// clone copies the content of a <template>.
func clone(template js.Value) js.Value {
	return template.Get("content").Get("firstElementChild").Call("cloneNode", true)
}

func find(in js.Value, selector string) js.Value { return in.Call("querySelector", selector) }

// listen calls handle for every event of that kind, as long as the page lives. handle
// blocks the browser: it may inspect the event and prevent its default action, and must
// leave everything else to loop.post.
func listen(target js.Value, kind string, handle func(event js.Value)) {
	target.Call("addEventListener", kind, js.FuncOf(func(_ js.Value, args []js.Value) any { // as long as the page
		survive(func() { handle(args[0]) })
		return nil
	}))
}

// onResize calls handle when the element's size has changed. The rules of listen apply.
func onResize(element js.Value, handle func()) {
	observer := window.Get("ResizeObserver").New(js.FuncOf(func(js.Value, []js.Value) any { // as long as the page
		handle()
		return nil
	}))
	observer.Call("observe", element)
}

// setHidden and setData do nothing if the value is the same. Writing an attribute makes
// the browser recalculate styles, even if its value does not change.

func setHidden(element js.Value, hidden bool) {
	if element.Get("hidden").Bool() != hidden {
		element.Set("hidden", hidden)
	}
}

// setData sets the attribute data-name.
func setData(element js.Value, name, value string) {
	data := element.Get("dataset")
	if was := data.Get(name); was.IsUndefined() || was.String() != value {
		data.Set(name, value)
	}
}

func setHue(element js.Value, degrees string) {
	element.Get("style").Call("setProperty", "--hue", degrees)
}

// label is an element whose text is written only when it changes. Otherwise a screen
// reader would read it again.
type label struct {
	js.Value
	text string
}

func newLabel(element js.Value) *label { return &label{Value: element} }

func (l *label) set(text string) {
	if text != l.text {
		l.text = text
		l.Set("textContent", text)
	}
}

// showText sets the text, and hides the element if the text is empty.
func (l *label) showText(text string) {
	l.set(text)
	setHidden(l.Value, text == "")
}
