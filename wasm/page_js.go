package main

import (
	"strconv"
	"sync/atomic"
	"syscall/js"

	"websockets/shared"
	"websockets/wasm/client"
	"websockets/wasm/view"
)

// Page shows the client's View and passes on what the reader does. Only the goroutine of
// its loop may use it.
type Page struct {
	*loop
	client    *client.Client
	connector *connector

	// view is the View that is shown.
	view    client.View
	current string // the room that is shown, empty before the first
	booted  bool

	notice     *notice
	timeline   *timeline
	connection *connectionStatus
	rooms      *roomList
	refused    *refusedRoom
	members    *memberList
	composer   *composer
	me         *nameDialog
	topic      *topicDialog
	session    *sessionDialogs
	keys       *keysDialog
	drawer     *drawer
	bells      *bells

	title       *label
	heading     *label
	announce    *label
	empty       js.Value
	typing      *label
	loggedError *shared.Error // the last error written to the console
	// queued counts the messages that are lost when the page is closed. beforeunload
	// reads it. It stays 0 if the browser stores the outbox.
	queued atomic.Int32
	keeps  bool // the browser stores the outbox; set before start
}

// newPage returns a page that accepts posts. Call findParts before start.
func newPage() *Page {
	return &Page{loop: newLoop()}
}

// findParts finds the elements of index.html.
func (p *Page) findParts() {
	p.title = newLabel(find(document, "title"))
	p.heading = newLabel(byID("room-name"))
	p.announce = newLabel(byID("announce"))
	p.empty = byID("empty")
	p.typing = newLabel(byID("typing"))
	clock := newClock()
	p.notice = newNotice(p.loop)
	p.members = newMemberList(p.loop)
	p.composer = newComposer(p.loop, p.client, newDrafts(p.loop), func() { p.timeline.sent() })
	p.timeline = newTimeline(p.loop, p.client, clock, p.composer, p.notice)
	p.rooms = newRoomList(p.loop, p.client, p.composer.drafts, p.goTo)
	p.refused = newRefusedRoom(p.loop, p.composer, p.goTo, func() { p.change(p.view.Current) })
	p.me = newNameDialog(p.loop, p.client, p.composer.focus)
	p.topic = newTopicDialog(p.loop, p.client, clock, p.composer.focus)
	p.session = newSessionDialogs(p.loop, p.client, p.connector, p.me, p.leaveFreely)
	p.connection = newConnectionStatus(p.loop, p.client, p.connector, p.session.askToContinue)
	p.keys = newKeysDialog(p.loop)
	p.drawer = newDrawer(p.loop, p.client, p.composer.focus)
	p.bells = newBells(p.loop, p.client, p.notice, p.announce, p.goTo)
}

// start listens to the reader, and shows the page until it is closed.
func (p *Page) start() {
	p.listenToWindow()
	p.listenToKeys()
	p.run(p.draw)
}

// draw shows the View. It reports a flood if all visible messages are new: nobody can
// read that fast.
func (p *Page) draw() (flood bool) {
	if p.timeline.AtEnd {
		p.client.ShowLatest(p.current)
	} else {
		p.client.PinView(p.current)
	}
	v := p.client.View()
	p.view = v
	if !p.keeps {
		p.queued.Store(int32(v.Queued))
	}

	if v.Current != p.current {
		p.entered(v)
	}
	p.connection.draw(v, p.booted)
	p.rooms.draw(v)
	p.refused.draw(v)
	p.me.draw(v.Me)
	p.topic.draw(v)
	p.drawer.draw()
	names := view.NamesOf(v)
	p.members.draw(v, names)
	p.composer.draw(v, p.booted)
	p.bells.draw(v)
	p.typing.set(view.Typing(v.Room.Typing))
	p.title.set(titleOf(v))

	room := v.Room
	if !p.booted && (room.Synced || len(room.Messages) > 0 || room.Refused != nil) {
		p.booted = true
		setData(body(), "boot", "ready")
		if document.Get("activeElement").Equal(body()) {
			p.composer.focus()
		}
	}
	setHidden(p.empty, !room.Synced || len(room.Messages)+len(room.Outgoing)+len(room.Gaps) > 0)
	p.timeline.draw(v, names, p.booted)

	if e := v.LastError; e != nil && e != p.loggedError {
		p.loggedError = e
		window.Get("console").Call("warn", "The server says: "+e.Error())
	}
	return p.timeline.flood
}

// entered updates the page after the current room has changed.
func (p *Page) entered(v client.View) {
	p.refused.leave(p.current)
	p.current = v.Current
	p.heading.set(v.Current)
	p.composer.enter(v.Current)
	if p.booted {
		p.announce.set(view.EnteredText(v))
		p.notice.hide()
		p.rooms.load()
	}
}

// leaveFreely keeps the browser from asking whether to leave the page.
func (p *Page) leaveFreely() {
	p.keeps = true
	p.queued.Store(0)
}

func (p *Page) listenToWindow() {
	listen(window, "popstate", func(js.Value) { p.post(p.followAddress) })
	listen(window, "beforeunload", func(event js.Value) {
		if p.queued.Load() > 0 {
			event.Call("preventDefault") // the browser asks whether to leave
		}
	})
	listen(document, "visibilitychange", func(js.Value) {
		p.post(func() {
			if !document.Get("hidden").Bool() {
				p.client.CheckNow()
				p.rooms.load()
			}
			p.drawNow() // a frame requested before may never come
		})
	})
	listen(byID("copy-link"), "click", func(js.Value) { p.post(p.copyLink) })
}

// titleOf returns the title of the tab: the unread messages of all rooms, and the
// current room.
func titleOf(v client.View) string {
	unread := 0
	for _, r := range v.Rooms {
		unread += r.Unread
	}
	title := "#" + v.Current
	switch {
	case v.Current == "":
		title = "Rooms"
	case unread > shared.MaxUnread:
		title = "(" + strconv.Itoa(shared.MaxUnread) + "+) " + title
	case unread > 0:
		title = "(" + strconv.Itoa(unread) + ") " + title
	}
	return title
}
