// Command wasm is the page's program: it joins package client to the elements of
// index.html. The client decides what there is to show; the files here show it
// and say what the reader did. They are the only ones that use syscall/js.
package main

import (
	"runtime"

	"websockets/wasm/client"
)

func main() {
	page := newPage()
	config := client.Config{
		URL:       socketAddress(),
		Room:      page.roomAtStart(),
		OnChange:  page.changed,
		OnMessage: page.onMessage,
	}
	outboxes := openOutboxes()
	if outboxes != nil {
		config.Store, page.keeps = outboxes.store(outboxes.own), true
	}
	c, err := client.New(config)
	if err != nil {
		panic(err) // load.js says that the program has stopped
	}
	page.client = c
	if outboxes != nil {
		outboxes.importAbandoned(c)
		go outboxes.watch(c)
	}
	// The socket is dialled first, so that the page is made ready while the browser
	// connects.
	go page.stayConnected()
	runtime.Gosched()
	page.findParts()
	page.joinNotifyingRooms()
	exposeSendEvent(c)
	if debugAsked() {
		page.openDrawer()
	}
	page.run() // for as long as the page is open
}

// socketAddress is where the page came from, as a WebSocket.
func socketAddress() string {
	location := window.Get("location")
	scheme := "ws://"
	if location.Get("protocol").String() == "https:" {
		scheme = "wss://"
	}
	return scheme + location.Get("host").String() + "/ws"
}
