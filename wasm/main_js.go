// Command wasm is the page's program. It connects package client to the elements of
// index.html: it shows the client's View and passes on what the reader does. Package
// view decides how things are shown, package storage keeps things in localStorage.
//
//	page_js.go        Page: its parts, and what the keys do in them
//	loop_js.go        the page's goroutine, and when it draws
//	timeline_js.go    the messages; row_js.go a row, scroll_js.go scrolling and loading
//	composer_js.go    the composer; drafts_js.go drafts
//	rooms_js.go       the rooms; refused_js.go a room that cannot be opened;
//	                  address_js.go the room in the page's address
//	members_js.go     the members
//	connector_js.go   keeping the client connected; connection_js.go the state shown
//	notice_js.go      what just happened
//	me_js.go, topic_js.go, forget_js.go, keys_js.go
//	                  dialogs; dialog_js.go what two of them share
//	bell_js.go        notifications
//	drawer_js.go      the event drawer
//	console_js.go     sendEvent for the browser's console
//	list_js.go, dom_js.go, clock_js.go
//	                  helpers
package main

import (
	"runtime"

	"websockets/shared"
	"websockets/wasm/client"
	"websockets/wasm/storage"
)

func main() {
	loop := newLoop()
	var page *Page // set before the client has received anything
	room, found := addressRoom()
	config := client.Config{
		URL:       socketAddress(),
		Room:      room,
		OnChange:  loop.changed,
		OnMessage: func(m shared.Message) { page.bells.onMessage(m) },
	}
	outboxes := storage.OpenOutboxes()
	if outboxes != nil {
		config.Store = outboxes.Own()
	}
	c, err := client.New(config)
	if err != nil {
		panic(err) // load.js reports that the program has stopped
	}
	if outboxes != nil {
		outboxes.ImportAbandoned(c)
		go outboxes.Watch(c)
	}
	// Dial first, so that the page is set up while the browser connects.
	connector := newConnector(c)
	go connector.run(loop.changed)
	runtime.Gosched()
	page = newPage(loop, c, connector, outboxes != nil)
	page.bells.joinRooms()
	exposeSendEvent(c)
	if !found {
		page.notice.show("There is no room at this address, so this is #" + room + ". A room name has 1 to 64 characters: a-z, 0-9, - and _.")
	}
	if debugAsked() {
		page.drawer.show()
	}
	loop.run(page.draw) // until the page is closed
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
