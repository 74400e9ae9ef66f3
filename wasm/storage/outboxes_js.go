package storage

import (
	"crypto/rand"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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
// A page that is left is closed, unless the browser keeps it in its back/forward cache. On
// a return it acquires its outbox again. If another tab has imported it meanwhile, that tab
// sends its messages, and this one begins a new outbox.
//
// After OpenOutboxes only the goroutine of Watch may use it, except for Unsaved and the
// stores.
type Outboxes struct {
	storage  js.Value
	locks    js.Value        // navigator.locks; undefined if tabs have leases
	left     js.Value        // a promise that keeps the locks until the page is left
	leave    js.Value        // settles it
	held     map[string]bool // the tab's own outbox, and imported ones
	visible  chan struct{}   // the page has become visible
	returned chan struct{}   // the page was in the back/forward cache
	away     atomic.Bool     // the page has been left, and has not returned

	// mu guards own, the name of the tab's own outbox, and unsaved: the ids of messages
	// that are in memory only, because localStorage was full.
	mu      sync.Mutex
	own     string
	unsaved map[string]bool
}

// OpenOutboxes returns nil if the browser does not let the page store anything. Unsent
// messages are then lost when the page is closed. It waits for the browser.
func OpenOutboxes() *Outboxes {
	storage, ok := localStorage()
	if !ok {
		return nil
	}
	o := &Outboxes{
		storage:  storage,
		locks:    window.Get("navigator").Get("locks"),
		visible:  make(chan struct{}, 1),
		returned: make(chan struct{}, 1),
		unsaved:  make(map[string]bool),
	}
	o.acquireAll(rand.Text(), nil)
	listen(document, "visibilitychange", func(js.Value) {
		if !document.Get("hidden").Bool() {
			signal(o.visible)
		}
	})
	listen(window, "pagehide", func(js.Value) { o.releaseAll() })
	listen(window, "pageshow", func(event js.Value) {
		if event.Get("persisted").Bool() {
			signal(o.returned)
		}
	})
	return o
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// acquireAll acquires the tab's own outbox, or a new one if another tab holds it, and those
// that the tab has imported, unless another tab holds them.
func (o *Outboxes) acquireAll(own string, imported map[string]bool) {
	executor := js.FuncOf(func(_ js.Value, args []js.Value) any {
		o.leave = args[0]
		return nil
	})
	defer executor.Release()
	o.left = window.Get("Promise").New(executor)
	o.held = make(map[string]bool)
	if !o.acquire(own) {
		own = rand.Text()
		if !o.acquire(own) { // the browser has locks, but not for this page
			o.locks = js.Undefined()
			o.lease(own)
		}
	}
	o.held[own] = true
	for tab := range imported {
		if !o.held[tab] && o.acquire(tab) {
			o.held[tab] = true
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.own = own
}

// releaseAll releases all outboxes, because the page is left. Until it returns, Watch
// neither renews nor acquires any.
func (o *Outboxes) releaseAll() {
	o.away.Store(true)
	select {
	case <-o.returned: // an earlier return that Watch has not seen yet
	default:
	}
	if !o.locks.IsUndefined() {
		o.leave.Invoke()
		return
	}
	for tab := range o.held {
		Store{o.storage, outboxPrefix}.Remove(tab)
	}
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
		return o.left
	})
	defer granted.Release()
	failed := js.FuncOf(func(js.Value, []js.Value) any {
		answer <- false
		return nil
	})
	defer failed.Release()
	err := Try(func() {
		o.locks.Call("request", outboxPrefix+tab, map[string]any{"ifAvailable": true}, granted).Call("catch", failed)
	})
	return err == nil && <-answer
}

// lease is acquire on pages without locks. It also renews a lease. If localStorage is full,
// other tabs do not see the lease.
func (o *Outboxes) lease(tab string) bool {
	leases := Store{o.storage, outboxPrefix}
	said, ok := leases.get(tab)
	if ok && !o.held[tab] {
		at, _ := strconv.ParseInt(said, 10, 64)
		if age := time.Since(time.UnixMilli(at)); -leaseTTL < age && age < leaseTTL {
			return false
		}
	}
	_ = leases.Save(tab, strconv.FormatInt(time.Now().UnixMilli(), 10))
	return true
}

// Own returns this tab's outbox.
func (o *Outboxes) Own() client.Store { return outboxStore{o, ""} }

// Unsaved returns how many messages are in memory only.
func (o *Outboxes) Unsaved() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.unsaved)
}

// outboxStore is the outbox of a tab, or this tab's own if tab is empty.
type outboxStore struct {
	outboxes *Outboxes
	tab      string
}

// store returns where the outbox is now. Call it with mu held.
func (s outboxStore) store() Store {
	tab := s.tab
	if tab == "" {
		tab = s.outboxes.own
	}
	return Store{s.outboxes.storage, outboxPrefix + tab + "/"}
}

func (s outboxStore) Load() map[string]string {
	s.outboxes.mu.Lock()
	defer s.outboxes.mu.Unlock()
	return s.store().Load()
}

// Save stores a message. If localStorage is full, it returns no error: the message is sent
// all the same. It is then as it was in localStorage, or in memory only.
func (s outboxStore) Save(id, value string) error {
	s.outboxes.mu.Lock()
	defer s.outboxes.mu.Unlock()
	store := s.store()
	if err := store.Save(id, value); err == nil {
		delete(s.outboxes.unsaved, id)
	} else if _, ok := store.get(id); !ok {
		s.outboxes.unsaved[id] = true
	}
	return nil
}

func (s outboxStore) Remove(id string) {
	s.outboxes.mu.Lock()
	defer s.outboxes.mu.Unlock()
	s.store().Remove(id)
	delete(s.outboxes.unsaved, id)
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
			c.ImportOutbox(outboxStore{o, tab})
		}
	}
}

// Watch imports outboxes of closed tabs until the page is closed.
func (o *Outboxes) Watch(c *client.Client) {
	for tick := time.Tick(scanInterval); ; {
		select {
		case <-tick:
		case <-o.visible:
		case <-o.returned:
			o.away.Store(false)
			o.acquireAll(o.own, o.held)
		}
		if o.away.Load() {
			continue
		}
		if o.locks.IsUndefined() {
			for tab := range o.held {
				o.lease(tab)
			}
		}
		o.ImportAbandoned(c)
	}
}

// CountUnsent counts the unsent messages of all tabs in localStorage.
func CountUnsent() (n int) {
	storage, ok := localStorage()
	if !ok {
		return 0
	}
	for _, key := range keysOf(storage) {
		if rest, ok := strings.CutPrefix(key, outboxPrefix); ok && strings.Contains(rest, "/") {
			n++
		}
	}
	return n
}
