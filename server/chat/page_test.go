package chat

import (
	"sync/atomic"
	"testing"
)

// TestPagesGrowWithWhoTakesThem: one that takes its pages gets larger ones, one
// that does not gets a small one again, and all together no more than allPages.
func TestPagesGrowWithWhoTakesThem(t *testing.T) {
	var total atomic.Int64
	p := pages{total: &total}
	size := 0
	for range 20 {
		next := p.next()
		if next < size || next > largestPage {
			t.Fatalf("page after one of %d bytes: got %d, want as much at least and %d at most", size, next, largestPage)
		}
		size = next
		p.done(true)
	}
	if size != largestPage {
		t.Errorf("the largest page is %d, want %d", size, largestPage)
	}
	p.done(true) // nothing was read: an idle client's writes change nothing
	if p.next() != largestPage {
		t.Errorf("page after a write of something else: want %d", largestPage)
	}
	p.done(false)
	if n := p.next(); n != pageBytes {
		t.Errorf("after a page that was not taken the next is %d, want %d", n, pageBytes)
	}
	p.done(true)

	many := make([]pages, 1000)
	for i := range many {
		many[i].total = &total
	}
	for range 6 {
		sum := 0
		for i := range many {
			sum += many[i].next()
		}
		if most := allPages + len(many)*pageBytes; sum > most {
			t.Fatalf("pages of %d bytes are in hand, want at most %d", sum, most)
		}
		for i := range many {
			many[i].done(true)
		}
	}
	if n := total.Load(); n != 0 {
		t.Errorf("bytes in hand of nobody: got %d, want 0", n)
	}
}
