// Command wasm is the page's program. It connects package client to the elements of
// index.html: it shows the client's View and passes on what the reader does. Package
// view decides how things are shown.
//
//	page_js.go        Page: what is shown
//	loop_js.go        the page's goroutine, and when it draws
//	timeline_js.go    the messages; row_js.go a row, scroll_js.go scrolling and loading
//	composer_js.go    the composer; drafts_js.go drafts
//	rooms_js.go       the rooms; refused_js.go a room that cannot be opened;
//	                  address_js.go the room in the page's address
//	members_js.go     the members
//	connector_js.go   keeping the client connected; connection_js.go the state shown
//	notice_js.go      what just happened
//	me_js.go, topic_js.go, forget_js.go, keys_js.go, bell_js.go, drawer_js.go
//	                  dialogs, notifications, and the event drawer
//	outbox_js.go      unsent messages in localStorage, shared by the tabs
//	console_js.go     sendEvent for the browser's console
//	list_js.go, dom_js.go, clock_js.go
//	                  helpers
package main

import (
	"runtime"

	"websockets/shared"
	"websockets/wasm/client"
)

func main() {
	page := newPage()
	config := client.Config{
		URL:       socketAddress(),
		Room:      page.roomAtStart(),
		OnChange:  page.changed,
		OnMessage: func(m shared.Message) { page.bells.onMessage(m) },
	}
	outboxes := openOutboxes()
	if outboxes != nil {
		config.Store, page.keeps = outboxes.store(outboxes.own), true
	}
	c, err := client.New(config)
	if err != nil {
		panic(err) // load.js reports that the program has stopped
	}
	page.client, page.connector = c, newConnector(c)
	if outboxes != nil {
		outboxes.importAbandoned(c)
		go outboxes.watch(c)
	}
	// Dial first, so that the page is set up while the browser connects.
	go page.connector.run(page.changed)
	runtime.Gosched()
	page.findParts()
	page.bells.joinRooms()
	exposeSendEvent(c)
	if debugAsked() {
		page.drawer.show()
	}
	page.start() // until the page is closed
}

// socketAddress returns the WebSocket URL of the page's server.
func socketAddress() string {
	location := window.Get("location")
	scheme := "ws://"
	if location.Get("protocol").String() == "https:" {
		scheme = "wss://"
	}
	return scheme + location.Get("host").String() + "/ws"
}
