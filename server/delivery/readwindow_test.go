package delivery

import (
	"sync/atomic"
	"testing"
)

// The window of a client that takes its pages grows, and that of a client that does not
// shrinks to the smallest. All windows together stay within totalReadBudget.
func TestReadWindow(t *testing.T) {
	var total atomic.Int64
	var r readWindow
	size := 0
	for range 20 {
		next := r.acquire(&total)
		if next < size || next > maxReadBytes {
			t.Fatalf("page after one of %d bytes: got %d, want as much at least and %d at most", size, next, maxReadBytes)
		}
		size = next
		r.release(true)
	}
	if size != maxReadBytes {
		t.Errorf("the largest page: got %d, want %d", size, maxReadBytes)
	}
	r.release(true) // nothing was read: an idle client's writes change nothing
	if n := r.acquire(&total); n != maxReadBytes {
		t.Errorf("page after a write of something else: got %d, want %d", n, maxReadBytes)
	}
	r.release(false)
	if n := r.acquire(&total); n != readBytes {
		t.Errorf("page after one that was not taken: got %d, want %d", n, readBytes)
	}
	r.release(true)

	many := make([]readWindow, 1000)
	for range 6 {
		sum := 0
		for i := range many {
			sum += many[i].acquire(&total)
		}
		if most := totalReadBudget + len(many)*readBytes; sum > most {
			t.Fatalf("bytes in hand: got %d, want at most %d", sum, most)
		}
		for i := range many {
			many[i].release(true)
		}
	}
	if n := total.Load(); n != 0 {
		t.Errorf("bytes in hand of nobody: got %d, want 0", n)
	}
}
