package userdata

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"websockets/server/eventlog"
	"websockets/server/servertest"
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

// TestReadMarksAreSeenWhileTheyAreWritten: at no moment is a mark neither pending nor in
// the store.
func TestReadMarksAreSeenWhileTheyAreWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := NewReadMarks(slowValues{openLog(t).Values(eventlog.Users)})
		const flushTakes = 4 * time.Second // a Get and a Put
		var all sync.WaitGroup
		mark := uint64(0)
		move := func() {
			mark++
			if err := k.Set("ann", "x", mark); err != nil {
				t.Fatal(err)
			}
		}
		for round := range 10 {
			move()
			all.Go(func() { k.Flush(t.Context()) })
			for i := range 14 {
				if i == 7 && round%2 == 1 {
					move() // while the one before is written
				}
				want := mark
				all.Go(func() {
					marks, err := k.Get(t.Context(), "ann")
					if err != nil || marks["x"] < want {
						t.Errorf("mark: got %d, %v, want %d", marks["x"], err, want)
					}
				})
				time.Sleep(flushTakes / 10)
			}
		}
		all.Wait()
		k.Flush(t.Context())
		if len(k.pending) > 0 {
			t.Errorf("marks that wait: got %v, want none", k.pending)
		}
	})
}

// TestReadMarksOnlyMoveForward: in what is pending and in what is stored.
func TestReadMarksOnlyMoveForward(t *testing.T) {
	users := openLog(t).Values(eventlog.Users)
	marks := NewReadMarks(users)
	// Version 0.1.0 wrote this key and this form.
	if err := users.Put(t.Context(), "ann", "marks", []byte(`{"old":7,"x":5}`)); err != nil {
		t.Fatal(err)
	}
	for _, seq := range []uint64{3, 9, 6} {
		if err := marks.Set("ann", "x", seq); err != nil {
			t.Fatal(err)
		}
	}
	if err := marks.Set("ann", "old", 2); err != nil {
		t.Fatal(err)
	}
	want := map[string]uint64{"old": 7, "x": 9}
	for _, step := range []string{"pending", "written"} {
		got, err := marks.Get(t.Context(), "ann")
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", step, got, err, want)
		}
		marks.Flush(t.Context())
	}
	got, err := NewReadMarks(users).Get(t.Context(), "ann")
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("after a restart: got %v, %v, want %v", got, err, want)
	}
}

// TestRunWritesReadMarks: after flushInterval, and no more once ctx has ended.
func TestRunWritesReadMarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		users := openLog(t).Values(eventlog.Users)
		marks := NewReadMarks(users)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			marks.Run(ctx)
		}()
		for i, want := range []string{`{"x":1}`, `{"x":2}`} {
			if err := marks.Set("ann", "x", uint64(1+i)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(flushInterval)
			synctest.Wait()
			value, err := users.Get(t.Context(), "ann", readMarksKey)
			if err != nil || string(value) != want {
				t.Errorf("stored: got %s, %v, want %s", value, err, want)
			}
		}
		cancel()
		<-done
	})
}

// TestReadMarksStayPending: while they cannot be written, and are written later.
func TestReadMarksStayPending(t *testing.T) {
	marks := NewReadMarks(closedUsers(t))
	if err := marks.Set("ann", "x", 3); err != nil {
		t.Fatal(err)
	}
	marks.Flush(t.Context())
	if got := marks.pendingOf("ann"); got["x"] != 3 {
		t.Errorf("pending after a failed flush: got %v, want 3 in x", got)
	}
	if got, err := marks.Get(t.Context(), "ann"); !errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("Get: got %v, %v, want ErrUnavailable", got, err)
	}
	marks.users = openLog(t).Values(eventlog.Users)
	marks.Flush(t.Context())
	if got, err := marks.Get(t.Context(), "ann"); err != nil || got["x"] != 3 || len(marks.pending) > 0 {
		t.Errorf("after a flush: got %v, %v, %d pending, want 3 in x and none pending", got, err, len(marks.pending))
	}
}

// TestUnreadableReadMarksStartOver: a value that is none does not keep a user from
// reading.
func TestUnreadableReadMarksStartOver(t *testing.T) {
	users := openLog(t).Values(eventlog.Users)
	for _, value := range []string{"no JSON", "null", `{"x":-1}`} {
		if err := users.Put(t.Context(), "ann", readMarksKey, []byte(value)); err != nil {
			t.Fatal(err)
		}
		marks := NewReadMarks(users)
		if err := marks.Set("ann", "y", 2); err != nil {
			t.Fatal(err)
		}
		got, err := marks.Get(t.Context(), "ann")
		if err != nil || !maps.Equal(got, map[string]uint64{"y": 2}) {
			t.Errorf("%s: got %v, %v, want 2 in y alone", value, got, err)
		}
	}
}

// TestPendingReadMarksAreBounded: also for as long as they cannot be written.
func TestPendingReadMarksAreBounded(t *testing.T) {
	marks := NewReadMarks(nil)
	for seq := range uint64(maxRoomsPerUser + 10) {
		if err := marks.Set("ann", fmt.Sprint("room-", seq), 1+seq); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(marks.pending["ann"]); n != maxRoomsPerUser {
		t.Errorf("pending rooms of a user: got %d, want %d", n, maxRoomsPerUser)
	}
	refused := 0
	for i := range maxPendingUsers + 10 {
		err := marks.Set(fmt.Sprint("user-", i), "x", 1)
		if errors.Is(err, ErrTooManyReadMarks) {
			refused++
		}
	}
	if n := len(marks.pending); n != maxPendingUsers || refused != 11 {
		t.Errorf("pending users: got %d, and %d refused, want %d and 11", n, refused, maxPendingUsers)
	}
	if err := marks.Set("ann", "room-900", 900); err != nil {
		t.Errorf("Set for a user who is pending already: got %v, want no error", err)
	}
}

// TestReadMarksOfAnySizeAreBounded: sequences come from clients. Marks of the largest
// numbers, in more rooms than are kept, must not be more work than others.
func TestReadMarksOfAnySizeAreBounded(t *testing.T) {
	t.Parallel()
	for _, seq := range []uint64{1, 1 << 63, 1<<64 - 1} {
		marks, newer := roomMarks{}, roomMarks{}
		for i := range maxRoomsPerUser + 10 {
			newer[fmt.Sprint("room-", i)] = seq
		}
		done := make(chan struct{})
		go func() { merge(marks, newer); close(done) }()
		select {
		case <-done:
			if len(marks) != maxRoomsPerUser {
				t.Errorf("marks at %d: got %d, want %d", seq, len(marks), maxRoomsPerUser)
			}
		case <-time.After(servertest.Patience):
			t.Fatalf("waited %v for merge with marks at %d", servertest.Patience, seq)
		}
	}
}
