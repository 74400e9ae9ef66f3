package main

import (
	"errors"
	"syscall/js"

	"websockets/wasm/client"
	"websockets/wasm/storage"
	"websockets/wasm/view"
)

// forgottenKey is set in localStorage to tell the other tabs that the session was
// dropped. Clearing the storage removes it.
const forgottenKey = "forgotten"

// sessionDialogs are two dialogs about the session: whether to drop it, and what to do
// when the server refuses it.
type sessionDialogs struct {
	loop      *loop
	client    *client.Client
	connector *connector
	name      *nameDialog
	dropped   func() // runs before the page is reloaded without its session

	dialog  js.Value
	unsent  *label
	problem *label

	ended        js.Value
	endedProblem *label

	busy bool
}

func newSessionDialogs(l *loop, c *client.Client, connector *connector, name *nameDialog, dropped func()) *sessionDialogs {
	d := &sessionDialogs{
		loop:      l,
		client:    c,
		connector: connector,
		name:      name,
		dropped:   dropped,

		dialog:       byID("forget-dialog"),
		unsent:       newLabel(byID("forget-unsent")),
		problem:      newLabel(byID("forget-error")),
		ended:        byID("session-dialog"),
		endedProblem: newLabel(byID("session-error")),
	}
	d.listen()
	return d
}

func (d *sessionDialogs) listen() {
	listen(byID("forget"), "click", func(js.Value) { d.loop.post(d.askToForget) })
	listen(byID("forget-no"), "click", func(js.Value) { d.loop.post(func() { d.dialog.Call("close") }) })
	listen(byID("forget-yes"), "click", func(js.Value) { d.loop.post(d.forgetMe) })
	listen(byID("session-later"), "click", func(js.Value) { d.loop.post(func() { d.ended.Call("close") }) })
	listen(byID("session-continue"), "click", func(js.Value) { d.loop.post(d.continueAsGuest) })
	storage.OnChange(forgottenKey, func(rest, _ string, ok bool) {
		if rest == "" && ok {
			d.loop.post(d.startOver) // without setting the key, or tabs would notify each other for ever
		}
	}, func() {})
	storage.OnForgotten(func() { d.loop.post(d.startOver) })
}

// askToForget asks for confirmation and says what will be lost.
func (d *sessionDialogs) askToForget() {
	d.name.form.close()
	d.problem.showText("")
	// Those of this tab may not all be stored.
	d.unsent.showText(view.UnsentWarning(max(storage.CountUnsent(), d.client.View().Queued)))
	d.dialog.Call("showModal")
}

// forgetMe replaces the session with that of a new guest. Only the server can do that,
// because the cookie is HttpOnly.
func (d *sessionDialogs) forgetMe() {
	if d.busy {
		return
	}
	d.busy = true
	d.problem.showText("")
	d.connector.stop() // send nothing meanwhile
	d.fetch(basePath+"forget", map[string]any{"method": "POST"}, func(err error) {
		d.busy = false
		if err != nil {
			d.problem.showText("Can't reach the server. Nothing has been removed. Please try again in a moment.")
			d.connector.restart()
			return
		}
		storage.Clear() // it may be full
		if s, ok := storage.Open(forgottenKey); ok {
			_ = s.Save("", "") // the other tabs get a storage event
		}
		d.startOver()
	})
}

// startOver erases the storage and reloads the page.
func (d *sessionDialogs) startOver() {
	d.connector.stop()
	d.dropped()
	storage.Erase()
	window.Get("location").Call("replace", basePath)
}

// askToContinue asks what to do about a session that the server refuses.
func (d *sessionDialogs) askToContinue() {
	d.endedProblem.showText("")
	if !d.ended.Get("open").Bool() {
		d.ended.Call("showModal")
	}
}

// continueAsGuest continues as a new guest and keeps the room, drafts and outbox.
// Fetching the page gives the browser a new session if it has no valid one. If another
// tab has done so before, both tabs are the same guest.
func (d *sessionDialogs) continueAsGuest() {
	if d.busy {
		return
	}
	d.busy = true
	page := map[string]any{"cache": "no-store", "headers": map[string]any{"Accept": "text/html"}}
	d.fetch(basePath, page, func(err error) {
		d.busy = false
		if err != nil {
			d.endedProblem.showText("Can't reach the server. Please try again in a moment.")
			return
		}
		d.name.newGuest()
		d.ended.Call("close")
		d.connector.restart()
	})
}

// fetch sends a request that makes the server set a cookie, and posts done. The origin has
// no user and password, which fetch refuses, but the page's address may have them.
func (d *sessionDialogs) fetch(path string, options map[string]any, done func(error)) {
	go func() {
		address := window.Get("location").Get("origin").String() + path
		var response js.Value
		err := try(func() { response = window.Call("fetch", address, options) })
		if err == nil {
			response, err = await(response)
		}
		if err == nil && !response.Get("ok").Bool() {
			err = errors.New("the server refused " + path)
		}
		d.loop.post(func() { done(err) })
	}()
}
