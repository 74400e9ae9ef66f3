package main

import (
	"strings"

	"websockets/shared"
)

// goTo changes the room and the address.
func (p *Page) goTo(room string) {
	if room != p.view.Current {
		window.Get("history").Call("pushState", nil, "", addressOf(room))
	}
	p.clearFilter()
	p.change(room)
	p.focusComposer()
}

// followAddress goes where Back or Forward went.
func (p *Page) followAddress() {
	room, _ := roomOf(window.Get("location").Get("pathname").String())
	p.change(room)
}

// change goes to a room. It is shown at once, not with the next frame: what is
// typed from now on is meant for it.
func (p *Page) change(room string) {
	setData(p.body, "pane", "room")
	if err := p.client.ChangeRoom(room); err != nil {
		p.showNotice(errorText(err))
	}
	p.joinNotifyingRooms() // the one that was left may be one
	p.draw()
}

// roomAtStart is the room of the page's address. It is asked before the page has
// its parts.
func (p *Page) roomAtStart() string {
	room, ok := roomOf(window.Get("location").Get("pathname").String())
	if !ok {
		p.post(func() {
			p.showNotice("This address names no room, so this is #" + room + ". A room's name is made of a-z 0-9 - and _.")
		})
	}
	return room
}

// addressOf is the path of a room's page.
func addressOf(room string) string { return "/r/" + room }

// roomOf returns the room that a path names: / is the default room. A path that
// names none is that too, with ok false.
func roomOf(path string) (room string, ok bool) {
	if path == "/" {
		return shared.DefaultRoom, true
	}
	room, found := strings.CutPrefix(path, "/r/")
	if !found || shared.ValidateRoom(room) != nil {
		return shared.DefaultRoom, false
	}
	return room, true
}
