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
type list[T any] struct {
	parent   js.Value
	order    []string // keys, as their children stand
	children map[string]*child[T]
	// spare are the children whose key has gone, while others are placed: create may
	// take one with reuse.
	spare []*child[T]
}

// child is one of a list's elements and what its owner wants to know of it.
type child[T any] struct {
	element js.Value
	data    T
}

func newList[T any](parent js.Value) *list[T] {
	return &list[T]{parent: parent, children: make(map[string]*child[T])}
}

// clear takes all children out.
func (l *list[T]) clear() {
	l.parent.Call("replaceChildren")
	l.order = nil
	clear(l.children)
}

// place makes the children those of the keys, in their order; create makes the
// i-th. A child that is in its place already is not touched. Of a key that is
// there twice, the first has the child. It returns how many it has put somewhere.
func (l *list[T]) place(keys []string, create func(i int) *child[T]) (moved int) {
	wanted := make(map[string]bool, len(keys))
	for _, key := range keys {
		wanted[key] = true
	}
	var old []string // those that stay, and from old[0] on are not placed yet
	for _, key := range l.order {
		if wanted[key] {
			old = append(old, key)
		} else {
			l.spare = append(l.spare, l.children[key])
			delete(l.children, key)
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
		if l.children[key] == nil {
			l.children[key] = create(i)
		}
		before := js.Null()
		if len(old) > 0 {
			before = l.children[old[0]].element
		}
		l.parent.Call("insertBefore", l.children[key].element, before)
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
func (l *list[T]) reuse(fits func(T) bool) *child[T] {
	for i, c := range l.spare {
		if fits(c.data) {
			l.spare = slices.Delete(l.spare, i, i+1)
			return c
		}
	}
	return nil
}
