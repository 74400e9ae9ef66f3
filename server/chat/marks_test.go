package chat

import (
	"fmt"
	"runtime"
	"testing"

	"websockets/server/eventlog"
	"websockets/server/eventlog/memlog"
)

// TestMarksAreSeenWhileTheyAreWritten: at no moment a mark is neither among those
// that wait nor in the store.
func TestMarksAreSeenWhileTheyAreWritten(t *testing.T) {
	t.Parallel()
	k := newMarks(memlog.Open(memlog.Options{}).Values(eventlog.Users))
	for seq := range uint64(100) {
		room := fmt.Sprint("room-", seq%2)
		if err := k.set("ann", room, 1+seq); err != nil {
			t.Fatal(err)
		}
		written := make(chan struct{})
		go func() {
			defer close(written)
			k.flush(t.Context())
		}()
		for flushing := true; flushing; {
			select {
			case <-written:
				flushing = false
			default:
				runtime.Gosched() // with one processor, flush gets on meanwhile
			}
			marks, err := k.of(t.Context(), "ann")
			if err != nil {
				t.Fatal(err)
			}
			if marks[room] != 1+seq {
				t.Fatalf("mark: got %d, want %d", marks[room], 1+seq)
			}
		}
	}
	if len(k.dirty) > 0 {
		t.Errorf("marks that wait: got %v, want none", k.dirty)
	}
}

// TestMarksThatWaitAreBounded: also for as long as they cannot be written.
func TestMarksThatWaitAreBounded(t *testing.T) {
	t.Parallel()
	k := newMarks(nil)
	for seq := range uint64(maxMarks + 10) {
		if err := k.set("ann", fmt.Sprint("room-", seq), 1+seq); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(k.dirty["ann"]); n != maxMarks {
		t.Errorf("%d of a user's marks wait, want %d at most", n, maxMarks)
	}
	for i := range maxMarked + 10 {
		_ = k.set(fmt.Sprint("user-", i), "x", 1) // refused when there are too many
	}
	if n := len(k.dirty); n != maxMarked {
		t.Errorf("marks of %d users wait, want %d at most", n, maxMarked)
	}
}
