package main

import (
	"errors"
	"strings"
	"syscall/js"

	"websockets/wasm/view"
)

// forgottenKey is set in localStorage, and taken out again, to tell the other
// tabs that this browser has been forgotten.
const forgottenKey = "forgotten"

// forgetParts are the two questions about the session: whether to drop it, and
// what to do when the server has.
type forgetParts struct {
	dialog  js.Value
	unsent  *label
	problem *label

	ended        js.Value
	endedProblem *label

	busy bool
}

func newForgetParts() forgetParts {
	return forgetParts{
		dialog:       byID("forget-dialog"),
		unsent:       newLabel(byID("forget-unsent")),
		problem:      newLabel(byID("forget-error")),
		ended:        byID("session-dialog"),
		endedProblem: newLabel(byID("session-error")),
	}
}

func (p *Page) listenToForget() {
	listen(byID("forget"), "click", func(js.Value) { p.post(p.askToForget) })
	listen(byID("forget-no"), "click", func(js.Value) { p.post(func() { p.forget.dialog.Call("close") }) })
	listen(byID("forget-yes"), "click", func(js.Value) { p.post(p.forgetMe) })
	listen(byID("session-later"), "click", func(js.Value) { p.post(func() { p.forget.ended.Call("close") }) })
	listen(byID("session-continue"), "click", func(js.Value) { p.post(p.continueAsGuest) })
	listen(window, "storage", func(event js.Value) {
		if event.Get("key").Equal(js.ValueOf(forgottenKey)) && !event.Get("newValue").IsNull() {
			p.post(p.startOver) // and tells nobody: tabs would go on telling each other
		}
	})
}

// askToForget asks once more, and says what would be lost.
func (p *Page) askToForget() {
	p.closeName()
	p.forget.problem.showText("")
	p.forget.unsent.showText(view.UnsentWarning(p.unsent()))
	p.forget.dialog.Call("showModal")
}

// unsent counts the messages that wait in all tabs of this browser, or in this
// one if the browser keeps none.
func (p *Page) unsent() int {
	storage, ok := localStorage()
	if !ok {
		return p.view.Queued
	}
	n := 0
	for _, key := range keysOf(storage) {
		if rest, ok := strings.CutPrefix(key, outboxPrefix); ok && strings.Contains(rest, "/") {
			n++
		}
	}
	return n
}

// forgetMe makes this browser somebody new. Without the server it is not done:
// the cookie is its own.
func (p *Page) forgetMe() {
	if p.forget.busy {
		return
	}
	p.forget.busy = true
	p.forget.problem.showText("")
	p.stopClient() // what is not sent yet is not sent meanwhile
	p.fetch("/forget", map[string]any{"method": "POST"}, func(err error) {
		p.forget.busy = false
		if err != nil {
			p.forget.problem.showText("The server cannot be reached, so it would know this browser again. Nothing has been forgotten.")
			p.connectAgain()
			return
		}
		if storage, ok := localStorage(); ok {
			storage.Call("setItem", forgottenKey, "") // heard by the other tabs
		}
		p.startOver()
	})
}

// startOver clears what the browser keeps for the page and opens it anew. From
// then on this page stores nothing any more, whatever is still going on in it.
func (p *Page) startOver() {
	p.stopClient()
	p.keeps = true // nothing here is worth the question whether to leave
	p.queued.Store(0)
	if storage, ok := localStorage(); ok {
		storage.Call("clear")
		kind := window.Get("Storage").Get("prototype")
		kind.Set("setItem", kind.Get("removeItem"))
		window.Get("sessionStorage").Call("clear")
	}
	window.Get("location").Call("replace", "/")
}

// askToContinue is for a session that the server refuses.
func (p *Page) askToContinue() {
	p.forget.endedProblem.showText("")
	if !p.forget.ended.Get("open").Bool() {
		p.forget.ended.Call("showModal")
	}
}

// continueAsGuest goes on as somebody new. Room, draft and outbox stay. Asking for
// the page makes a browser a guest that is nobody yet: where another tab has done
// so before, both are the same one.
func (p *Page) continueAsGuest() {
	if p.forget.busy {
		return
	}
	p.forget.busy = true
	page := map[string]any{"cache": "no-store", "headers": map[string]any{"Accept": "text/html"}}
	p.fetch("/", page, func(err error) {
		p.forget.busy = false
		if err != nil {
			p.forget.endedProblem.showText("The server cannot be reached. Please try again in a moment.")
			return
		}
		p.me.asked = false // the new guest has no name yet
		if p.view.Me.Named {
			p.me.previousName = p.view.Me.Name
		}
		p.forget.ended.Call("close")
		p.connectAgain()
	})
}

// fetch asks the server for something whose answer is in the cookie that it sets,
// and posts done.
func (p *Page) fetch(path string, options map[string]any, done func(error)) {
	go func() {
		response, err := await(window.Call("fetch", path, options))
		if err == nil && !response.Get("ok").Bool() {
			err = errors.New("the server refuses " + path)
		}
		p.post(func() { done(err) })
	}()
}

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
	promise.Call("then", resolved, rejected)
	o := <-settled
	return o.value, o.err
}
