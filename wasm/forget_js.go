package main

import (
	"errors"
	"strings"
	"syscall/js"

	"websockets/wasm/view"
)

// forgottenKey is set in localStorage to tell the other tabs that the session was
// dropped. Clearing the storage removes it.
const forgottenKey = "forgotten"

// forgetParts is two dialogs about the session: whether to drop it, and what to do when
// the server refuses it.
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
			p.post(p.startOver) // without setting the key, or tabs would notify each other for ever
		}
	})
}

// askToForget asks for confirmation and says what will be lost.
func (p *Page) askToForget() {
	p.me.close()
	p.forget.problem.showText("")
	p.forget.unsent.showText(view.UnsentWarning(p.unsent()))
	p.forget.dialog.Call("showModal")
}

// unsent counts the unsent messages of all tabs. Without localStorage it counts those of
// this tab.
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

// forgetMe replaces the session with that of a new guest. Only the server can do that,
// because the cookie is HttpOnly.
func (p *Page) forgetMe() {
	if p.forget.busy {
		return
	}
	p.forget.busy = true
	p.forget.problem.showText("")
	p.connector.stop() // send nothing meanwhile
	p.fetch("/forget", map[string]any{"method": "POST"}, func(err error) {
		p.forget.busy = false
		if err != nil {
			p.forget.problem.showText("Can't reach the server. Nothing has been removed. Please try again in a moment.")
			p.connector.restart()
			return
		}
		if storage, ok := localStorage(); ok {
			storage.Call("setItem", forgottenKey, "") // the other tabs get a storage event
		}
		p.startOver()
	})
}

// startOver clears the page's storage and reloads the page. From then on this page
// stores nothing, even if work is still in progress.
func (p *Page) startOver() {
	p.connector.stop()
	p.keeps = true // the browser must not ask whether to leave the page
	p.queued.Store(0)
	if storage, ok := localStorage(); ok {
		storage.Call("clear")
		kind := window.Get("Storage").Get("prototype")
		kind.Set("setItem", kind.Get("removeItem"))
		window.Get("sessionStorage").Call("clear")
	}
	window.Get("location").Call("replace", "/")
}

// askToContinue asks what to do about a session that the server refuses.
func (p *Page) askToContinue() {
	p.forget.endedProblem.showText("")
	if !p.forget.ended.Get("open").Bool() {
		p.forget.ended.Call("showModal")
	}
}

// continueAsGuest continues as a new guest and keeps the room, drafts and outbox.
// Fetching the page gives the browser a new session if it has no valid one. If another
// tab has done so before, both tabs are the same guest.
func (p *Page) continueAsGuest() {
	if p.forget.busy {
		return
	}
	p.forget.busy = true
	page := map[string]any{"cache": "no-store", "headers": map[string]any{"Accept": "text/html"}}
	p.fetch("/", page, func(err error) {
		p.forget.busy = false
		if err != nil {
			p.forget.endedProblem.showText("Can't reach the server. Please try again in a moment.")
			return
		}
		p.me.newGuest()
		p.forget.ended.Call("close")
		p.connector.restart()
	})
}

// fetch sends a request that makes the server set a cookie, and posts done.
func (p *Page) fetch(path string, options map[string]any, done func(error)) {
	go func() {
		response, err := await(window.Call("fetch", path, options))
		if err == nil && !response.Get("ok").Bool() {
			err = errors.New("the server refused " + path)
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
