package jetstream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"websockets/server/eventlog/jetstream"
	"websockets/server/servertest"
	"websockets/shared"
)

// Every test closes its logs before it ends, so when all are done nothing of
// ours and nothing of the embedded NATS may run.
func TestMain(m *testing.M) { os.Exit(servertest.MainWithoutLeaks(m)) }

// open opens a log that is closed with the test. Most tests do not need an fsync
// for each message; the disk's part has a test of its own.
func open(t testing.TB, dir string, change ...func(*jetstream.Options)) *jetstream.Log {
	t.Helper()
	l, err := tryOpen(t, dir, change...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func tryOpen(t testing.TB, dir string, change ...func(*jetstream.Options)) (*jetstream.Log, error) {
	opts := jetstream.Options{Dir: dir, MaxBytes: 1 << 30, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&opts)
	}
	return jetstream.Open(t.Context(), opts)
}

// put appends one entry and waits for its receipt.
func put(t testing.TB, l *jetstream.Log, room, key, body string) jetstream.Receipt {
	t.Helper()
	type outcome struct {
		receipt jetstream.Receipt
		err     error
	}
	settled := make(chan outcome, 1)
	err := l.Append(t.Context(), room, key, []byte(body), func(r jetstream.Receipt, err error) { settled <- outcome{r, err} })
	if err != nil {
		t.Fatalf("appending %q to %s: %v", body, room, err)
	}
	o := receive(t, settled, "the receipt of "+body)
	if o.err != nil {
		t.Fatalf("appending %q to %s: %v", body, room, o.err)
	}
	return o.receipt
}

func receive[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(servertest.Patience):
		t.Fatalf("waited %v for %s", servertest.Patience, what)
		panic("unreachable")
	}
}

// readAll reads a room from the start, a page at a time.
func readAll(t testing.TB, l *jetstream.Log, room string) (entries []jetstream.Entry) {
	t.Helper()
	for seq := uint64(0); ; {
		page, err := l.After(t.Context(), room, seq, 100, 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return entries
		}
		entries = append(entries, page...)
		seq = page[len(page)-1].Seq
	}
}

func bodies(entries []jetstream.Entry) (texts []string) {
	for _, e := range entries {
		texts = append(texts, string(e.Body))
	}
	return texts
}

// roomsOfOneShard returns n names that share a shard.
func roomsOfOneShard(l *jetstream.Log, n int) (names []string) {
	for i := 0; len(names) < n; i++ {
		if name := fmt.Sprint("room-", i); l.Shard(name) == l.Shard("room-0") {
			names = append(names, name)
		}
	}
	return names
}

func TestEntriesAreReadInTheOrderOfTheirAppends(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir(), func(o *jetstream.Options) { o.SyncAlways = true })
	rooms := roomsOfOneShard(l, 2)
	var want []string
	var last uint64
	for i := range 20 {
		body := fmt.Sprint("body ", i)
		r := put(t, l, rooms[0], body, body)
		if r.Duplicate || r.Seq <= last {
			t.Fatalf("receipt after %d: got %+v, want a later place and no duplicate", last, r)
		}
		last = r.Seq
		want = append(want, body)
		put(t, l, rooms[1], body, "of the other room")
	}
	entries := readAll(t, l, rooms[0])
	if got := bodies(entries); !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
	if e := entries[len(entries)-1]; e.Seq != last || e.Room != rooms[0] {
		t.Errorf("the last entry is %d of %s, want %d of %s", e.Seq, e.Room, last, rooms[0])
	}
}

func TestAKeyIsStoredOnceInARoom(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	rooms := roomsOfOneShard(l, 2)
	first := put(t, l, rooms[0], rooms[0]+" key", "one")
	put(t, l, rooms[0], rooms[0]+" another", "two")
	again := put(t, l, rooms[0], rooms[0]+" key", "other text")
	if !again.Duplicate || again.Seq != first.Seq {
		t.Errorf("the same key got %+v, want a duplicate of %d", again, first.Seq)
	}
	if got := bodies(readAll(t, l, rooms[0])); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("entries: got %q, want one, two", got)
	}
}

// A key is the caller's and says which room it is of: the log's memory of keys is
// a shard's.
func TestTheSameKeyInARoomOfAnotherShardIsStored(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	here, there := "room-0", ""
	for i := 0; there == ""; i++ {
		if name := fmt.Sprint("other-", i); l.Shard(name) != l.Shard(here) {
			there = name
		}
	}
	put(t, l, here, "key", "here")
	if r := put(t, l, there, "key", "there"); r.Duplicate {
		t.Errorf("receipt: got %+v, want no duplicate: the key was another shard's", r)
	}
	if got := bodies(readAll(t, l, there)); !slices.Equal(got, []string{"there"}) {
		t.Errorf("entries: got %q, want there", got)
	}
}

func TestReopeningKeepsEverything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	rooms := []string{"a", "b", "c", "d", "e", "f"}
	epochs, shards := map[string]string{}, map[string]int{}
	for _, room := range rooms {
		epochs[room], shards[room] = l.Epoch(room), l.Shard(room)
		put(t, l, room, room+" 1", "first of "+room)
	}
	key, err := l.Value(t.Context(), "guest-key", func() []byte { return []byte("made the first time") })
	if err != nil {
		t.Fatal(err)
	}
	if err := l.PutUserValue(t.Context(), "user", "name", []byte("Ada")); err != nil {
		t.Fatal(err)
	}
	count := l.Shards()
	l.Close()

	l = open(t, dir)
	if l.Shards() != count {
		t.Errorf("shards: got %d, want %d", l.Shards(), count)
	}
	for _, room := range rooms {
		if l.Epoch(room) != epochs[room] || l.Epoch(room) == "" || l.Shard(room) != shards[room] {
			t.Errorf("%s: got epoch %q in shard %d, want %q in %d", room, l.Epoch(room), l.Shard(room), epochs[room], shards[room])
		}
		if r := put(t, l, room, room+" 1", "first of "+room); !r.Duplicate {
			t.Errorf("%s: a key from before: got %+v, want a duplicate", room, r)
		}
		put(t, l, room, room+" 2", "second of "+room)
		if got := bodies(readAll(t, l, room)); !slices.Equal(got, []string{"first of " + room, "second of " + room}) {
			t.Errorf("entries of %s: got %q, want the first and the second", room, got)
		}
	}
	again, err := l.Value(t.Context(), "guest-key", func() []byte { return []byte("made again") })
	if err != nil || string(again) != string(key) {
		t.Errorf("key: got %q, %v, want %q", again, err, key)
	}
	if name, err := l.UserValue(t.Context(), "user", "name"); err != nil || string(name) != "Ada" {
		t.Errorf("name: got %q, %v, want Ada", name, err)
	}
}

func TestEachStoreHasItsOwnEpochs(t *testing.T) {
	t.Parallel()
	one, two := open(t, t.TempDir()), open(t, t.TempDir())
	if one.Epoch("x") == two.Epoch("x") {
		t.Errorf("epochs of two stores: got %s twice, want two", one.Epoch("x"))
	}
}

func TestTheFirstValueIsEverybodys(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	got := make(chan string, 8)
	for i := range cap(got) {
		go func() {
			v, err := l.Value(t.Context(), "key", func() []byte { return fmt.Append(nil, "made by ", i) })
			got <- fmt.Sprint(string(v), err)
		}()
	}
	first := receive(t, got, "a value")
	for range cap(got) - 1 {
		if v := receive(t, got, "a value"); v != first {
			t.Errorf("value: got %q, want %q", v, first)
		}
	}
	if v, err := l.UserValue(t.Context(), "nobody", "name"); v != nil || err != nil {
		t.Errorf("a user without values: got %q, %v, want none", v, err)
	}
}

func TestAFolderIsOpenedOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "as needed")
	l := open(t, dir)
	second, err := tryOpen(t, dir)
	if err == nil {
		second.Close()
		t.Fatal("opening a folder twice: got a log, want an error")
	}
	for _, part := range []string{dir, "in use", "--data"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error: got %q, want %q in it", err, part)
		}
	}
	put(t, l, "x", "key", "the first is not disturbed")
}

func TestARoomThatWouldBeAWildcardIsRefused(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	put(t, l, "x", "key", "body")
	ctx := t.Context()
	for _, room := range []string{"*", ">", "a.b", "", "a b", "A", "x\n", strings.Repeat("x", 65)} {
		_, headErr := l.Head(ctx, room)
		_, afterErr := l.After(ctx, room, 0, 1, 0)
		_, countErr := l.Count(ctx, room, 0)
		_, _, backErr := l.Back(ctx, room, 0, 1)
		_, _, followErr := l.Follow(ctx, room)
		for call, err := range map[string]error{
			"Append": l.Append(ctx, room, "key", []byte("body"), func(jetstream.Receipt, error) { t.Errorf("%q was appended to", room) }),
			"Head":   headErr, "After": afterErr, "Count": countErr, "Back": backErr, "Follow": followErr,
		} {
			var told *shared.Error
			if !errors.As(err, &told) || told.Code != shared.CodeBadRoom {
				t.Errorf("%s(%q): %v, want bad_room", call, room, err)
			}
		}
		if e, _ := l.At(ctx, room, 1); e.Seq != 0 {
			t.Errorf("At(%q): got %+v, want nothing", room, e)
		}
	}
}

func TestAppendsOfOneGoroutineKeepTheirOrder(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	const writers, each = 8, 250
	rooms := roomsOfOneShard(l, 2)
	var all, settled sync.WaitGroup
	var mu sync.Mutex
	acked := map[uint64]string{}
	for w := range writers {
		all.Go(func() {
			for i := range each {
				body := fmt.Sprintf("%d %d", w, i)
				settled.Add(1)
				err := l.Append(t.Context(), rooms[i%2], body, []byte(body), func(r jetstream.Receipt, err error) {
					defer settled.Done()
					mu.Lock()
					defer mu.Unlock()
					if err != nil || r.Duplicate || acked[r.Seq] != "" {
						t.Errorf("%q: got %+v, %v, want a place of its own; there is %q", body, r, err, acked[r.Seq])
					}
					acked[r.Seq] = body
				})
				if err != nil {
					t.Errorf("append %q: got %v, want no error", body, err)
					settled.Done()
				}
			}
		})
	}
	all.Wait()
	settled.Wait()
	found := 0
	for parity, room := range rooms {
		next := [writers]int{}
		for w := range next {
			next[w] = parity
		}
		for _, e := range readAll(t, l, room) {
			found++
			if acked[e.Seq] != string(e.Body) {
				t.Errorf("entry %d: got %q, want %q", e.Seq, e.Body, acked[e.Seq])
			}
			var w, i int
			if _, err := fmt.Sscanf(string(e.Body), "%d %d", &w, &i); err != nil {
				t.Fatal(err)
			}
			if i != next[w] {
				t.Fatalf("%s: next of writer %d: got %d, want %d", room, w, i, next[w])
			}
			next[w] += 2
		}
	}
	if found != writers*each {
		t.Errorf("%d entries, want %d", found, writers*each)
	}
}

func TestARoomKeepsItsNewestMessages(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir(), func(o *jetstream.Options) { o.MaxRoomMessages = 3 })
	rooms := roomsOfOneShard(l, 2)
	put(t, l, rooms[1], "other", "the other room is not touched")
	var receipts []jetstream.Receipt
	for i := range 5 {
		receipts = append(receipts, put(t, l, rooms[0], fmt.Sprint(i), fmt.Sprint(i)))
	}
	if got := bodies(readAll(t, l, rooms[0])); !slices.Equal(got, []string{"2", "3", "4"}) {
		t.Errorf("entries: got %q, want 2, 3, 4", got)
	}
	if e, err := l.At(t.Context(), rooms[0], receipts[1].Seq); e.Seq != 0 || err != nil {
		t.Errorf("an entry that is gone: got %+v, %v, want nothing", e, err)
	}
	if start, more, err := l.Back(t.Context(), rooms[0], 0, 3); err != nil || more || start >= receipts[2].Seq {
		t.Errorf("Back: got %d, more %v, %v, want a place before %d, no more", start, more, err, receipts[2].Seq)
	}
	if n, err := l.Count(t.Context(), rooms[1], 0); n != 1 || err != nil {
		t.Errorf("Count of the other room: got %d, %v, want 1", n, err)
	}
}

func TestAfterCloseEverythingIsUnavailable(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	put(t, l, "x", "key", "body")
	l.Run(jetstream.Feed{Deliver: func([]jetstream.Entry) {}, Lost: func(int) {}})
	_, unfollow, err := l.Follow(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	l.Close() // is allowed
	unfollow()

	ctx, cancel := context.WithTimeout(context.Background(), servertest.Patience)
	defer cancel()
	calls := map[string]func() error{
		"Append": func() error {
			return l.Append(ctx, "x", "after", []byte("body"), func(jetstream.Receipt, error) { t.Error("done was called") })
		},
		"Head":     func() error { _, err := l.Head(ctx, "x"); return err },
		"At":       func() error { _, err := l.At(ctx, "x", 1); return err },
		"After":    func() error { _, err := l.After(ctx, "x", 0, 1, 0); return err },
		"Count":    func() error { _, err := l.Count(ctx, "x", 0); return err },
		"Back":     func() error { _, _, err := l.Back(ctx, "x", 0, 1); return err },
		"LastSeq":  func() error { _, err := l.LastSeq(ctx, 0); return err },
		"Newest":   func() error { _, _, err := l.Newest(ctx, 0, 0); return err },
		"Follow":   func() error { _, _, err := l.Follow(ctx, "x"); return err },
		"Value":    func() error { _, err := l.Value(ctx, "key", func() []byte { return nil }); return err },
		"UserVal":  func() error { _, err := l.UserValue(ctx, "user", "name"); return err },
		"PutValue": func() error { return l.PutUserValue(ctx, "user", "name", nil) },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, jetstream.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
	}
	if ctx.Err() != nil {
		t.Errorf("the calls did not return within %v, want them to fail at once", servertest.Patience)
	}
}

// An append that was taken is settled before Close returns: its done has been
// called, and what was acked is there when the store is opened again.
func TestCloseSettlesTheAppendsUnderWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	var mu sync.Mutex
	taken, settled, acked := 0, 0, map[string]bool{}
	for i := range 500 {
		body := fmt.Sprint(i)
		err := l.Append(t.Context(), "x", body, []byte(body), func(_ jetstream.Receipt, err error) {
			mu.Lock()
			defer mu.Unlock()
			settled++
			acked[body] = err == nil
		})
		if err != nil {
			t.Fatal(err)
		}
		taken++
	}
	l.Close()
	mu.Lock()
	defer mu.Unlock()
	if settled != taken {
		t.Errorf("settled appends: got %d, want the %d that were taken", settled, taken)
	}
	there := map[string]bool{}
	for _, body := range bodies(readAll(t, open(t, dir), "x")) {
		there[body] = true
	}
	for body, ok := range acked {
		if ok && !there[body] {
			t.Errorf("entry %s, which was acked: got none, want it", body)
		}
	}
}

// TestUsersHaveAnyID: whatever a user's id is made of, no other user has its values.
func TestUsersHaveAnyID(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	users := []string{"ann", "Ann", "ann@example.com", "ann.name", "*", ">", "an n", "=YW5u", "日本", "ann\x00", "auth0|5f7c", strings.Repeat("x@", 64)}
	told := make(chan string, len(users))
	err := l.WatchUserValue("watched", func(user string, value []byte) { told <- user + " " + string(value) })
	if err != nil {
		t.Fatal(err)
	}
	for i, user := range users {
		for _, key := range []string{"name", "watched"} {
			if err := l.PutUserValue(t.Context(), user, key, fmt.Append(nil, i)); err != nil {
				t.Fatalf("PutUserValue of %q: got %v, want no error", user, err)
			}
		}
	}
	for i, user := range users {
		if got, err := l.UserValue(t.Context(), user, "name"); err != nil || string(got) != fmt.Sprint(i) {
			t.Errorf("%q has %q, %v, want %d", user, got, err, i)
		}
		if got := receive(t, told, "the value of "+user); got != fmt.Sprint(user, " ", i) {
			t.Errorf("told was %q, want %q", got, fmt.Sprint(user, " ", i))
		}
	}
}

// TestSwapValueLosesNoChange: many who change one value at once change it one
// after the other.
func TestSwapValueLosesNoChange(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	var wait sync.WaitGroup
	const each = 5
	for range 4 {
		wait.Go(func() {
			for range each {
				_, err := l.SwapValue(t.Context(), "count", func(old []byte) ([]byte, bool) { return append(bytes.Clone(old), 'x'), true })
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if got, err := l.SwapValue(t.Context(), "count", func([]byte) ([]byte, bool) { return nil, false }); err != nil || len(got) != 4*each {
		t.Errorf("%d changes are left, %v, want %d", len(got), err, 4*each)
	}
}
