package main

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"syscall/js"
	"time"

	"websockets/wasm/client"
)

const (
	// outboxPrefix begins the keys of all outboxes in localStorage. The name of the
	// tab follows, then the message's id: outbox/TAB/ID.
	outboxPrefix = "outbox/"
	// scanInterval is how often a tab looks whether another one has left messages
	// behind. It also looks when it is opened and when it comes into view.
	scanInterval = 15 * time.Second
	// leaseTTL is for pages without locks: a tab that has not said for so long
	// that it is there is gone. A tab in the background may be put to sleep for
	// minutes.
	leaseTTL = 5 * time.Minute
)

// outboxes are the messages on their way of all tabs of this browser. Each tab
// has an outbox of its own, so none sends what another one is sending, and takes
// over those whose tab is gone. It holds a lock for each of its outboxes for as
// long as it lives; the browser gives the lock back when the tab is closed or
// has crashed, and gives it to one only.
//
// There are locks on pages from https and from this machine only. Elsewhere a
// tab says every scanInterval that it is there, with the time at outbox/TAB, and
// takes that back when it is closed. Two tabs might then take over one outbox at
// the same moment, or that of a tab that only slept: both would look into the
// log first and send under the same ids, which the server stores once.
//
// After open it belongs to the goroutine that calls watch.
type outboxes struct {
	storage js.Value
	locks   js.Value // undefined where there are none
	never   js.Value // a promise that is never kept: the lock's
	own     string
	held    map[string]bool // own, and those taken over
	visible chan struct{}   // the page has come into view
}

// openOutboxes returns nil if this browser does not let the page store anything:
// then messages wait in the page alone. It waits for the browser.
func openOutboxes() *outboxes {
	storage, ok := localStorage()
	if !ok {
		return nil
	}
	pending := js.FuncOf(func(js.Value, []js.Value) any { return nil })
	defer pending.Release()
	o := &outboxes{
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
			return // or closed: what pagehide did must not be undone
		}
		select {
		case o.visible <- struct{}{}:
		default:
		}
	})
	listen(window, "pageshow", func(event js.Value) {
		// A page that was put aside and comes back may have lost its outbox to
		// another one.
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

// localStorage returns the browser's store for this site, unless it is forbidden
// or full.
func localStorage() (storage js.Value, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	// Not window.Get: what it throws could not be caught.
	storage = window.Get("Reflect").Call("get", window, "localStorage")
	storage.Call("setItem", outboxPrefix, "try")
	storage.Call("removeItem", outboxPrefix)
	return storage, true
}

// hold makes the tab's outbox ours for as long as this page lives, and reports
// false if it is another's.
func (o *outboxes) acquire(tab string) bool {
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

// lease is hold without locks.
func (o *outboxes) lease(tab string) bool {
	if said := o.storage.Call("getItem", outboxPrefix+tab); said.Type() == js.TypeString && !o.held[tab] {
		at, _ := strconv.ParseInt(said.String(), 10, 64)
		if age := time.Since(time.UnixMilli(at)); -leaseTTL < age && age < leaseTTL {
			return false
		}
	}
	return tabStore{o.storage, ""}.Save(outboxPrefix+tab, strconv.FormatInt(time.Now().UnixMilli(), 10)) == nil
}

// store returns the tab's outbox as the client wants it.
func (o *outboxes) store(tab string) client.Store {
	return tabStore{o.storage, outboxPrefix + tab + "/"}
}

// importAbandoned gives the client the outboxes whose tab is gone.
func (o *outboxes) importAbandoned(c *client.Client) {
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

// watch looks for such outboxes for as long as the page is open.
func (o *outboxes) watch(c *client.Client) {
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
		o.importAbandoned(c)
	}
}

// tabStore is one tab's outbox in localStorage. What was written is there when
// the call returns, for this tab and for all others, and when they are closed.
type tabStore struct {
	storage js.Value
	prefix  string
}

func (s tabStore) Load() map[string]string {
	kept := make(map[string]string)
	for _, key := range keysOf(s.storage) {
		if id, ok := strings.CutPrefix(key, s.prefix); ok {
			kept[id] = s.storage.Call("getItem", key).String()
		}
	}
	return kept
}

func (s tabStore) Save(key, value string) (err error) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case js.Error: // in most cases the browser's limit for the site
			err = fmt.Errorf("the browser does not store it: %w", e)
		default:
			panic(e)
		}
	}()
	s.storage.Call("setItem", s.prefix+key, value)
	return nil
}

func (s tabStore) Remove(key string) { s.storage.Call("removeItem", s.prefix+key) }

func keysOf(storage js.Value) []string {
	list := window.Get("Object").Call("keys", storage)
	keys := make([]string, list.Length())
	for i := range keys {
		keys[i] = list.Index(i).String()
	}
	return keys
}
