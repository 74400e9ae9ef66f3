package storage

import (
	"crypto/rand"
	"strconv"
	"strings"
	"syscall/js"
	"time"

	"websockets/wasm/client"
)

// outboxPrefix begins the localStorage keys of unsent messages: outbox/TAB/ID.
var outboxPrefix = "outbox/" // behind scope, see SetPath

const (
	// scanInterval is how often a tab looks for outboxes of closed tabs. It also looks
	// when it is opened and when it becomes visible.
	scanInterval = 15 * time.Second
	// leaseTTL is how long a lease is valid without renewal. The browser may suspend a
	// tab in the background for minutes.
	leaseTTL = 5 * time.Minute
)

// Outboxes are the outboxes of all tabs of this browser. Each tab has its own, so two
// tabs never send the same message, and imports those of closed tabs. A tab holds a lock
// for each of its outboxes. The browser releases the lock when the tab is closed or has
// crashed.
//
// Browsers offer locks only to pages from https and from localhost. On other pages a tab
// has leases: it writes the time to outbox/TAB every scanInterval, and removes it when it
// is closed. Two tabs may then import the same outbox, or that of a suspended tab. That
// is safe: each of them first looks for the messages in the log, and they send with the
// same ids, which the server stores once.
//
// After OpenOutboxes only the goroutine of Watch may use it.
type Outboxes struct {
	storage js.Value
	locks   js.Value // navigator.locks, undefined on other pages
	never   js.Value // a promise that never settles: it keeps a lock
	own     string
	held    map[string]bool // the tab's own outbox, and imported ones
	visible chan struct{}   // the page has become visible
}

// OpenOutboxes returns nil if the browser does not let the page store anything. Unsent
// messages are then lost when the page is closed. It waits for the browser.
func OpenOutboxes() *Outboxes {
	storage, ok := localStorage()
	if !ok {
		return nil
	}
	pending := js.FuncOf(func(js.Value, []js.Value) any { return nil })
	defer pending.Release()
	o := &Outboxes{
		storage: storage,
		locks:   window.Get("navigator").Get("locks"),
		never:   window.Get("Promise").New(pending),
		own:     rand.Text(),
		held:    make(map[string]bool),
		visible: make(chan struct{}, 1),
	}
	if !o.acquire(o.own) {
		return nil
	}
	o.held[o.own] = true
	listen(document, "visibilitychange", func(js.Value) {
		if document.Get("hidden").Bool() {
			return // the page may be closing: do not renew what pagehide has removed
		}
		select {
		case o.visible <- struct{}{}:
		default:
		}
	})
	listen(window, "pageshow", func(event js.Value) {
		// While a page was in the back/forward cache, another tab may have imported its
		// outbox.
		if event.Get("persisted").Bool() {
			window.Get("location").Call("reload")
		}
	})
	if o.locks.IsUndefined() {
		listen(window, "pagehide", func(js.Value) {
			for tab := range o.held {
				o.storage.Call("removeItem", outboxPrefix+tab)
			}
		})
	}
	return o
}

// acquire acquires a tab's outbox until this page is closed. It reports false if another
// tab holds it.
func (o *Outboxes) acquire(tab string) bool {
	if o.locks.IsUndefined() {
		return o.lease(tab)
	}
	answer := make(chan bool, 1)
	granted := js.FuncOf(func(_ js.Value, args []js.Value) any {
		if args[0].IsNull() {
			answer <- false
			return nil
		}
		answer <- true
		return o.never
	})
	defer granted.Release()
	failed := js.FuncOf(func(js.Value, []js.Value) any {
		answer <- false
		return nil
	})
	defer failed.Release()
	o.locks.Call("request", outboxPrefix+tab, map[string]any{"ifAvailable": true}, granted).Call("catch", failed)
	return <-answer
}

// lease is acquire on pages without locks. It also renews a lease.
func (o *Outboxes) lease(tab string) bool {
	if said := o.storage.Call("getItem", outboxPrefix+tab); said.Type() == js.TypeString && !o.held[tab] {
		at, _ := strconv.ParseInt(said.String(), 10, 64)
		if age := time.Since(time.UnixMilli(at)); -leaseTTL < age && age < leaseTTL {
			return false
		}
	}
	return Store{o.storage, outboxPrefix}.Save(tab, strconv.FormatInt(time.Now().UnixMilli(), 10)) == nil
}

// Own returns this tab's outbox.
func (o *Outboxes) Own() client.Store { return o.store(o.own) }

// store returns a tab's outbox as a client.Store.
func (o *Outboxes) store(tab string) client.Store {
	return Store{o.storage, outboxPrefix + tab + "/"}
}

// ImportAbandoned imports the outboxes of closed tabs into the client.
func (o *Outboxes) ImportAbandoned(c *client.Client) {
	tried := make(map[string]bool)
	for _, key := range keysOf(o.storage) {
		rest, ok := strings.CutPrefix(key, outboxPrefix)
		tab, _, isMessage := strings.Cut(rest, "/")
		if !ok || !isMessage || o.held[tab] || tried[tab] {
			continue
		}
		tried[tab] = true
		if o.acquire(tab) {
			o.held[tab] = true
			c.ImportOutbox(o.store(tab))
		}
	}
}

// Watch imports outboxes of closed tabs until the page is closed.
func (o *Outboxes) Watch(c *client.Client) {
	for tick := time.Tick(scanInterval); ; {
		select {
		case <-tick:
		case <-o.visible:
		}
		if o.locks.IsUndefined() {
			for tab := range o.held {
				o.lease(tab)
			}
		}
		o.ImportAbandoned(c)
	}
}

// CountUnsent counts the unsent messages of all tabs. It reports false if localStorage is
// blocked or full.
func CountUnsent() (n int, ok bool) {
	storage, ok := localStorage()
	if !ok {
		return 0, false
	}
	for _, key := range keysOf(storage) {
		if rest, ok := strings.CutPrefix(key, outboxPrefix); ok && strings.Contains(rest, "/") {
			n++
		}
	}
	return n, true
}
