package main

import "syscall/js"

// layerEntries are entries of the browser's history that the page adds on a phone: one for
// each layer that is open over the room, so that Back closes the layer instead of leaving
// the page. An entry's state has its number of layers.
//
// The browser may refuse each change: some allow a hundred in half a minute.
type layerEntries struct {
	open  int // layers at the last update
	added int // entries for them; fewer if the browser has refused some
}

// update adds entries for layers that were opened, and goes back over those of layers that
// were closed.
func (e *layerEntries) update(open int) {
	if open == e.open {
		return
	}
	e.open = open
	for e.added < open && setEntry("pushState", e.added+1, "") == nil {
		e.added++
	}
	if surplus := e.added - open; surplus > 0 {
		ours := layersOf(window.Get("history").Get("state")) == e.added
		e.added = open
		if ours {
			_ = try(func() { window.Get("history").Call("go", -surplus) })
		}
	}
}

// visit makes a path the page's address. Its entry replaces that of an open layer.
func (e *layerEntries) visit(path string) error {
	method := "pushState"
	if e.added > 0 {
		method = "replaceState"
	}
	err := setEntry(method, 0, path)
	if err == nil {
		e.open, e.added = 0, 0
	}
	return err
}

// popped takes the number of layers of the entry that Back or Forward has led to. The
// layers beyond it have been closed: open are left.
func (e *layerEntries) popped(layers, open int) {
	e.open, e.added = open, open
	if layers != open {
		_ = setEntry("replaceState", open, "") // a layer cannot be opened by Forward
	}
}

// setEntry adds or replaces an entry of the history. An empty path leaves the address as it
// is.
func setEntry(method string, layers int, path string) error {
	arguments := []any{map[string]any{"layers": layers}, ""}
	if path != "" {
		arguments = append(arguments, path)
	}
	return try(func() { window.Get("history").Call(method, arguments...) })
}

// layersOf returns the number of layers of an entry with this state.
func layersOf(state js.Value) int {
	if state.Type() != js.TypeObject {
		return 0
	}
	layers := state.Get("layers")
	if layers.Type() != js.TypeNumber {
		return 0
	}
	return layers.Int()
}
