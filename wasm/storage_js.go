package main

import (
	"fmt"
	"strings"
	"syscall/js"
)

// store is a part of localStorage: the keys with a prefix. A write is visible to all
// tabs when the call returns, and survives closing them.
type store struct {
	storage js.Value
	prefix  string
}

// openStore reports false if localStorage is blocked or full.
func openStore(prefix string) (s store, ok bool) {
	storage, ok := localStorage()
	return store{storage, prefix}, ok
}

func (s store) Load() map[string]string {
	kept := make(map[string]string)
	for _, key := range keysOf(s.storage) {
		if id, ok := strings.CutPrefix(key, s.prefix); ok {
			kept[id] = s.storage.Call("getItem", key).String()
		}
	}
	return kept
}

func (s store) Save(key, value string) (err error) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case js.Error: // usually the site's storage is full
			err = fmt.Errorf("localStorage: %w", e)
		default:
			panic(e)
		}
	}()
	s.storage.Call("setItem", s.prefix+key, value)
	return nil
}

func (s store) Remove(key string) { s.storage.Call("removeItem", s.prefix+key) }

func keysOf(storage js.Value) []string {
	list := window.Get("Object").Call("keys", storage)
	keys := make([]string, list.Length())
	for i := range keys {
		keys[i] = list.Index(i).String()
	}
	return keys
}

// localStorage returns localStorage. It reports false if it is blocked or full.
func localStorage() (storage js.Value, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	// Not window.Get: an exception in it could not be recovered.
	storage = window.Get("Reflect").Call("get", window, "localStorage")
	storage.Call("setItem", outboxPrefix, "try")
	storage.Call("removeItem", outboxPrefix)
	return storage, true
}

// onStored calls changed when another tab has changed a key with the prefix: it has
// stored the value, or removed the key if ok is false. cleared runs when another tab has
// cleared localStorage. The rules of listen apply to both.
func onStored(prefix string, changed func(key, value string, ok bool), cleared func()) {
	listen(window, "storage", func(event js.Value) {
		key := event.Get("key")
		if key.IsNull() {
			cleared()
			return
		}
		rest, found := strings.CutPrefix(key.String(), prefix)
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

// eraseStorage clears the page's storage. From then on this page stores nothing, even if
// work is still in progress.
func eraseStorage() {
	storage, ok := localStorage()
	if !ok {
		return
	}
	storage.Call("clear")
	kind := window.Get("Storage").Get("prototype")
	kind.Set("setItem", kind.Get("removeItem"))
	window.Get("sessionStorage").Call("clear")
}
