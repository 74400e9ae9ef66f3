package main

import (
	"sync/atomic"
	"syscall/js"

	"websockets/shared"
	"websockets/wasm/client"
	"websockets/wasm/storage"
	"websockets/wasm/view"
)

// Page shows the client's View and passes on what the reader does. Each part of it draws
// its elements and listens to them; newPage connects the parts.
//
// Only the goroutine of its loop may use it.
type Page struct {
	loop   *loop
	client *client.Client

	connection *connectionStatus
	rooms      *roomList
	refused    *refusedRoom
	timeline   *timeline
	composer   *composer
	members    *memberList
	notice     *notice
	bells      *bells
	name       *nameDialog
	topic      *topicDialog
	keys       *keysDialog
	drawer     *drawer

	title    *label
	heading  *label
	announce *label // for screen readers
	empty    js.Value
	typing   *label

	view        client.View   // the one that is shown
	booted      bool          // a room has been shown
	loggedError *shared.Error // the last error written to the console

	layers layerEntries

	// unsaved counts the messages that are lost when the page is closed. beforeunload
	// reads it.
	unsaved  atomic.Int32
	outboxes *storage.Outboxes // nil if the browser stores nothing
	leaving  bool              // the page is closed without its messages
}

// newPage finds the elements of index.html and listens to the reader. outboxes is nil if
// the browser stores nothing.
func newPage(l *loop, c *client.Client, connector *connector, outboxes *storage.Outboxes) *Page {
	p := &Page{
		loop:     l,
		client:   c,
		title:    newLabel(find(document, "title")),
		heading:  newLabel(byID("room-name")),
		announce: newLabel(byID("announce")),
		empty:    byID("empty"),
		typing:   newLabel(byID("typing")),
		outboxes: outboxes,
	}
	clock, drafts := newClock(), newDrafts(l)
	p.notice = newNotice(l)
	p.composer = newComposer(l, c, drafts, func() { p.timeline.sent() })
	p.timeline = newTimeline(l, c, clock, p.composer, p.notice)
	p.rooms = newRoomList(l, c, drafts, p.goTo)
	p.refused = newRefusedRoom(l, p.composer, p.goTo, func() { p.change(p.view.Current) })
	p.members = newMemberList(l)
	p.bells = newBells(l, c, p.notice, p.announce, p.goTo)
	p.name = newNameDialog(l, c, p.composer.focus)
	p.topic = newTopicDialog(l, c, clock, p.composer.focus)
	p.keys = newKeysDialog(l)
	p.drawer = newDrawer(l, c, p.composer.focus)
	session := newSessionDialogs(l, c, connector, p.name, p.leaveFreely)
	if layersOf(window.Get("history").Get("state")) != 0 {
		_ = setEntry("replaceState", 0, "") // they were open before the page was reloaded
	}
	p.connection = newConnectionStatus(l, c, connector, session.askToContinue)
	p.listen()
	return p
}

// listen listens to what concerns more than one part.
func (p *Page) listen() {
	listen(document, "keydown", func(event js.Value) {
		action := pressOf(event).Action()
		if action == view.NoAction || event.Get("defaultPrevented").Bool() {
			return
		}
		if action != view.Back { // the browser may use Esc too
			event.Call("preventDefault")
		}
		p.loop.post(func() { p.act(action) })
	})
	listen(window, "popstate", func(event js.Value) {
		layers := layersOf(event.Get("state"))
		p.loop.post(func() { p.followAddress(layers) })
	})
	listen(window, "beforeunload", func(event js.Value) {
		if p.unsaved.Load() > 0 {
			event.Call("preventDefault") // the browser asks whether to leave
		}
	})
	listen(document, "visibilitychange", func(js.Value) {
		p.loop.post(func() {
			if !document.Get("hidden").Bool() {
				p.client.CheckNow()
				p.rooms.load()
			}
			p.loop.drawNow() // a frame requested before may never come
		})
	})
	listen(byID("copy-link"), "click", func(js.Value) { p.loop.post(p.copyLink) })
}

// draw shows the View. It reports a flood if all visible messages are new: nobody can
// read that fast.
func (p *Page) draw() (flood bool) {
	if p.timeline.AtEnd {
		p.client.ShowLatest(p.view.Current)
	} else {
		p.client.PinView(p.view.Current)
	}
	v, before := p.client.View(), p.view.Current
	p.view = v
	unsaved := p.countUnsaved(v)
	p.unsaved.Store(int32(unsaved))

	if v.Current != before {
		p.entered(v, before)
	}
	p.connection.draw(v, p.booted, p.outboxes != nil && unsaved == 0)
	p.rooms.draw(v)
	p.refused.draw(v)
	p.name.draw(v.Me)
	p.topic.draw(v)
	p.drawer.draw()
	names := view.NamesOf(v)
	p.members.draw(v, names)
	p.composer.draw(v, p.booted)
	p.bells.draw(v)
	p.typing.set(view.Typing(v.Room.Typing))
	p.title.set(view.TitleOf(v))

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
func (p *Page) entered(v client.View, before string) {
	p.refused.leave(before)
	p.heading.set(v.Current)
	p.composer.enter(v.Current)
	if p.booted {
		p.announce.set(view.EnteredText(v))
		p.notice.hide()
		p.rooms.load()
	}
}

// act performs an action of the keyboard.
func (p *Page) act(action view.Action) {
	switch action {
	case view.Send:
		p.composer.send()
	case view.FindRoom:
		p.rooms.focusFilter()
	case view.RoomAbove:
		p.rooms.step(-1)
	case view.RoomBelow:
		p.rooms.step(+1)
	case view.RowAbove:
		p.rooms.moveRow(-1)
	case view.RowBelow:
		p.rooms.moveRow(+1)
	case view.ShowKeys:
		p.keys.toggle()
	case view.ShowEvents:
		p.drawer.toggle()
	case view.Back:
		p.goBack()
	}
}

// goBack leaves the current part of the page, one step at a time.
func (p *Page) goBack() {
	focused := document.Get("activeElement")
	switch {
	case p.members.isOpen():
		p.members.setOpen(false)
	case p.rooms.typed != "" && find(document, "nav.rooms").Call("contains", focused).Bool():
		p.rooms.resetFilter()
	case p.rooms.form.Call("contains", focused).Bool():
		showPane("room")
		p.composer.focus()
	default:
		p.timeline.dismiss()
	}
}

// countUnsaved counts the messages that are lost when the page is closed.
func (p *Page) countUnsaved(v client.View) int {
	switch {
	case p.leaving:
		return 0
	case p.outboxes == nil:
		return v.Queued
	}
	return p.outboxes.Unsaved()
}

// leaveFreely keeps the browser from asking whether to leave the page.
func (p *Page) leaveFreely() {
	p.leaving = true
	p.unsaved.Store(0)
}

// updateHistory gives each open layer its entry in the browser's history.
func (p *Page) updateHistory() { p.layers.update(len(p.openLayers())) }
