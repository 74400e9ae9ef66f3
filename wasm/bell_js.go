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

// bellPrefix begins the keys in localStorage of the rooms that notify; the room
// follows. So it is this browser's choice, for all of its tabs.
const bellPrefix = "bell/"

// bellParts are the bell of the current room, and the notifications of all rooms
// that have one. The page stays in those rooms: nothing else brings their
// messages.
type bellParts struct {
	*view.Bells
	button *label
	shown  view.Bell
	store  tabStore
	keeps  bool
	open   map[string]js.Value // the notifications that are to be seen, by room
	clicks js.Func             // all notifications' onclick; lives as long as the page

	// mu guards rings: the rooms whose messages heard has to look at, on the
	// client's goroutine.
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

// set makes a room notify or not, as long as the page lives.
func (b *bellParts) set(room string, on bool) bool {
	ok := b.Set(room, on)
	b.mu.Lock()
	defer b.mu.Unlock()
	if delete(b.notifying, room); on && ok {
		b.notifying[room] = true
	}
	return ok
}

// permission is what the browser says now; the reader may change it at any time.
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

// joinNotifyingRooms joins the rooms that notify beside the current one, and those
// that were left for another room again. The client leaves out what is done.
func (p *Page) joinNotifyingRooms() {
	if permission() != view.Granted {
		return
	}
	for _, room := range p.bell.Names() {
		if r, ok := p.client.Room(room); !ok || !r.Joined {
			p.client.JoinRoom(room) // of a room's name that is none none is kept
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

// looksAt reports whether the reader has the room before him.
func (p *Page) looksAt(room string) bool {
	return room == p.view.Current && !document.Get("hidden").Bool()
}

// heard is told every message, on the client's goroutine.
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

// ring shows the room's notification, in the place of the one before.
func (p *Page) showNotification(room string) {
	r, _ := p.client.Room(room)
	notice, ok := p.bell.Due(room, p.looksAt(room), r.ReadSeq, time.Now())
	if !ok || permission() != view.Granted {
		return
	}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case js.Error: // some phones have notifications for installed apps only
			p.turnBell(room, false)
			p.showNotice(view.BellProblem(view.Unsupported))
		default:
			panic(e)
		}
	}()
	// Two tabs of one browser show one: what has the same tag takes its place.
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
		// The browser asks only while it hears the click.
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
	// Another tab may have turned a bell.
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

// pressBell turns the current room's bell, or says why it stays off.
func (p *Page) pressBell() {
	room := p.view.Current
	on := !p.bell.shown.On
	if room == "" {
		return
	}
	if why := view.BellProblem(permission()); on && why != "" {
		p.showNotice(why)
		return
	}
	if !p.turnBell(room, on) {
		p.showNotice("No more than " + view.Count(view.MaxBells, "room") + " can notify. Turn the bell of another one off first.")
		return
	}
	p.showNotice("")
	if on {
		p.announce.set("You will be told of messages in " + room)
	} else {
		p.announce.set("You will not be told of messages in " + room)
	}
	if !p.bell.keeps {
		return
	}
	if on {
		p.bell.store.Save(room, "on") // if it is full, the bell is on as long as the page is open
	} else {
		p.bell.store.Remove(room)
	}
}

// turnBell makes a room notify or not, and stays in it for that or leaves it.
func (p *Page) turnBell(room string, on bool) bool {
	ok := p.bell.set(room, on)
	if !on && room != p.client.View().Current {
		p.client.LeaveRoom(room)
	}
	p.joinNotifyingRooms()
	p.redraw()
	return ok
}
