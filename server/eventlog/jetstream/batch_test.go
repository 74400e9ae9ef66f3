package jetstream_test

import (
	"fmt"
	"maps"
	"sync"
	"testing"

	"websockets/server/eventlog/jetstream"
)

// many appends messages of several writers at once, each writer's in order, and returns
// their receipts by key. again is a dedupe key that every writer uses once.
func many(t *testing.T, log *jetstream.Log, room string, writers, each int, again string) map[string]jetstream.Receipt {
	t.Helper()
	var mu sync.Mutex
	receipts := map[string]jetstream.Receipt{}
	var settled, writing sync.WaitGroup
	for w := range writers {
		settled.Add(each)
		writing.Go(func() {
			for n := range each {
				key := fmt.Sprintf("%d-%d", w, n)
				dedupe := key
				if again != "" && n == each/2 {
					dedupe = again
				}
				err := log.Append(t.Context(), room, dedupe, []byte(key), func(r jetstream.Receipt, err error) {
					defer settled.Done()
					if err != nil {
						t.Errorf("append %s: got %v, want no error", key, err)
					}
					mu.Lock()
					receipts[key] = r
					mu.Unlock()
				})
				if err != nil {
					t.Errorf("append %s: got %v, want no error", key, err)
					settled.Done()
				}
			}
		})
	}
	writing.Wait()
	settled.Wait()
	return receipts
}

func bodiesBySeq(t *testing.T, log *jetstream.Log, room string) map[uint64]string {
	t.Helper()
	found := map[uint64]string{}
	for _, r := range readAll(t, log, room) {
		found[r.Seq] = string(r.Body)
	}
	return found
}

// Published one by one or as a batch, each append has its own sequence, and a writer's
// are in the order of the calls.
func TestBatchesKeepTheOrder(t *testing.T) {
	t.Parallel()
	const writers, each = 20, 50
	log := open(t, t.TempDir(), func(o *jetstream.Options) { o.SyncAlways = true })
	receipts := many(t, log, "den", writers, each, "")
	bodies := bodiesBySeq(t, log, "den")
	seen := map[uint64]bool{}
	for w := range writers {
		last := uint64(0)
		for n := range each {
			key := fmt.Sprintf("%d-%d", w, n)
			r := receipts[key]
			if r.Seq <= last || r.Duplicate || seen[r.Seq] {
				t.Fatalf("receipt of %s: got %+v, want a new place after %d", key, r, last)
			}
			last, seen[r.Seq] = r.Seq, true
			if got := bodies[r.Seq]; got != key {
				t.Fatalf("at %d is %q, want %q", r.Seq, got, key)
			}
		}
	}
}

// A duplicate in a batch does not keep the rest of the batch from being stored.
func TestDuplicatesInABatch(t *testing.T) {
	t.Parallel()
	const writers, each = 20, 50
	log := open(t, t.TempDir(), func(o *jetstream.Options) { o.SyncAlways = true })
	receipts := many(t, log, "den", writers, each, "again")
	stored := map[uint64]string{}
	duplicates := 0
	for key, r := range receipts {
		if r.Duplicate {
			duplicates++
			continue
		}
		if stored[r.Seq] != "" {
			t.Fatalf("place %d: got %s and %s, want one of them", r.Seq, key, stored[r.Seq])
		}
		stored[r.Seq] = key
	}
	if duplicates != writers-1 || len(stored) != writers*each-duplicates {
		t.Fatalf("%d duplicates, %d stored; want %d and %d", duplicates, len(stored), writers-1, writers*each-writers+1)
	}
	if got := bodiesBySeq(t, log, "den"); !maps.Equal(got, stored) {
		t.Fatalf("the log: got %v, want %v", got, stored)
	}
	for w := range writers {
		last := uint64(0)
		for n := range each {
			r := receipts[fmt.Sprintf("%d-%d", w, n)]
			if r.Duplicate {
				continue
			}
			if r.Seq <= last {
				t.Fatalf("place of %d-%d: got %d, want one after %d", w, n, r.Seq, last)
			}
			last = r.Seq
		}
	}
}
