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
	storage.SetPath(basePath)
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
	page = newPage(loop, c, connector, outboxes)
	page.bells.joinRooms()
	exposeSendEvent(c)
	if !found {
		page.notice.show("There is no room at this address, so this is #" + room + ". A room name has 1 to 64 characters: a-z, 0-9, - and _.")
	}
	if debugAsked() {
		page.drawer.show()
	}
	loop.run(page.draw, page.updateHistory) // until the page is closed
}

// socketAddress returns the WebSocket URL of the page's server.
func socketAddress() string {
	location := window.Get("location")
	scheme := "ws://"
	if location.Get("protocol").String() == "https:" {
		scheme = "wss://"
	}
	return scheme + location.Get("host").String() + basePath + "ws"
}
