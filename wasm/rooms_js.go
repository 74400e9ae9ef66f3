package main

import (
	"context"
	"strconv"
	"strings"
	"syscall/js"
	"time"

	"websockets/shared"
	"websockets/wasm/client"
)

// patience is how long the page waits for an answer of the server.
const patience = 10 * time.Second

// listEvery is how often the list of rooms is asked for while the page is seen.
const listEvery = 30 * time.Second

// roomParts are the column of rooms.
type roomParts struct {
	list     *list[roomRow]
	template js.Value
	form     js.Value
	input    js.Value
	problem  *label

	listed  bool // the list was asked for on this connection
	listing bool // an answer is on its way
}

// roomRow is a room in the column, with what it shows.
type roomRow struct {
	link, name, unread js.Value

	shown   bool
	count   int
	current bool
}

func newRoomParts() roomParts {
	return roomParts{
		list:     newList[roomRow](byID("room-list")),
		template: byID("t-room"),
		form:     byID("go"),
		input:    byID("go-room"),
		problem:  newLabel(byID("go-error")),
	}
}

func (p *Page) drawRooms(v client.View) {
	entries := v.Rooms
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = e.Name
	}
	p.rooms.list.place(keys, func(i int) *child[roomRow] {
		element := clone(p.rooms.template)
		row := &child[roomRow]{element: element, data: roomRow{
			link: find(element, "a"), name: find(element, ".name"), unread: find(element, ".unread"),
		}}
		row.data.name.Set("textContent", entries[i].Name)
		row.data.link.Set("href", addressOf(entries[i].Name))
		return row
	})
	for _, e := range entries {
		p.rooms.list.children[e.Name].data.draw(e.Unread, e.Name == v.Current)
	}
}

func (r *roomRow) draw(unread int, current bool) {
	if r.shown && r.count == unread && r.current == current {
		return
	}
	r.shown, r.count, r.current = true, unread, current
	text, words := "", ""
	if unread > 0 {
		text, words = strconv.Itoa(unread), strconv.Itoa(unread)+" unread"
	}
	if unread > shared.MaxUnread {
		text = strconv.Itoa(shared.MaxUnread) + "+"
		words = "more than " + strconv.Itoa(shared.MaxUnread) + " unread"
	}
	r.unread.Set("textContent", text)
	r.unread.Set("title", words)
	r.link.Get("classList").Call("toggle", "news", unread > 0)
	if current {
		r.link.Call("setAttribute", "aria-current", "page")
	} else {
		r.link.Call("removeAttribute", "aria-current")
	}
}

// listRooms asks for the list of rooms. The View has the answer.
func (p *Page) listRooms() {
	if p.rooms.listing || p.view.State != client.Online {
		return
	}
	p.rooms.listed, p.rooms.listing = true, true
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		p.client.ListRooms(ctx, "") // without an answer, the old list stays
		p.post(func() { p.rooms.listing = false })
	}()
}

func (p *Page) keepListing() {
	p.after(listEvery, func() {
		if !document.Get("hidden").Bool() {
			p.listRooms()
		}
		p.keepListing()
	})
}

func (p *Page) listenToRooms() {
	p.keepListing()
	listen(p.rooms.list.parent, "click", func(event js.Value) {
		link := event.Get("target").Call("closest", "a")
		if link.IsNull() || event.Get("ctrlKey").Bool() || event.Get("metaKey").Bool() || event.Get("shiftKey").Bool() {
			return // a new tab is the browser's business
		}
		event.Call("preventDefault")
		path := link.Get("pathname").String()
		p.post(func() {
			if room, ok := roomOf(path); ok {
				p.goTo(room)
			}
		})
	})
	listen(p.rooms.form, "submit", func(event js.Value) {
		event.Call("preventDefault")
		p.post(p.submitRoom)
	})
	listen(p.rooms.input, "input", func(js.Value) { p.post(func() { p.rooms.problem.say("") }) })
	listen(byID("back"), "click", func(js.Value) {
		p.post(func() { p.body.Get("dataset").Set("pane", "rooms") })
	})
}

// submitRoom goes to the room that was typed: one that nobody has been in is
// created by going there.
func (p *Page) submitRoom() {
	name := strings.ToLower(strings.TrimPrefix(strings.TrimSpace(p.rooms.input.Get("value").String()), "#"))
	name = strings.Join(strings.Fields(name), "-")
	if name == "" {
		p.rooms.input.Call("focus")
		return
	}
	if err := shared.ValidateRoom(name); err != nil {
		p.rooms.problem.say(words(err))
		return
	}
	p.rooms.input.Set("value", "")
	p.rooms.problem.say("")
	p.goTo(name)
}

// goTo changes the room and the address.
func (p *Page) goTo(room string) {
	if room != p.view.Current {
		window.Get("history").Call("pushState", nil, "", addressOf(room))
	}
	p.change(room)
	p.focusComposer()
}

// followAddress goes where Back or Forward went.
func (p *Page) followAddress() {
	room, _ := roomOf(window.Get("location").Get("pathname").String())
	p.change(room)
}

func (p *Page) change(room string) {
	p.body.Get("dataset").Set("pane", "room")
	if err := p.client.ChangeRoom(room); err != nil {
		p.sayNotice(words(err))
	}
	p.redraw()
}

// roomAtStart is the room of the page's address.
func (p *Page) roomAtStart() string {
	room, ok := roomOf(window.Get("location").Get("pathname").String())
	if !ok {
		p.sayNotice("This address names no room, so this is #" + room + ". A room's name is made of a-z 0-9 - and _.")
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
