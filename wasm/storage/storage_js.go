package storage

import (
	"crypto/rand"
	"fmt"
	"strings"
	"syscall/js"
)

var (
	window   = js.Global()
	document = js.Global().Get("document")
)

// listen calls handle for every event of that kind, as long as the page lives. handle
// must not block.
func listen(target js.Value, kind string, handle func(event js.Value)) {
	target.Call("addEventListener", kind, js.FuncOf(func(_ js.Value, args []js.Value) any { // as long as the page
		handle(args[0])
		return nil
	}))
}

// scope begins every key. It is empty unless the chat has a path of its own, so that two
// chats on one host keep what is theirs apart.
var scope string

// SetPath sets the path of the chat on its host, "/" or, as in /chat/, one of its own. It
// must be called before anything else.
func SetPath(path string) {
	if path != "/" {
		scope = path
		outboxPrefix = scope + outboxPrefix
	}
}

// Try calls do and returns what the browser has thrown in it, or that it lacks what do has
// called. Any call of the browser may throw.
func Try(do func()) (err error) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case js.Error:
			err = e
		case *js.ValueError:
			err = e
		default:
			panic(e)
		}
	}()
	do()
	return nil
}

// Store is a part of localStorage: the keys with a prefix. A write is visible to all
// tabs when the call returns, and survives closing them.
type Store struct {
	storage js.Value
	prefix  string
}

// Open returns the part with a prefix. It reports false if localStorage is blocked. If it
// is full, it can still be read.
func Open(prefix string) (s Store, ok bool) {
	storage, ok := localStorage()
	return Store{storage, scope + prefix}, ok
}

// Load returns all values by their keys, without the prefix.
func (s Store) Load() map[string]string {
	kept := make(map[string]string)
	for _, key := range keysOf(s.storage) {
		id, ours := strings.CutPrefix(key, s.prefix)
		value, ok := s.get(id)
		if ours && ok {
			kept[id] = value
		}
	}
	return kept
}

func (s Store) get(key string) (value string, ok bool) {
	err := Try(func() {
		kept := s.storage.Call("getItem", s.prefix+key)
		value, ok = kept.String(), kept.Type() == js.TypeString
	})
	return value, ok && err == nil
}

// Save sets a value. It returns an error if localStorage is full. The old value is still
// there then.
func (s Store) Save(key, value string) error {
	err := Try(func() { s.storage.Call("setItem", s.prefix+key, value) })
	if err != nil {
		return fmt.Errorf("localStorage: %w", err)
	}
	return nil
}

// Remove deletes a key.
func (s Store) Remove(key string) {
	_ = Try(func() { s.storage.Call("removeItem", s.prefix+key) })
}

// keysOf returns all keys, or none if they cannot be read.
func keysOf(storage js.Value) (keys []string) {
	_ = Try(func() {
		list := window.Get("Object").Call("keys", storage)
		for i := range list.Length() {
			keys = append(keys, list.Index(i).String())
		}
	})
	return keys
}

// localStorage returns localStorage. It reports false if it is blocked.
func localStorage() (storage js.Value, ok bool) { return area("localStorage") }

func area(name string) (storage js.Value, ok bool) {
	err := Try(func() {
		// Not window.Get: an exception in it could not be recovered.
		storage = window.Get("Reflect").Call("get", window, name)
		storage.Call("getItem", "")
	})
	return storage, err == nil
}

// OnChange calls changed when another tab has changed a key with the prefix: it has
// stored the value, or removed the key if ok is false. cleared runs when another tab has
// cleared localStorage. Both run in a callback of the browser and must not block.
func OnChange(prefix string, changed func(key, value string, ok bool), cleared func()) {
	listen(window, "storage", func(event js.Value) {
		key := event.Get("key")
		if key.IsNull() {
			cleared()
			return
		}
		rest, found := strings.CutPrefix(key.String(), scope+prefix)
		if !found {
			return
		}
		if value := event.Get("newValue"); value.Type() == js.TypeString {
			changed(rest, value.String(), true)
		} else {
			changed(rest, "", false)
		}
	})
}

// returnKey is set in localStorage when a page enters the browser's back/forward cache.
const returnKey = "return"

// OnForgotten calls forgotten when this page has left the browser's back/forward cache and
// localStorage was cleared meanwhile: OnChange does not reach a cached page. If localStorage
// is full, nobody can tell, and forgotten is not called.
func OnForgotten(forgotten func()) {
	mark := ""
	listen(window, "pagehide", func(event js.Value) {
		s, ok := Open(returnKey)
		if !ok || !event.Get("persisted").Bool() {
			return
		}
		mark, ok = s.get("")
		if ok {
			return
		}
		mark = rand.Text()
		if s.Save("", mark) != nil {
			mark = ""
		}
	})
	listen(window, "pageshow", func(event js.Value) {
		s, ok := Open(returnKey)
		if !ok || !event.Get("persisted").Bool() || mark == "" {
			return
		}
		if kept, _ := s.get(""); kept != mark {
			forgotten()
		}
	})
}

// Clear clears the storage of all tabs, or what is this chat's in it if other chats may
// share it.
func Clear() {
	for _, name := range []string{"localStorage", "sessionStorage"} {
		storage, ok := area(name)
		switch {
		case !ok:
		case scope == "":
			_ = Try(func() { storage.Call("clear") })
		default:
			Store{storage, scope}.clear()
		}
	}
}

func (s Store) clear() {
	for key := range s.Load() {
		s.Remove(key)
	}
}

// Erase is Clear, and from then on this page stores nothing, even if work is still in
// progress.
func Erase() {
	Clear()
	kind := window.Get("Storage").Get("prototype")
	kind.Set("setItem", kind.Get("removeItem"))
}
