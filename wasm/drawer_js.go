package main

import (
	"strconv"
	"syscall/js"

	"websockets/shared"
	"websockets/wasm/client"
	"websockets/wasm/view"
)

// nearLast is how close to its end, in CSS pixels, the list of events still follows new
// ones.
const nearLast = 40

// drawer shows developers the last events of the connection, and sends an event that
// they type. It observes frames only while it is open. With ?debug in the address it is
// open from the start.
type drawer struct {
	loop   *loop
	client *client.Client
	closed func() // runs after the drawer was closed

	atEnd   bool // the list follows new events
	panel   js.Value
	scroll  js.Value
	summary *label
	filter  js.Value
	pause   js.Value
	event   js.Value
	problem *label
	blank   js.Value

	open    bool
	changed bool // since it was drawn
	events  view.Drawer
	rows    *keyedList[*drawerRow]
	stop    js.Value // the row that is reachable by Tab
}

type drawerRow struct {
	trip *label
}

func newDrawer(l *loop, c *client.Client, closed func()) *drawer {
	d := &drawer{
		loop:    l,
		client:  c,
		closed:  closed,
		atEnd:   true,
		panel:   byID("drawer"),
		scroll:  byID("drawer-scroll"),
		summary: newLabel(byID("drawer-words")),
		filter:  byID("drawer-filter"),
		pause:   byID("drawer-pause"),
		event:   byID("drawer-event"),
		problem: newLabel(byID("drawer-error")),
		blank:   byID("t-event"),
		rows:    newKeyedList[*drawerRow](byID("drawer-list")),
	}
	d.listen()
	return d
}

// debugAsked reports whether the address has ?debug.
func debugAsked() bool {
	query := window.Get("location").Get("search")
	return window.Get("URLSearchParams").New(query).Call("has", "debug").Bool()
}

func (d *drawer) listen() {
	listen(byID("drawer-close"), "click", func(js.Value) { d.loop.post(d.hide) })
	listen(byID("drawer-clear"), "click", func(js.Value) {
		d.loop.post(func() {
			d.events.Clear()
			d.redraw()
		})
	})
	listen(d.pause, "click", func(js.Value) {
		d.loop.post(func() {
			d.events.Pause(!d.events.Paused())
			d.redraw()
		})
	})
	listen(d.scroll, "scroll", func(js.Value) {
		d.loop.post(func() {
			left := d.scroll.Get("scrollHeight").Float() - d.scroll.Get("scrollTop").Float() - d.scroll.Get("clientHeight").Float()
			d.atEnd = left < nearLast
		})
	})
	onResize(d.scroll, func() { d.loop.post(d.follow) })
	listen(d.filter, "input", func(js.Value) { d.loop.post(d.redraw) })
	listen(d.event, "input", func(js.Value) { d.loop.post(func() { d.problem.showText("") }) })
	listen(byID("drawer-form"), "submit", func(event js.Value) {
		event.Call("preventDefault")
		d.loop.post(d.send)
	})
	listen(d.panel, "keydown", func(event js.Value) {
		if event.Get("key").String() != "Escape" {
			return
		}
		event.Call("stopPropagation") // this Esc is for the drawer
		if !event.Get("target").Equal(d.filter) || d.filter.Get("value").String() == "" {
			d.loop.post(d.hide) // otherwise the browser clears the field
		}
	})
	listen(d.rows.parent, "keydown", func(event js.Value) {
		if key := event.Get("key").String(); rowKeys[key] && event.Get("target").Get("tagName").String() == "SUMMARY" {
			event.Call("preventDefault")
			row := event.Get("target").Call("closest", "li")
			d.loop.post(func() { d.move(row, key) })
		}
	})
	listen(d.rows.parent, "click", func(event js.Value) {
		if row := event.Get("target").Call("closest", "li"); !row.IsNull() {
			d.loop.post(func() { d.expand(row) })
		}
	})
}

func (d *drawer) toggle() {
	if d.open {
		d.hide()
		return
	}
	d.show()
	d.event.Call("focus")
}

func (d *drawer) show() {
	d.open = true
	setHidden(d.panel, false)
	d.client.SetFrameObserver(func(f client.Frame) {
		d.loop.post(func() {
			if d.open {
				d.events.Add(f)
				d.redraw()
			}
		})
	})
	d.redraw()
}

// hide closes the drawer and drops its events.
func (d *drawer) hide() {
	d.client.SetFrameObserver(nil)
	d.open, d.events = false, view.Drawer{}
	d.rows.clear()
	setHidden(d.panel, true)
	d.closed()
}

func (d *drawer) redraw() {
	d.changed = true
	d.loop.redraw()
}

func (d *drawer) draw() {
	if !d.open || !d.changed {
		return
	}
	d.changed = false
	shown := d.events.Events(d.filter.Get("value").String())
	keys := make([]string, len(shown))
	for i, e := range shown {
		keys[i] = e.Key
	}
	d.rows.reconcile(keys, func(i int) *item[*drawerRow] { return d.newRow(shown[i]) })
	for _, e := range shown {
		d.rows.items[e.Key].data.trip.set(e.RoundTripText())
	}
	d.summary.set(d.events.Summary(len(shown)))
	d.pause.Call("setAttribute", "aria-pressed", strconv.FormatBool(d.events.Paused()))
	if !d.stop.Truthy() || !d.stop.Get("isConnected").Bool() {
		d.tabTo(d.rows.parent.Get("lastElementChild"))
	}
	d.follow()
}

// follow scrolls to the newest event if the reader was at the end.
func (d *drawer) follow() {
	if d.atEnd {
		d.scroll.Set("scrollTop", d.scroll.Get("scrollHeight"))
	}
}

func (d *drawer) newRow(e *view.DrawerEvent) *item[*drawerRow] {
	element := clone(d.blank)
	sign, word := e.Direction()
	way := find(element, ".way")
	way.Get("firstElementChild").Set("textContent", sign)
	way.Get("lastElementChild").Set("textContent", word)
	find(element, "time").Set("textContent", e.Clock())
	find(element, "b").Set("textContent", e.Name())
	find(element, ".seq").Set("textContent", e.SeqText())
	find(element, ".size").Set("textContent", e.SizeText())
	element.Get("dataset").Set("key", e.Key)
	element.Get("dataset").Set("way", word)
	return &item[*drawerRow]{element, &drawerRow{newLabel(find(element, ".trip"))}}
}

// expand shows the JSON of an event when its row is opened.
func (d *drawer) expand(row js.Value) {
	d.tabTo(row)
	if e := d.events.Event(row.Get("dataset").Get("key").String()); e != nil {
		find(row, "pre").Set("textContent", e.Pretty())
	}
}

// rowKeys are the keys that move between rows.
var rowKeys = map[string]bool{"ArrowUp": true, "ArrowDown": true, "Home": true, "End": true}

func (d *drawer) move(row js.Value, key string) {
	to := row.Get(map[string]string{"ArrowUp": "previousElementSibling", "ArrowDown": "nextElementSibling"}[key])
	switch key {
	case "Home":
		to = d.rows.parent.Get("firstElementChild")
	case "End":
		to = d.rows.parent.Get("lastElementChild")
	}
	if to.Truthy() {
		d.tabTo(to)
		find(to, "summary").Call("focus")
	}
}

// tabTo makes one row reachable by Tab. A hundred tab stops would be too many.
func (d *drawer) tabTo(row js.Value) {
	if d.stop.Truthy() {
		find(d.stop, "summary").Set("tabIndex", -1)
	}
	if d.stop = row; row.Truthy() {
		find(row, "summary").Set("tabIndex", 0)
	}
}

// send sends the event that was typed. It shows errors of the client in the drawer;
// the server's answer arrives as an event.
func (d *drawer) send() {
	e, err := shared.DecodeEvent([]byte(d.event.Get("value").String()))
	if err == nil {
		err = d.client.SendRaw(e)
	}
	if err != nil {
		d.problem.showText(view.ErrorText(err))
		return
	}
	d.problem.showText("")
	d.event.Call("select")
}
