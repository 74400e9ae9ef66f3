package main

import (
	"sync"
	"syscall/js"
	"time"

	"websockets/shared"
	"websockets/wasm/client"
	"websockets/wasm/storage"
	"websockets/wasm/view"
)

// bellPrefix begins the localStorage keys of the rooms that notify, followed by the
// room. The choice applies to all tabs of the browser.
const bellPrefix = "bell/"

// bells is the bell of the current room, and the notifications of all rooms. The page
// stays joined to rooms that notify, to receive their messages.
//
// Only the page's goroutine may use it, except for onMessage, which is safe for
// concurrent use.
type bells struct {
	*view.Bells
	loop     *loop
	client   *client.Client
	notice   *notice
	announce *label // for screen readers
	goTo     func(room string)

	button *label
	view   client.View // the last one drawn
	shown  view.Bell
	store  storage.Store
	keeps  bool
	open   map[string]js.Value // open notifications, by room
	clicks js.Func             // onclick of all notifications; lives as long as the page

	// mu guards notifying, the rooms that notify. onMessage reads it on the client's
	// goroutine.
	mu        sync.Mutex
	notifying map[string]bool
}

func newBells(l *loop, c *client.Client, n *notice, announce *label, goTo func(room string)) *bells {
	b := &bells{
		Bells:    view.NewBells(),
		loop:     l,
		client:   c,
		notice:   n,
		announce: announce,
		goTo:     goTo,

		button:    newLabel(byID("bell")),
		open:      make(map[string]js.Value),
		notifying: make(map[string]bool),
	}
	b.store, b.keeps = storage.Open(bellPrefix)
	if b.keeps {
		for room := range b.store.Load() {
			if shared.ValidateRoom(room) == nil {
				b.set(room, true)
			}
		}
	}
	b.listen()
	return b
}

func (b *bells) listen() {
	b.clicks = js.FuncOf(func(this js.Value, _ []js.Value) any { // as long as the page
		room := this.Get("data").String()
		window.Call("focus")
		this.Call("close")
		b.loop.post(func() {
			delete(b.open, room)
			b.goTo(room)
		})
		return nil
	})
	listen(b.button.Value, "click", func(js.Value) {
		// The browser asks for permission only while it handles the click.
		if permission() != view.NotAsked {
			b.loop.post(b.press)
			return
		}
		var answer js.Value
		if try(func() { answer = window.Get("Notification").Call("requestPermission") }) != nil {
			b.loop.post(b.press)
			return
		}
		go func() {
			_, _ = await(answer)
			b.loop.post(b.press)
		}()
	})
	// Another tab may have turned a bell on or off.
	storage.OnChange(bellPrefix, func(room, _ string, on bool) {
		if shared.ValidateRoom(room) == nil {
			b.loop.post(func() { b.turn(room, on) })
		}
	}, func() {
		b.loop.post(func() {
			for _, room := range b.Names() {
				b.turn(room, false)
			}
		})
	})
}

// set turns notifications of a room on or off. It does not store the choice.
func (b *bells) set(room string, on bool) bool {
	ok := b.Set(room, on)
	b.mu.Lock()
	defer b.mu.Unlock()
	if delete(b.notifying, room); on && ok {
		b.notifying[room] = true
	}
	return ok
}

// permission returns the browser's permission, which the reader can change at any time.
func permission() view.Permission {
	notification := window.Get("Notification")
	switch {
	case !window.Get("isSecureContext").Truthy():
		return view.Insecure
	case notification.IsUndefined():
		return view.Unsupported
	}
	return view.Permission(notification.Get("permission").String())
}

// joinRooms joins all rooms that notify. It does nothing for rooms that are joined
// already.
func (b *bells) joinRooms() {
	if permission() != view.Granted {
		return
	}
	for _, room := range b.Names() {
		if r, ok := b.client.Room(room); !ok || !r.Joined {
			b.client.JoinRoom(room) // the stored names are valid
		}
	}
}

func (b *bells) draw(v client.View) {
	b.view = v
	bell := view.BellOf(v.Current, b.Rooms[v.Current], permission())
	if bell != b.shown {
		b.shown = bell
		b.button.Call("setAttribute", "aria-pressed", bell.On)
		b.button.Call("setAttribute", "aria-label", bell.Label)
		b.button.Set("title", bell.Title)
	}
	for _, room := range b.Names() {
		if b.Started(room) {
			continue
		}
		if r, ok := b.client.Room(room); ok && r.Synced {
			last := uint64(0)
			if n := len(r.Latest); n > 0 {
				last = r.Latest[n-1].Seq
			}
			b.Start(room, r.Epoch, last)
		}
	}
	for room, n := range b.open {
		if r, _ := b.client.Room(room); r.Unread == 0 || b.looksAt(room) {
			n.Call("close")
			delete(b.open, room)
		}
	}
}

// looksAt reports whether the reader is looking at the room.
func (b *bells) looksAt(room string) bool {
	return room == b.view.Current && !document.Get("hidden").Bool()
}

// onMessage handles every message. It runs on the client's goroutine.
func (b *bells) onMessage(m shared.Message) {
	b.mu.Lock()
	notifies := b.notifying[m.Room]
	b.mu.Unlock()
	if !notifies {
		return
	}
	b.loop.post(func() {
		r, _ := b.client.Room(m.Room)
		wait, ok := b.Add(m, r.Epoch, b.view.Me.User, b.looksAt(m.Room), time.Now())
		if ok {
			b.loop.after(wait, func() { b.notify(m.Room) })
		}
	})
}

// notify shows the room's notification, replacing the one before.
func (b *bells) notify(room string) {
	r, _ := b.client.Room(room)
	notice, ok := b.Due(room, b.looksAt(room), r.ReadSeq, time.Now())
	if !ok || permission() != view.Granted {
		return
	}
	var n js.Value
	err := try(func() {
		// The tag makes two tabs of a browser show one notification.
		n = window.Get("Notification").New(notice.Title, map[string]any{
			"body": notice.Body, "tag": "room/" + room, "renotify": true, "data": room,
		})
	})
	if err != nil { // some phones allow notifications for installed apps only
		b.turn(room, false)
		b.notice.show(view.BellProblem(view.Unsupported))
		return
	}
	n.Set("onclick", b.clicks)
	b.open[room] = n
}

// press turns the current room's bell on or off, or says why it stays off.
func (b *bells) press() {
	room := b.view.Current
	on := !b.shown.On
	if room == "" {
		return
	}
	if why := view.BellProblem(permission()); on && why != "" {
		b.notice.show(why)
		return
	}
	if !b.turn(room, on) {
		b.notice.show("You can be notified of up to " + view.Count(view.MaxBells, "room") + ". Turn off the bell of another room first.")
		return
	}
	b.notice.hide()
	if on {
		b.announce.set("Notifications on for " + room)
	} else {
		b.announce.set("Notifications off for " + room)
	}
	if !b.keeps {
		return
	}
	if on {
		b.store.Save(room, "on") // if it fails, the bell is on until the page is closed
	} else {
		b.store.Remove(room)
	}
}

// turn turns notifications of a room on or off, and joins or leaves it for that.
func (b *bells) turn(room string, on bool) bool {
	ok := b.set(room, on)
	if !on && room != b.client.View().Current {
		b.client.LeaveRoom(room)
	}
	b.joinRooms()
	b.loop.redraw()
	return ok
}
