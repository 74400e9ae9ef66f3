package main

import (
	"slices"
	"syscall/js"
)

// list keeps the children of one element in step with a list of keys. A child
// stays one and the same element for as long as its key is there: what the
// reader has focused or selected in it stays so.
//
// Only the page's goroutine touches it.
type keyedList[T any] struct {
	parent js.Value
	order  []string // keys, as their children stand
	items  map[string]*item[T]
	// spare are the children whose key has gone, while others are placed: create may
	// take one with reuse.
	spare []*item[T]
}

// child is one of a list's elements and what its owner wants to know of it.
type item[T any] struct {
	element js.Value
	data    T
}

func newKeyedList[T any](parent js.Value) *keyedList[T] {
	return &keyedList[T]{parent: parent, items: make(map[string]*item[T])}
}

// clear takes all children out.
func (l *keyedList[T]) clear() {
	l.parent.Call("replaceChildren")
	l.order = nil
	clear(l.items)
}

// place makes the children those of the keys, in their order; create makes the
// i-th. A child that is in its place already is not touched. Of a key that is
// there twice, the first has the child. It returns how many it has put somewhere.
func (l *keyedList[T]) reconcile(keys []string, create func(i int) *item[T]) (moved int) {
	wanted := make(map[string]bool, len(keys))
	for _, key := range keys {
		wanted[key] = true
	}
	var old []string // those that stay, and from old[0] on are not placed yet
	for _, key := range l.order {
		if wanted[key] {
			old = append(old, key)
		} else {
			l.spare = append(l.spare, l.items[key])
			delete(l.items, key)
		}
	}

	l.order = l.order[:0]
	placed := make(map[string]bool, len(keys))
	for i, key := range keys {
		if placed[key] {
			continue
		}
		placed[key] = true
		l.order = append(l.order, key)
		for len(old) > 0 && old[0] != key && placed[old[0]] {
			old = old[1:] // it went further up
		}
		if len(old) > 0 && old[0] == key {
			old = old[1:]
			continue
		}
		if l.items[key] == nil {
			l.items[key] = create(i)
		}
		before := js.Null()
		if len(old) > 0 {
			before = l.items[old[0]].element
		}
		l.parent.Call("insertBefore", l.items[key].element, before)
		moved++
	}
	for _, c := range l.spare {
		c.element.Call("remove")
	}
	clear(l.spare)
	l.spare = l.spare[:0]
	return moved
}

// reuse returns a child whose key has gone and which fits, or nil. It still
// shows what it showed.
func (l *keyedList[T]) takeSpare(fits func(T) bool) *item[T] {
	for i, c := range l.spare {
		if fits(c.data) {
			l.spare = slices.Delete(l.spare, i, i+1)
			return c
		}
	}
	return nil
}
