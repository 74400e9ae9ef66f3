package main

import "syscall/js"

// What the page needs of the DOM. Text gets in by textContent alone, so nothing
// that somebody wrote is ever read as HTML.

var (
	window   = js.Global()
	document = js.Global().Get("document")
)

// byID finds an element of index.html. One that is missing is a mistake of ours
// and ends the program with its name.
func byID(id string) js.Value {
	element := document.Call("getElementById", id)
	if element.IsNull() {
		panic("index.html has no element with id " + id)
	}
	return element
}

// clone copies what a <template> of index.html holds.
func clone(template js.Value) js.Value {
	return template.Get("content").Get("firstElementChild").Call("cloneNode", true)
}

func find(in js.Value, selector string) js.Value { return in.Call("querySelector", selector) }

// listen calls handle for every event of that kind, as long as the page lives.
// handle runs while the browser waits: it may look at the event and forbid what
// the browser would do with it, and leaves the rest to Page.post.
func listen(target js.Value, kind string, handle func(event js.Value)) {
	target.Call("addEventListener", kind, js.FuncOf(func(_ js.Value, args []js.Value) any { // as long as the page
		handle(args[0])
		return nil
	}))
}

// onResize calls handle when the element has got another size, as listen does.
func onResize(element js.Value, handle func()) {
	observer := window.Get("ResizeObserver").New(js.FuncOf(func(js.Value, []js.Value) any { // as long as the page
		handle()
		return nil
	}))
	observer.Call("observe", element)
}

// setHidden and setData leave alone what is so already. An attribute that is
// written makes the browser look at all elements whose style may hang on it, also
// when it says the same as before.

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

// label is an element whose text is written only when it changes: a screen
// reader would read the same words out again.
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

// say shows the text, or hides the element when there is none.
func (l *label) showText(text string) {
	l.set(text)
	setHidden(l.Value, text == "")
}
