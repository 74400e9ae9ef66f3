package main

import "websockets/wasm/view"

// basePath is the path of the server's root, with a slash at its end: "/", unless a proxy
// serves the chat under a path. It is found before the page changes its address.
var basePath = func() string {
	root := find(document, `meta[name="root"]`).Get("content")
	return window.Get("URL").New(root, document.Get("baseURI")).Get("pathname").String()
}()

// goTo opens a room and changes the page's address.
func (p *Page) goTo(room string) {
	if room != p.view.Current {
		window.Get("history").Call("pushState", nil, "", view.PathOf(basePath, room))
	}
	p.rooms.clearFilter()
	p.change(room)
	p.composer.focus()
}

// followAddress opens the room of the address after Back or Forward.
func (p *Page) followAddress() {
	room, _ := addressRoom()
	p.change(room)
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

// copyLink copies the room's address to the clipboard. Without a clipboard it shows the
// address.
func (p *Page) copyLink() {
	link := window.Get("location").Get("origin").String() + view.PathOf(basePath, p.view.Current)
	clipboard := window.Get("navigator").Get("clipboard")
	if clipboard.IsUndefined() { // on a page without TLS
		p.notice.show("The link to this room is " + link)
		return
	}
	p.notice.show("Link copied: " + link)
	clipboard.Call("writeText", link)
}

// addressRoom is view.RoomOf for the page's address.
func addressRoom() (room string, ok bool) {
	return view.RoomOf(basePath, window.Get("location").Get("pathname").String())
}
