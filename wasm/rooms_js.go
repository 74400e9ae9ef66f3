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

// listInterval is how often the list of rooms is loaded while the page is visible.
const listInterval = 30 * time.Second

// searchDelay is the pause in typing after which the server is searched.
const searchDelay = 150 * time.Millisecond

// searchTimeout bounds a search. Enter waits for its result.
const searchTimeout = 2 * time.Second

// roomList is the column of rooms, with its filter.
type roomList struct {
	loop   *loop
	client *client.Client
	drafts *drafts
	goTo   func(room string)

	list      *keyedList[roomLink]
	template  js.Value
	form      js.Value
	input     js.Value
	clear     js.Value
	nothing   js.Value // shown if there are no rows
	emptyText *label
	results   *label // result of the filter, for screen readers
	more      js.Value

	view  client.View // the last one drawn
	shown view.Rooms

	typed     string               // the filter
	found     []shared.RoomSummary // the server's result for foundFor
	foundFor  string
	foundNext string // the next page of the result, empty if there is none
	asking    bool   // a search is in progress
	entering  bool   // Enter was pressed and waits for the search

	listed  bool // the list was requested on this connection
	listing bool // a request is in progress

	extending bool // a further page is requested
}

// roomLink holds the labels of a room's row, and what they show.
type roomLink struct {
	link                       js.Value
	name, mark, unread, spoken *label
	shown                      view.RoomRow
}

func newRoomList(l *loop, c *client.Client, d *drafts, goTo func(room string)) *roomList {
	r := &roomList{
		loop:   l,
		client: c,
		drafts: d,
		goTo:   goTo,

		list:      newKeyedList[roomLink](byID("room-list")),
		template:  byID("t-room"),
		form:      byID("go"),
		input:     byID("go-room"),
		clear:     byID("go-clear"),
		nothing:   byID("go-nothing"),
		emptyText: newLabel(byID("go-none")),
		results:   newLabel(byID("go-results")),
		more:      byID("more-rooms"),
	}
	r.listen()
	r.loadPeriodically()
	return r
}

func (r *roomList) listen() {
	listen(r.list.parent, "click", func(event js.Value) {
		link := event.Get("target").Call("closest", "a")
		if link.IsNull() || event.Get("ctrlKey").Bool() || event.Get("metaKey").Bool() || event.Get("shiftKey").Bool() {
			return // the browser opens a new tab or window
		}
		event.Call("preventDefault")
		path := link.Get("pathname").String()
		r.loop.post(func() {
			if room, ok := view.RoomOf(basePath, path); ok {
				r.goTo(room)
			}
		})
	})
	listen(r.form, "submit", func(event js.Value) {
		event.Call("preventDefault")
		r.loop.post(r.enter)
	})
	listen(r.input, "input", func(js.Value) { r.loop.post(r.filter) })
	for _, button := range []js.Value{r.clear, find(r.nothing, "button")} {
		listen(button, "click", func(js.Value) { r.loop.post(r.resetFilter) })
	}
	listen(r.more, "click", func(js.Value) { r.loop.post(r.loadMore) })
	listen(r.list.parent, "scroll", func(js.Value) {
		r.loop.post(func() {
			if r.nearEnd() {
				r.loadMore()
			}
		})
	})
	listen(byID("back"), "click", func(js.Value) { r.loop.post(func() { showPane("rooms") }) })
}

func (r *roomList) draw(v client.View) {
	r.view = v
	r.drawRows()
	if v.State != client.Online {
		r.listed = false
	}
	missesReadMark := v.Room.Synced && !v.Room.ReadKnown
	if v.State == client.Online && !r.listed || v.RoomsStale || missesReadMark {
		r.load()
	}
}

func (r *roomList) drawRows() {
	v := r.view
	var found []shared.RoomSummary
	if r.foundFor == r.typed {
		found = r.found
	}
	r.shown = view.RoomsOf(v, r.typed, found, r.drafts.Rooms())
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
	if !r.hasMore() && document.Get("activeElement").Equal(r.more) {
		r.focusRow(len(r.list.order) - 1) // a hidden button loses the focus
	}
	setHidden(r.more, !r.hasMore())
	setHidden(r.clear, r.typed == "" && r.input.Get("value").String() == "")
	if r.typed == "" || r.foundFor == r.typed || v.State != client.Online { // otherwise the result of the search may change it
		r.results.set(r.shown.StatusText)
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
		l.link.Set("href", view.PathOf(basePath, row.Room))
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

// load loads the list of rooms into the View.
func (r *roomList) load() {
	if r.listing || r.view.State != client.Online {
		return
	}
	r.listed, r.listing = true, true
	r.loop.call(answerTimeout, func(ctx context.Context) error {
		_, err := r.client.ListRooms(ctx, "")
		return err
	}, func(error) { // on an error, the old list stays
		r.listing = false
	})
}

// hasMore reports whether the server has more rooms than are listed.
func (r *roomList) hasMore() bool {
	if r.typed == "" {
		return r.view.MoreRooms
	}
	return r.foundFor == r.typed && r.foundNext != ""
}

// nearEnd reports whether the list is scrolled almost to its end.
func (r *roomList) nearEnd() bool {
	list := r.list.parent
	below := list.Get("scrollHeight").Float() - list.Get("scrollTop").Float() - list.Get("clientHeight").Float()
	return below < list.Get("clientHeight").Float()
}

// loadMore loads the next page of the list, or of the result of the filter.
func (r *roomList) loadMore() {
	if r.extending || r.view.State != client.Online || !r.hasMore() {
		return
	}
	r.extending = true
	typed, page := r.typed, r.foundNext
	var answer shared.RoomsPayload
	r.loop.call(answerTimeout, func(ctx context.Context) (err error) {
		if typed == "" {
			return r.client.MoreRooms(ctx)
		}
		answer, err = r.client.ListRoomsPage(ctx, typed, page)
		return err
	}, func(err error) { // on an error, the user can try again
		r.extending = false
		if err == nil && typed != "" && r.foundFor == typed && r.foundNext == page {
			r.found, r.foundNext = append(r.found, answer.Rooms...), answer.Next
		}
		r.loop.redraw()
	})
}

func (r *roomList) loadPeriodically() {
	r.loop.after(listInterval, func() {
		if !document.Get("hidden").Bool() {
			r.load()
		}
		r.loadPeriodically()
	})
}

// focusFilter shows the rooms and selects the filter.
func (r *roomList) focusFilter() {
	showPane("rooms")
	r.input.Call("focus")
	r.input.Call("select")
}

// filter shows the rooms that match the filter: known rooms at once, and a little later
// those that only the server knows.
func (r *roomList) filter() {
	typed := view.RoomNameOf(r.input.Get("value").String())
	r.typed, r.entering = typed, false
	r.loop.redraw()
	r.loop.after(searchDelay, func() {
		if r.typed == typed {
			r.search()
		}
	})
}

// clearFilter shows all rooms again.
func (r *roomList) clearFilter() {
	r.input.Set("value", "")
	r.typed, r.entering, r.found, r.foundFor, r.foundNext = "", false, nil, "", ""
	r.loop.redraw()
}

// resetFilter shows all rooms again and focuses the filter.
func (r *roomList) resetFilter() {
	r.clearFilter()
	r.input.Call("focus")
}

// search searches the server for matching rooms, one search at a time. If Enter was
// pressed, it opens the best match when the search has ended.
func (r *roomList) search() {
	typed := r.typed
	switch {
	case r.asking:
		return
	case typed == r.foundFor, r.view.State != client.Online, shared.ValidateRoom(typed) != nil:
		r.goToFirst()
		return
	}
	r.asking = true
	var found shared.RoomsPayload
	r.loop.call(searchTimeout, func(ctx context.Context) (err error) {
		found, err = r.client.ListRoomsPage(ctx, typed, "")
		return err
	}, func(err error) {
		r.asking = false
		if r.typed != typed {
			r.search()
			return
		}
		if err == nil {
			r.found, r.foundFor, r.foundNext = found.Rooms, typed, found.Next
		}
		r.loop.redraw()
		r.goToFirst()
	})
}

// enter handles Enter in the filter: it searches the server and opens the best match.
func (r *roomList) enter() {
	r.filter()
	if r.typed == "" {
		r.input.Call("focus")
		return
	}
	r.entering = true
	r.search()
}

// goToFirst opens the best match if Enter was pressed.
func (r *roomList) goToFirst() {
	if !r.entering {
		return
	}
	r.entering = false
	r.drawRows()
	if rows := r.shown.Rows; len(rows) > 0 {
		r.goTo(rows[0].Room)
	}
}

// moveRow moves the focus down or up through the rows. Above the first row is the
// filter.
func (r *roomList) moveRow(by int) {
	list := r.list
	focused := document.Get("activeElement")
	at := slices.IndexFunc(list.order, func(key string) bool { return list.items[key].data.link.Equal(focused) }) + by
	switch {
	case at < 0:
		r.input.Call("focus")
	case at < len(list.order):
		r.focusRow(at)
	default:
		r.loadMore()
	}
}

func (r *roomList) focusRow(i int) {
	if 0 <= i && i < len(r.list.order) {
		r.list.items[r.list.order[i]].data.link.Call("focus")
	}
}

// step opens the room above or below the current one.
func (r *roomList) step(by int) {
	if room := r.shown.Neighbor(r.view.Current, by); room != "" {
		r.goTo(room)
	}
}
