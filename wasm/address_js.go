package main

import (
	"syscall/js"
	"time"

	"websockets/wasm/view"
)

// addressRetryDelay is how long to wait after the browser has refused a change of the
// address.
const addressRetryDelay = 10 * time.Second

// basePath is the path of the server's root, with a slash at its end: "/", unless a proxy
// serves the chat under a path. It is found before the page changes its address.
var basePath = func() string {
	root := find(document, `meta[name="root"]`).Get("content")
	return window.Get("URL").New(root, document.Get("baseURI")).Get("pathname").String()
}()

// goTo opens a room and changes the page's address.
func (p *Page) goTo(room string) {
	if room != p.view.Current && p.layers.visit(view.PathOf(basePath, room)) != nil {
		p.loop.after(addressRetryDelay, p.correctAddress)
	}
	p.rooms.clearFilter()
	p.change(room)
	p.composer.focus()
}

// correctAddress makes the address that of the current room, after the browser has refused
// to.
func (p *Page) correctAddress() {
	room, _ := addressRoom()
	if room == p.view.Current || p.view.Current == "" {
		return
	}
	if setEntry("replaceState", p.layers.added, view.PathOf(basePath, p.view.Current)) != nil {
		p.loop.after(addressRetryDelay, p.correctAddress)
	}
}

// followAddress opens the room of the address after Back or Forward. layers is how many
// layers the entry of the history has: those beyond it are closed.
func (p *Page) followAddress(layers int) {
	open := p.openLayers()
	for len(open) > layers {
		open[len(open)-1]()
		open = open[:len(open)-1]
	}
	p.layers.popped(layers, len(open))
	room, _ := addressRoom()
	if room != p.view.Current {
		p.change(room)
	}
}

// openLayers returns what closes each layer that is open over the room, the topmost last.
// Only a phone has layers.
func (p *Page) openLayers() (closers []func()) {
	if !coarse() {
		return nil
	}
	if body().Get("dataset").Get("pane").Equal(js.ValueOf("rooms")) && matches("(max-width: 39.9375em)") {
		closers = append(closers, func() { showPane("room") })
	}
	if p.members.isOpen() {
		closers = append(closers, func() { p.members.setOpen(false) })
	}
	dialogs := document.Call("querySelectorAll", "dialog[open]")
	for i := range dialogs.Length() {
		closers = append(closers, func() { dialogs.Index(i).Call("close") })
	}
	return closers
}

// change opens a room. It draws at once, not with the next frame, because the reader's
// next keys are meant for the new room.
func (p *Page) change(room string) {
	showPane("room")
	if err := p.client.ChangeRoom(room); err != nil {
		p.notice.show(view.ErrorText(err))
	}
	p.bells.joinRooms() // the room that was left may notify
	p.loop.drawNow()
}

// copyLink copies the room's address to the clipboard. If the browser does not allow that,
// it shows the address.
func (p *Page) copyLink() {
	link := window.Get("location").Get("origin").String() + view.PathOf(basePath, p.view.Current)
	var copying js.Value
	err := try(func() { copying = window.Get("navigator").Get("clipboard").Call("writeText", link) })
	if err != nil { // a page without TLS has no clipboard
		p.notice.show("The link to this room is " + link)
		return
	}
	go func() {
		_, err := await(copying)
		p.loop.post(func() {
			if err != nil {
				p.notice.show("The link to this room is " + link)
				return
			}
			p.notice.show("Link copied: " + link)
		})
	}()
}

// addressRoom is view.RoomOf for the page's address.
func addressRoom() (room string, ok bool) {
	return view.RoomOf(basePath, window.Get("location").Get("pathname").String())
}
