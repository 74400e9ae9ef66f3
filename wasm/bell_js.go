package main

import (
	"strings"
	"sync"
	"syscall/js"
	"time"

	"websockets/shared"
	"websockets/wasm/client"
	"websockets/wasm/view"
)

// bellPrefix begins the localStorage keys of the rooms that notify, followed by the
// room. The choice applies to all tabs of the browser.
const bellPrefix = "bell/"

// bellParts is the bell of the current room, and the notifications of all rooms. The
// page stays joined to rooms that notify, to receive their messages.
type bellParts struct {
	*view.Bells
	button *label
	shown  view.Bell
	store  tabStore
	keeps  bool
	open   map[string]js.Value // open notifications, by room
	clicks js.Func             // onclick of all notifications; lives as long as the page

	// mu guards notifying, the rooms that notify. onMessage reads it on the client's
	// goroutine.
	mu        sync.Mutex
	notifying map[string]bool
}

func newBellParts() *bellParts {
	b := &bellParts{Bells: view.NewBells(), button: newLabel(byID("bell")), open: make(map[string]js.Value), notifying: make(map[string]bool)}
	if storage, ok := localStorage(); ok {
		b.store, b.keeps = tabStore{storage, bellPrefix}, true
		for room := range b.store.Load() {
			if shared.ValidateRoom(room) == nil {
				b.set(room, true)
			}
		}
	}
	return b
}

// set turns notifications of a room on or off. It does not store the choice.
func (b *bellParts) set(room string, on bool) bool {
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
	case !window.Get("isSecureContext").Bool():
		return view.Insecure
	case notification.IsUndefined():
		return view.Unsupported
	}
	return view.Permission(notification.Get("permission").String())
}

// joinNotifyingRooms joins all rooms that notify. It does nothing for rooms that are
// joined already.
func (p *Page) joinNotifyingRooms() {
	if permission() != view.Granted {
		return
	}
	for _, room := range p.bell.Names() {
		if r, ok := p.client.Room(room); !ok || !r.Joined {
			p.client.JoinRoom(room) // the stored names are valid
		}
	}
}

func (p *Page) drawBell(v client.View) {
	b := p.bell
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
		if r, ok := p.client.Room(room); ok && r.Synced {
			last := uint64(0)
			if n := len(r.Latest); n > 0 {
				last = r.Latest[n-1].Seq
			}
			b.Start(room, r.Epoch, last)
		}
	}
	for room, n := range b.open {
		if r, _ := p.client.Room(room); r.Unread == 0 || p.looksAt(room) {
			n.Call("close")
			delete(b.open, room)
		}
	}
}

// looksAt reports whether the reader is looking at the room.
func (p *Page) looksAt(room string) bool {
	return room == p.view.Current && !document.Get("hidden").Bool()
}

// onMessage handles every message. It runs on the client's goroutine.
func (p *Page) onMessage(m shared.Message) {
	p.bell.mu.Lock()
	notifies := p.bell.notifying[m.Room]
	p.bell.mu.Unlock()
	if !notifies {
		return
	}
	p.post(func() {
		r, _ := p.client.Room(m.Room)
		wait, ok := p.bell.Add(m, r.Epoch, p.view.Me.User, p.looksAt(m.Room), time.Now())
		if ok {
			p.after(wait, func() { p.showNotification(m.Room) })
		}
	})
}

// showNotification shows the room's notification, replacing the one before.
func (p *Page) showNotification(room string) {
	r, _ := p.client.Room(room)
	notice, ok := p.bell.Due(room, p.looksAt(room), r.ReadSeq, time.Now())
	if !ok || permission() != view.Granted {
		return
	}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case js.Error: // some phones allow notifications for installed apps only
			p.turnBell(room, false)
			p.notice.show(view.BellProblem(view.Unsupported))
		default:
			panic(e)
		}
	}()
	// The tag makes two tabs of a browser show one notification.
	n := window.Get("Notification").New(notice.Title, map[string]any{
		"body": notice.Body, "tag": "room/" + room, "renotify": true, "data": room,
	})
	n.Set("onclick", p.bell.clicks)
	p.bell.open[room] = n
}

func (p *Page) listenToBell() {
	b := p.bell
	b.clicks = js.FuncOf(func(this js.Value, _ []js.Value) any { // as long as the page
		room := this.Get("data").String()
		window.Call("focus")
		this.Call("close")
		p.post(func() {
			delete(b.open, room)
			p.goTo(room)
		})
		return nil
	})
	listen(b.button.Value, "click", func(js.Value) {
		// The browser asks for permission only while it handles the click.
		if permission() != view.NotAsked {
			p.post(p.pressBell)
			return
		}
		var answered js.Func
		answered = js.FuncOf(func(js.Value, []js.Value) any {
			answered.Release()
			p.post(p.pressBell)
			return nil
		})
		window.Get("Notification").Call("requestPermission").Call("then", answered, answered)
	})
	// Another tab may have turned a bell on or off.
	listen(window, "storage", func(event js.Value) {
		if event.Get("key").IsNull() {
			p.post(func() {
				for _, room := range b.Names() {
					p.turnBell(room, false)
				}
			})
			return
		}
		if room, ok := strings.CutPrefix(event.Get("key").String(), bellPrefix); ok && shared.ValidateRoom(room) == nil {
			on := event.Get("newValue").Type() == js.TypeString
			p.post(func() { p.turnBell(room, on) })
		}
	})
}

// pressBell turns the current room's bell on or off, or says why it stays off.
func (p *Page) pressBell() {
	room := p.view.Current
	on := !p.bell.shown.On
	if room == "" {
		return
	}
	if why := view.BellProblem(permission()); on && why != "" {
		p.notice.show(why)
		return
	}
	if !p.turnBell(room, on) {
		p.notice.show("You can be notified of up to " + view.Count(view.MaxBells, "room") + ". Turn off the bell of another room first.")
		return
	}
	p.notice.hide()
	if on {
		p.announce.set("Notifications on for " + room)
	} else {
		p.announce.set("Notifications off for " + room)
	}
	if !p.bell.keeps {
		return
	}
	if on {
		p.bell.store.Save(room, "on") // if it fails, the bell is on until the page is closed
	} else {
		p.bell.store.Remove(room)
	}
}

// turnBell turns notifications of a room on or off, and joins or leaves it for that.
func (p *Page) turnBell(room string, on bool) bool {
	ok := p.bell.set(room, on)
	if !on && room != p.client.View().Current {
		p.client.LeaveRoom(room)
	}
	p.joinNotifyingRooms()
	p.redraw()
	return ok
}
