package jetstream_test

import (
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

	"websockets/server/eventlog"
	"websockets/server/eventlog/jetstream"
	"websockets/server/servertest"
)

// Every test closes its logs before it ends, so when all are done nothing of
// ours and nothing of the embedded NATS may run.
func TestMain(m *testing.M) { os.Exit(servertest.MainWithoutLeaks(m)) }

// open opens a log that is closed with the test. Most tests do not need an fsync
// for each message; the disk's part has a test of its own. A new log has one shard:
// each costs time, and most tests are about rooms of the same shard.
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
	jetstream.WithShards(1)(&opts)
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

// appendAll appends n messages without waiting in between, and returns their
// receipts in the order of the calls.
func appendAll(t testing.TB, l *jetstream.Log, n int, message func(i int) (room, key, body string)) []jetstream.Receipt {
	t.Helper()
	receipts := make([]jetstream.Receipt, n)
	errs := make([]error, n)
	var inFlight sync.WaitGroup
	for i := range n {
		room, key, body := message(i)
		inFlight.Add(1)
		err := l.Append(t.Context(), room, key, []byte(body), func(r jetstream.Receipt, err error) {
			receipts[i], errs[i] = r, err
			inFlight.Done()
		})
		if err != nil {
			t.Fatalf("appending message %d to %s: %v", i, room, err)
		}
	}
	inFlight.Wait()
	err := errors.Join(errs...)
	if err != nil {
		t.Fatal(err)
	}
	return receipts
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
func readAll(t testing.TB, l *jetstream.Log, room string) (records []eventlog.Record) {
	t.Helper()
	for seq := uint64(0); ; {
		page, err := l.After(t.Context(), room, seq, 100, 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, page.Records...)
		if !page.More {
			return records
		}
		seq = records[len(records)-1].Seq
	}
}

func bodies(records []eventlog.Record) (texts []string) {
	for _, r := range records {
		texts = append(texts, string(r.Body))
	}
	return texts
}

// A key is the caller's and says which room it is of: the log's memory of keys is
// a shard's.
func TestTheSameKeyInARoomOfAnotherShardIsStored(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir(), jetstream.WithShards(2))
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
	l := open(t, dir, jetstream.WithShards(4))
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
	if err := l.Values(eventlog.Users).Put(t.Context(), "user", "name", []byte("Ada")); err != nil {
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
	if name, err := l.Values(eventlog.Users).Get(t.Context(), "user", "name"); err != nil || string(name) != "Ada" {
		t.Errorf("name: got %q, %v, want Ada", name, err)
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
