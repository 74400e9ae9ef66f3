package memlog_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"websockets/server/eventlog"
	"websockets/server/eventlog/logtest"
	"websockets/server/eventlog/memlog"
	"websockets/server/servertest"
)

func TestMain(m *testing.M) { os.Exit(servertest.MainWithoutLeaks(m)) }

func TestContract(t *testing.T) {
	t.Parallel()
	logtest.Run(t, func(_ testing.TB, o logtest.Options) eventlog.Store {
		return memlog.Open(memlog.Options{MaxRoomMessages: o.MaxRoomMessages, KeyBytes: o.KeyBytes, Now: o.Now})
	})
}

func put(t testing.TB, l *memlog.Log, room, key string, body []byte) {
	t.Helper()
	err := l.Append(context.Background(), room, key, body, func(_ eventlog.Receipt, err error) {
		if err != nil {
			t.Errorf("append: settled with %v, want no error", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The memory of records, keys and entries is limited.
func TestMemoryIsBounded(t *testing.T) {
	l := memlog.Open(memlog.Options{MaxBytes: 8 << 20, MaxRoomMessages: 1000})
	put(t, l, "quiet", "quiet", []byte("stays the oldest for long"))
	body := []byte(strings.Repeat("x", 1000))
	for i := range 100_000 {
		put(t, l, fmt.Sprint("room-", i%7), fmt.Sprint(i), body)
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	// The limit includes 8 MB of records, whose bodies share an array here, and 100,000
	// keys of about 100 bytes.
	if got, limit := m.HeapAlloc, uint64(64<<20); got > limit {
		t.Errorf("heap: got %d bytes, want at most %d", got, limit)
	}
	n, err := l.Count(t.Context(), "quiet", 0)
	if err != nil || n != 0 {
		t.Errorf("the oldest record: got %d, %v, want it removed", n, err)
	}
	runtime.KeepAlive(l)
}

func TestRecordsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memlog.Open(memlog.Options{MaxAge: time.Hour})
		put(t, l, "x", "1", []byte("old"))
		time.Sleep(40 * time.Minute)
		put(t, l, "x", "2", []byte("new"))
		time.Sleep(40 * time.Minute)
		page, err := l.After(t.Context(), "x", 0, 10, 0)
		if err != nil || len(page.Records) != 1 || string(page.Records[0].Body) != "new" || !page.Gone {
			t.Errorf("After: got %+v, %v, want the new record and Gone", page, err)
		}
	})
}

// Two keys with the same hash are two records.
func TestCollisionIsStored(t *testing.T) {
	l := memlog.Open(memlog.Options{})
	put(t, l, "x", "one", []byte("one"))
	l.AddKey(1, "two")
	put(t, l, "x", "two", []byte("two"))
	n, err := l.Count(t.Context(), "x", 0)
	if n != 2 || err != nil {
		t.Errorf("records: got %d, %v, want 2", n, err)
	}
}

func TestKeysExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memlog.Open(memlog.Options{})
		put(t, l, "x", "key", []byte("one"))
		time.Sleep(eventlog.DedupeWindow)
		put(t, l, "x", "key", []byte("within"))
		n, _ := l.Count(t.Context(), "x", 0)
		if n != 1 {
			t.Errorf("records within the window: got %d, want 1", n)
		}
		time.Sleep(time.Second)
		put(t, l, "x", "key", []byte("later"))
		n, _ = l.Count(t.Context(), "x", 0)
		if n != 2 {
			t.Errorf("records after the window: got %d, want 2", n)
		}
	})
}
