package main

import (
	"context"
	"slices"
	"syscall/js"
	"time"

	"websockets/shared"
	"websockets/wasm/client"
	"websockets/wasm/view"
)

// answerTimeout bounds a request to the server.
const answerTimeout = 10 * time.Second

// listInterval is how often the list of rooms is loaded while the page is visible.
const listInterval = 30 * time.Second

// searchDelay is the pause in typing after which the server is searched.
const searchDelay = 150 * time.Millisecond

// searchTimeout bounds a search. Enter waits for its result.
const searchTimeout = 2 * time.Second

// roomParts is the column of rooms.
type roomParts struct {
	list      *keyedList[roomLink]
	template  js.Value
	form      js.Value
	input     js.Value
	clear     js.Value
	nothing   js.Value // shown if there are no rows
	emptyText *label
	results   *label // result of the filter, for screen readers

	shown  view.Rooms
	before string // the room shown before the current one

	typed    string               // the filter
	found    []shared.RoomSummary // the server's result for foundFor
	foundFor string
	asking   bool // a search is in progress
	entering bool // Enter was pressed and waits for the search

	listed  bool // the list was requested on this connection
	listing bool // a request is in progress

	pane       js.Value // replaces a room that cannot be opened
	title, why *label
	back       *label
	again      js.Value
	refusal    *view.Refusal // nil if the room is shown
}

// roomLink holds the labels of a room's row, and what they show.
type roomLink struct {
	link                       js.Value
	name, mark, unread, spoken *label
	shown                      view.RoomRow
}

func newRoomParts() roomParts {
	return roomParts{
		list:      newKeyedList[roomLink](byID("room-list")),
		template:  byID("t-room"),
		form:      byID("go"),
		input:     byID("go-room"),
		clear:     byID("go-clear"),
		nothing:   byID("go-nothing"),
		emptyText: newLabel(byID("go-none")),
		results:   newLabel(byID("go-results")),
		pane:      byID("refused"),
		title:     newLabel(byID("refused-title")),
		why:       newLabel(byID("refused-why")),
		back:      newLabel(byID("refused-back")),
		again:     byID("refused-again"),
	}
}

func (p *Page) drawRooms(v client.View) {
	r := &p.rooms
	var found []shared.RoomSummary
	if r.foundFor == r.typed {
		found = r.found
	}
	r.shown = view.RoomsOf(v, r.typed, found, p.composer.drafts.Rooms())
	rows := r.shown.Rows
	keys := make([]string, len(rows))
	for i, row := range rows {
		keys[i] = row.Key
	}
	focused := document.Get("activeElement")
	r.list.reconcile(keys, func(int) *item[roomLink] {
		element := clone(r.template)
		return &item[roomLink]{element: element, data: roomLink{
			link: find(element, "a"), name: newLabel(find(element, ".name")), mark: newLabel(find(element, ".mark")),
			unread: newLabel(find(element, ".unread")), spoken: newLabel(find(element, ".unseen")),
		}}
	})
	for _, row := range rows {
		r.list.items[row.Key].data.draw(row)
	}
	// Moving a row in the DOM takes the focus from it.
	if !document.Get("activeElement").Equal(focused) && r.list.parent.Call("contains", focused).Bool() {
		focused.Call("focus")
	}
	r.emptyText.set(r.shown.EmptyText)
	setHidden(r.nothing, r.shown.EmptyText == "")
	setHidden(r.clear, r.typed == "" && r.input.Get("value").String() == "")
	if r.typed == "" || r.foundFor == r.typed || v.State != client.Online { // otherwise the result of the search may change it
		r.results.set(r.shown.StatusText)
	}
	p.drawRefusal(v)
	if v.RoomsStale {
		p.listRooms()
	}
}

func (l *roomLink) draw(row view.RoomRow) {
	if l.shown == row {
		return
	}
	was := l.shown
	l.shown = row
	l.name.set(row.Label)
	l.mark.showText(string(row.Mark))
	l.mark.Get("classList").Call("toggle", "bad", row.Mark == view.Unsent)
	l.unread.set(row.Unread)
	spoken := row.Spoken
	if spoken != "" {
		spoken = ", " + spoken
	}
	l.spoken.set(spoken)
	if was.Room != row.Room {
		l.link.Set("href", addressOf(row.Room))
	}
	for class, is := range map[string]bool{"news": row.Unread != "", "creates": row.Creates, "first": row.First} {
		l.link.Get("classList").Call("toggle", class, is)
	}
	if row.Current {
		l.link.Call("setAttribute", "aria-current", "page")
	} else {
		l.link.Call("removeAttribute", "aria-current")
	}
}

// drawRefusal shows why the current room cannot be opened, with a button to another.
func (p *Page) drawRefusal(v client.View) {
	r := &p.rooms
	refusal, was := view.RefusalOf(v, r.before), r.refusal
	r.refusal = refusal
	setHidden(r.pane, refusal == nil)
	focused := document.Get("activeElement")
	if refusal == nil {
		setData(p.body, "room", "open")
		if was != nil && (focused.Equal(p.body) || r.pane.Call("contains", focused).Bool()) {
			p.composer.focus()
		}
		return
	}
	setData(p.body, "room", "refused")
	r.title.set(refusal.Title)
	r.why.set(refusal.Why)
	back := ""
	if refusal.Back != "" {
		back = "Go to #" + refusal.Back
	}
	r.back.showText(back)
	setHidden(r.again, v.Current == "")
	if was == nil && (focused.Equal(p.body) || focused.Equal(p.composer.input)) { // the composer is hidden
		find(r.pane, "button:not([hidden])").Call("focus")
	}
}

// listRooms loads the list of rooms into the View.
func (p *Page) listRooms() {
	if p.rooms.listing || p.view.State != client.Online {
		return
	}
	p.rooms.listed, p.rooms.listing = true, true
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
		defer cancel()
		p.client.ListRooms(ctx, "") // on an error, the old list stays
		p.post(func() { p.rooms.listing = false })
	}()
}

func (p *Page) listPeriodically() {
	p.after(listInterval, func() {
		if !document.Get("hidden").Bool() {
			p.listRooms()
		}
		p.listPeriodically()
	})
}

func (p *Page) listenToRooms() {
	p.listPeriodically()
	listen(p.rooms.list.parent, "click", func(event js.Value) {
		link := event.Get("target").Call("closest", "a")
		if link.IsNull() || event.Get("ctrlKey").Bool() || event.Get("metaKey").Bool() || event.Get("shiftKey").Bool() {
			return // the browser opens a new tab or window
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
		p.post(p.enterRoom)
	})
	listen(p.rooms.input, "input", func(js.Value) { p.post(p.filterRooms) })
	for _, button := range []js.Value{p.rooms.clear, find(p.rooms.nothing, "button")} {
		listen(button, "click", func(js.Value) {
			p.post(func() {
				p.clearFilter()
				p.rooms.input.Call("focus")
			})
		})
	}
	listen(byID("back"), "click", func(js.Value) {
		p.post(func() { setData(p.body, "pane", "rooms") })
	})
	listen(p.rooms.back.Value, "click", func(js.Value) {
		p.post(func() {
			if p.rooms.refusal != nil {
				p.goTo(p.rooms.refusal.Back)
			}
		})
	})
	listen(p.rooms.again, "click", func(js.Value) { p.post(func() { p.change(p.view.Current) }) })
}

// findRoom focuses the filter of the rooms.
func (p *Page) findRoom() {
	setData(p.body, "pane", "rooms")
	p.rooms.input.Call("focus")
	p.rooms.input.Call("select")
}

// filterRooms shows the rooms that match the filter: known rooms at once, and a little
// later those that only the server knows.
func (p *Page) filterRooms() {
	r := &p.rooms
	typed := view.RoomNameOf(r.input.Get("value").String())
	r.typed, r.entering = typed, false
	p.redraw()
	p.after(searchDelay, func() {
		if r.typed == typed {
			p.searchRooms()
		}
	})
}

// clearFilter shows all rooms again.
func (p *Page) clearFilter() {
	r := &p.rooms
	r.input.Set("value", "")
	r.typed, r.entering, r.found, r.foundFor = "", false, nil, ""
	p.redraw()
}

// searchRooms searches the server for matching rooms, one search at a time. If Enter was
// pressed, it opens the best match when the search has ended.
func (p *Page) searchRooms() {
	r := &p.rooms
	typed := r.typed
	switch {
	case r.asking:
		return
	case typed == r.foundFor, p.view.State != client.Online, shared.ValidateRoom(typed) != nil:
		p.goToFirst()
		return
	}
	r.asking = true
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), searchTimeout)
		defer cancel()
		found, err := p.client.ListRooms(ctx, typed)
		p.post(func() {
			r.asking = false
			if r.typed != typed {
				p.searchRooms()
				return
			}
			if err == nil {
				r.found, r.foundFor = found, typed
			}
			p.redraw()
			p.goToFirst()
		})
	}()
}

// enterRoom handles Enter in the filter: it searches the server and opens the best match.
func (p *Page) enterRoom() {
	p.filterRooms()
	if p.rooms.typed == "" {
		p.rooms.input.Call("focus")
		return
	}
	p.rooms.entering = true
	p.searchRooms()
}

// goToFirst opens the best match if Enter was pressed.
func (p *Page) goToFirst() {
	if !p.rooms.entering {
		return
	}
	p.rooms.entering = false
	p.drawRooms(p.view)
	if rows := p.rooms.shown.Rows; len(rows) > 0 {
		p.goTo(rows[0].Room)
	}
}

// moveRow moves the focus down or up through the rows. Above the first row is the
// filter.
func (p *Page) moveRow(by int) {
	list := p.rooms.list
	focused := document.Get("activeElement")
	at := slices.IndexFunc(list.order, func(key string) bool { return list.items[key].data.link.Equal(focused) }) + by
	switch {
	case at < 0:
		p.rooms.input.Call("focus")
	case at < len(list.order):
		list.items[list.order[at]].data.link.Call("focus")
	}
}

// stepRoom opens the room above or below the current one.
func (p *Page) stepRoom(by int) {
	if room := p.rooms.shown.Neighbor(p.view.Current, by); room != "" {
		p.goTo(room)
	}
}
