package chat

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"websockets/server/eventlog"
	"websockets/server/eventlog/memlog"
)

// slowValues are slow to read and to write. An answer is older than a write takes.
type slowValues struct{ eventlog.Values }

func (v slowValues) Get(ctx context.Context, owner, key string) ([]byte, error) {
	defer time.Sleep(2 * time.Second)
	return v.Values.Get(ctx, owner, key)
}

func (v slowValues) Put(ctx context.Context, owner, key string, value []byte) error {
	time.Sleep(time.Second)
	defer time.Sleep(time.Second)
	return v.Values.Put(ctx, owner, key, value)
}

// TestMarksAreSeenWhileTheyAreWritten: at no moment a mark is neither among those
// that wait nor in the store.
func TestMarksAreSeenWhileTheyAreWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newMarks(slowValues{memlog.Open(memlog.Options{}).Values(eventlog.Users)})
		const flushTakes = 4 * time.Second // a Get and a Put
		var all sync.WaitGroup
		mark := uint64(0)
		move := func() {
			mark++
			if err := k.set("ann", "x", mark); err != nil {
				t.Fatal(err)
			}
		}
		for round := range 10 {
			move()
			all.Go(func() { k.flush(t.Context()) })
			for i := range 14 {
				if i == 7 && round%2 == 1 {
					move() // while the one before is written
				}
				want := mark
				all.Go(func() {
					marks, err := k.of(t.Context(), "ann")
					if err != nil || marks["x"] < want {
						t.Errorf("mark: got %d, %v, want %d", marks["x"], err, want)
					}
				})
				time.Sleep(flushTakes / 10)
			}
		}
		all.Wait()
		k.flush(t.Context())
		if len(k.dirty) > 0 {
			t.Errorf("marks that wait: got %v, want none", k.dirty)
		}
	})
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
