package storage

import (
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

// Store is a part of localStorage: the keys with a prefix. A write is visible to all
// tabs when the call returns, and survives closing them.
type Store struct {
	storage js.Value
	prefix  string
}

// Open returns the part with a prefix. It reports false if localStorage is blocked or
// full.
func Open(prefix string) (s Store, ok bool) {
	storage, ok := localStorage()
	return Store{storage, scope + prefix}, ok
}

// Load returns all values by their keys, without the prefix.
func (s Store) Load() map[string]string {
	kept := make(map[string]string)
	for _, key := range keysOf(s.storage) {
		if id, ok := strings.CutPrefix(key, s.prefix); ok {
			kept[id] = s.storage.Call("getItem", key).String()
		}
	}
	return kept
}

// Save sets a value. It returns an error if localStorage is full.
func (s Store) Save(key, value string) (err error) {
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

func (s Store) Remove(key string) { s.storage.Call("removeItem", s.prefix+key) }

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

// Erase clears the storage of all tabs, or what is this chat's in it if other chats or
// programs may share it. From then on this page stores nothing, even if work is still in
// progress.
func Erase() {
	storage, ok := localStorage()
	if !ok {
		return
	}
	if scope == "" {
		storage.Call("clear")
	}
	for _, key := range keysOf(storage) {
		if strings.HasPrefix(key, scope) {
			storage.Call("removeItem", key)
		}
	}
	kind := window.Get("Storage").Get("prototype")
	kind.Set("setItem", kind.Get("removeItem"))
	window.Get("sessionStorage").Call("clear")
}
