package main

import (
	"slices"
	"syscall/js"
)

// keyedList keeps the children of an element in sync with a list of keys. An item keeps
// its element as long as its key exists, so focus and selection in it are not lost.
//
// Only the page's goroutine may use it.
type keyedList[T any] struct {
	parent js.Value
	order  []string // keys in the order of their elements
	items  map[string]*item[T]
	// spare holds the removed items during reconcile. create may take one with
	// takeSpare.
	spare []*item[T]
}

// item is an element of a list, with data of the list's owner.
type item[T any] struct {
	element js.Value
	data    T
}

func newKeyedList[T any](parent js.Value) *keyedList[T] {
	return &keyedList[T]{parent: parent, items: make(map[string]*item[T])}
}

// clear removes all items.
func (l *keyedList[T]) clear() {
	l.parent.Call("replaceChildren")
	l.order = nil
	clear(l.items)
}

// reconcile makes the items match the keys and their order. create returns a new item
// for the i-th key. Items that are in the right place are not touched. A duplicate key
// is ignored. reconcile returns how many elements it has inserted or moved.
func (l *keyedList[T]) reconcile(keys []string, create func(i int) *item[T]) (moved int) {
	wanted := make(map[string]bool, len(keys))
	for _, key := range keys {
		wanted[key] = true
	}
	var old []string // keys that stay; those from old[0] on have not been placed yet
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
			old = old[1:] // it was moved up
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

// takeSpare returns a removed item that fits, or nil. Its element has its old content.
func (l *keyedList[T]) takeSpare(fits func(T) bool) *item[T] {
	for i, c := range l.spare {
		if fits(c.data) {
			l.spare = slices.Delete(l.spare, i, i+1)
			return c
		}
	}
	return nil
}
