package dedupe

import (
	"fmt"
	"slices"
	"testing"

	"websockets/server/servertest"
)

// newSmall returns a table of so many keys; 0 is fewer than any test adds.
func newSmall(keys uint64) *Table { return New(int64(keys) * bytesPerKey) }

// TestTableAgainstAModel adds keys at random, with gaps, twice, late and anew, and
// compares the table with a map of the newest sequences.
func TestTableAgainstAModel(t *testing.T) {
	t.Parallel()
	random := servertest.Seeded(t)
	for _, limit := range []uint64{2, 8, 4 * smallest} {
		table := newSmall(limit)
		model := map[uint64]string{}
		var last uint64
		for step := range 3 * int(4*smallest) {
			seq := last + 1
			switch random.IntN(20) {
			case 0: // a gap
				seq += random.Uint64N(limit / 2)
			case 1: // what another server has stored, later
				seq = max(1, seq-min(seq, random.Uint64N(limit+2)))
			case 2:
				if random.IntN(500) == 0 { // a gap beyond everything
					seq += 3 * limit
				}
			}
			key := fmt.Sprint(random.IntN(step + 1)) // some come again
			table.Add(seq, key)
			last = max(last, seq)
			if last-seq < limit {
				model[seq] = key
			}
			for seq := range model {
				if limit < 100 && last-seq >= limit {
					delete(model, seq)
				}
			}
			if limit > 100 && step%200 != 0 {
				continue
			}
			for at, key := range model {
				if last-at >= limit {
					delete(model, at)
					continue
				}
				if got := table.Find(key); !slices.Contains(got, at) || !slices.IsSortedFunc(got, func(a, b uint64) int { return int(b) - int(a) }) {
					t.Fatalf("limit %d, step %d: Find(%s): got %d, want %d among falling sequences", limit, step, key, got, at)
				}
			}
			absent := fmt.Sprint("absent", step)
			if got := table.Find(absent); got != nil {
				t.Fatalf("limit %d, step %d: Find(%s): got %d, want none", limit, step, absent, got)
			}
		}
		if got := uint64(len(table.hashes)); got != limit {
			t.Errorf("limit %d: keys of the full table: got %d, want the limit", limit, got)
		}
	}
}

// A key that is displaced or overwritten is not found any more.
func TestTableForgets(t *testing.T) {
	t.Parallel()
	table := newSmall(4)
	for seq := range uint64(10) {
		table.Add(seq+1, fmt.Sprint(seq+1))
	}
	for seq := range uint64(10) {
		want := []uint64(nil)
		if seq+1 > 6 {
			want = []uint64{seq + 1}
		}
		if got := table.Find(fmt.Sprint(seq + 1)); !slices.Equal(got, want) {
			t.Errorf("Find(%d): got %d, want %d", seq+1, got, want)
		}
	}
	table.Add(12, "12") // 11 has no key; 7 was in its place
	if got := table.Find("7"); got != nil {
		t.Errorf("Find of the key that a gap displaced: got %d, want none", got)
	}
	table.Add(9, "other")
	if got := table.Find("9"); got != nil {
		t.Errorf("Find of the overwritten key: got %d, want none", got)
	}
	table.Reset()
	if got := table.Find("10"); got != nil {
		t.Errorf("Find after Reset: got %d, want none", got)
	}
	table.Add(3, "3")
	if got := table.Find("3"); !slices.Equal(got, []uint64{3}) {
		t.Errorf("Find after Reset and Add: got %d, want 3", got)
	}
}

func TestCapacity(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int64]uint64{0: 2, 32: 2, 64: 4, 100: 4, DefaultBytes: 4 << 20, DefaultBytes / 4: 1 << 20, DefaultBytes/4 + 15: 1 << 20} {
		if got := Capacity(bytes); got != want {
			t.Errorf("Capacity(%d): got %d, want %d", bytes, got, want)
		}
		if used := 16 * Capacity(bytes); bytes >= 32 && used > uint64(bytes) {
			t.Errorf("Capacity(%d): takes %d bytes, want at most that", bytes, used)
		}
	}
}

// What a key costs that is looked up and then added, in a table that is full.
func BenchmarkTable(b *testing.B) {
	table := New(DefaultBytes / 4)
	keys := make([]string, 1<<21)
	for i := range keys {
		keys[i] = fmt.Sprintf("%022d", i)
	}
	seq := uint64(0)
	for range 1 << 20 {
		seq++
		table.Add(seq, keys[seq%(1<<21)])
	}
	b.ReportAllocs()
	for b.Loop() {
		seq++
		key := keys[seq%(1<<21)]
		if table.Find(key) != nil {
			b.Fatal("a new key is known")
		}
		table.Add(seq, key)
	}
}
