package main

import (
	"syscall/js"
	"time"

	"websockets/wasm/view"
)

// addressRetryDelay is how long to wait after the browser has refused a change of the
// address.
const addressRetryDelay = 10 * time.Second

// goTo opens a room and changes the page's address.
func (p *Page) goTo(room string) {
	if room != p.view.Current && setAddress("pushState", room) != nil {
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
	if setAddress("replaceState", p.view.Current) != nil {
		p.loop.after(addressRetryDelay, p.correctAddress)
	}
}

// setAddress makes the address that of a room, with a new entry of the history or instead
// of the current one.
func setAddress(method, room string) error {
	return try(func() { window.Get("history").Call(method, nil, "", view.PathOf(room)) })
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

// copyLink copies the room's address to the clipboard. If the browser does not allow that,
// it shows the address.
func (p *Page) copyLink() {
	link := window.Get("location").Get("origin").String() + view.PathOf(p.view.Current)
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
	return view.RoomOf(window.Get("location").Get("pathname").String())
}
