package timeline

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"websockets/server/servertest"
)

// stored is a message in the model, which keeps everything.
type stored struct {
	seq   uint64
	frame []byte
}

// TestRingAgainstAModel adds records at random, sometimes after a gap, prepends parts of
// the log, and compares the ring with a list of all records.
func TestRingAgainstAModel(t *testing.T) {
	t.Parallel()
	random, refills := servertest.Seeded(t), 0
	for round := range 8 {
		var total atomic.Int64
		start := random.Uint64N(3) * 1000
		r := ring{total: &total}
		r.restart(start)
		r.origin = round%2 == 0
		origin := r.origin
		var model []stored // since the last gap
		since := start
		var readers []reader
		largest := []int{50, 500, 16 << 10, 70 << 10}[round%4]
		for range 400 {
			seq := r.head + 1 + random.Uint64N(4)
			prev := r.head
			switch random.IntN(40) {
			case 0: // the feed has lost something
				prev = r.head + 1
				seq += 2
				model, origin, since = nil, false, prev
			case 1: // the room was opened again, or a hole was found
				if len(model) > 0 {
					r.restart(r.head)
				}
				continue
			case 2, 3, 4: // somebody has read a part of the log
				if len(model) == 0 {
					continue
				}
				i := random.IntN(len(model))
				from, page := since, chunk{}
				if i > 0 {
					from = model[i-1].seq
				}
				for _, m := range model[i : i+1+random.IntN(len(model)-i)] {
					page.frames, page.seqs = append(page.frames, m.frame...), append(page.seqs, m.seq)
					page.ends = append(page.ends, uint32(len(page.frames)))
				}
				before := r.base
				r.prepend(from, &page, origin && i == 0)
				fits := from < before && page.last() >= before
				if refilled := r.base != before; refilled {
					refills++
					if !fits || r.base != from {
						t.Fatalf("round %d: base after what lies in (%d, %d]: got %d, was %d", round, from, page.last(), r.base, before)
					}
				}
				readers = append(readers, checkRing(t, random, &r, model, origin))
				continue
			}
			body := []byte(fmt.Sprintf(`{"id":"m%d","message":"%s"}`, seq, strings.Repeat("x", random.IntN(largest))))
			if prev > r.head {
				r.restart(prev)
			}
			r.add(seq, body)
			model = append(model, stored{seq, AppendFrame(nil, seq, body)})

			if r.head != seq || r.base > seq || total.Load() != int64(r.bytes) {
				t.Fatalf("round %d: after adding %d: got base %d, head %d and %d bytes, %d accounted, want that head and one number of bytes", round, seq, r.base, r.head, r.bytes, total.Load())
			}
			if bound := MaxRing + maxFrameLength(body); r.bytes > bound {
				t.Fatalf("round %d: bytes in the ring: got %d, want at most %d", round, r.bytes, bound)
			}
			if random.IntN(4) == 0 {
				readers = append(readers, checkRing(t, random, &r, model, origin))
			}
		}
		for _, reader := range readers {
			if string(reader.holds) != reader.got {
				t.Fatal("what a reader holds: got it overwritten, want it unchanged")
			}
		}
		r.restart(r.head)
		if total.Load() != 0 || r.bytes != 0 || r.base != r.head {
			t.Errorf("round %d: after a restart: got %d bytes, %d accounted, base %d, want none and base %d", round, r.bytes, total.Load(), r.base, r.head)
		}
	}
	if refills == 0 {
		t.Error("refills: got 0, want some")
	}
}

// reader keeps frames that it got, and a copy to compare them with later.
type reader struct {
	holds []byte
	got   string
}

func checkRing(t *testing.T, random *rand.Rand, r *ring, model []stored, origin bool) (first reader) {
	t.Helper()
	held := model // what lies beyond base
	for len(held) > 0 && held[0].seq <= r.base {
		held = held[1:]
	}
	// From any place at or above base, a reader gets everything that follows.
	seq := r.base + random.Uint64N(r.head-r.base+1)
	want := held
	for len(want) > 0 && want[0].seq <= seq {
		want = want[1:]
	}
	for from := seq; ; {
		frames, last := r.after(from)
		if len(frames) == 0 {
			if last != from || len(want) > 0 {
				t.Fatalf("after(%d) ends at %d, %d are missing", seq, from, len(want))
			}
			break
		}
		if cap(frames) != len(frames) {
			t.Fatalf("capacity of what a reader gets: got %d, want %d", cap(frames), len(frames))
		}
		if first.holds == nil {
			first = reader{frames, string(frames)}
		}
		for len(frames) > 0 {
			if len(want) == 0 || !bytes.HasPrefix(frames, want[0].frame) {
				t.Fatalf("after(%d) has %.60q where %d are to come", from, frames, len(want))
			}
			frames, from, want = frames[len(want[0].frame):], want[0].seq, want[1:]
		}
		if from != last {
			t.Fatalf("after(%d): got frames up to %d, want %d", seq, from, last)
		}
	}
	// frame finds exactly the records that are held.
	for range 5 {
		seq := r.base + random.Uint64N(r.head-r.base+3)
		var want []byte
		for _, s := range held {
			if s.seq == seq {
				want = s.frame
			}
		}
		if got := r.frame(seq); !bytes.Equal(got, want) {
			t.Fatalf("frame(%d) is %.60q, want %.60q", seq, got, want)
		}
	}
	n := 1 + random.IntN(80)
	back, ok := r.back(n)
	beyond := 0
	for _, s := range held {
		if s.seq > back {
			beyond++
		}
	}
	whole := origin && len(held) == len(model) // the ring holds all that the room ever had
	switch {
	case ok && beyond != n && !(whole && beyond == len(model) && beyond < n):
		t.Fatalf("back(%d): got %d with %d beyond it, of %d held and %d in all, want %d beyond it or all", n, back, beyond, len(held), len(model), n)
	case !ok && len(held) >= n, !ok && whole:
		t.Fatalf("back(%d): got no answer, want one: %d are held, of %d", n, len(held), len(model))
	}
	return first
}

// All rings share a budget. When it is used up, a ring that grows keeps only one chunk.
func TestRingShrinksOverBudget(t *testing.T) {
	t.Parallel()
	var total atomic.Int64
	r := ring{total: &total}
	body := []byte(`{"id":"x","message":"` + strings.Repeat("x", 1000) + `"}`)
	for seq := range uint64(100) {
		r.add(seq+1, body)
	}
	if len(r.chunks) < 2 {
		t.Fatalf("chunks for 100 KB: got %d, want at least 2", len(r.chunks))
	}
	total.Add(allRings) // others have used it up
	for seq := uint64(100); len(r.chunks) > 1; seq++ {
		if seq == 200 {
			t.Fatalf("chunks over the budget: got %d, want 1", len(r.chunks))
		}
		r.add(seq+1, body)
	}
	if frames, last := r.after(r.base); len(frames) == 0 || last != r.head {
		t.Errorf("the last chunk: got %d bytes up to %d, want some up to %d", len(frames), last, r.head)
	}
}

// Large pages of which the ring lacks only a little are neither kept in memory nor made a
// chunk each.
func TestPrependKeepsOnlyMissingFrames(t *testing.T) {
	t.Parallel()
	const messages = 3000
	var total atomic.Int64
	r := ring{total: &total}
	r.restart(messages)
	r.add(messages+1, []byte(`{"id":"newest"}`))
	page := chunk{}
	for seq := range uint64(messages) {
		page.frames = AppendFrame(page.frames, seq+1, []byte(`{"id":"one of many"}`))
		page.seqs, page.ends = append(page.seqs, seq+1), append(page.ends, uint32(len(page.frames)))
	}
	for from := messages - 1; from >= 0; from-- {
		begin := uint32(0)
		if from > 0 {
			begin = page.ends[from-1]
		}
		part := chunk{frames: page.frames[begin:], seqs: page.seqs[from:]}
		for _, end := range page.ends[from:] {
			part.ends = append(part.ends, end-begin)
		}
		r.prepend(uint64(from), &part, from == 0)
		if r.base != uint64(from) {
			t.Fatalf("the ring begins at %d, want %d", r.base, from)
		}
		if first := r.chunks[0]; &first.frames[0] == &part.frames[0] {
			t.Fatal("the ring's first chunk: got the offered memory, want a copy")
		}
	}
	held := 0
	for _, c := range r.chunks {
		held += cap(c.frames)
	}
	if bound := 2*len(page.frames)/largestChunk + 2; len(r.chunks) > bound || held != r.bytes || total.Load() != int64(held) || held > 2*len(page.frames) {
		t.Errorf("got %d chunks with %d bytes, %d and %d accounted, want at most %d chunks and %d bytes, all accounted", len(r.chunks), held, r.bytes, total.Load(), bound, 2*len(page.frames))
	}
}
