package jetstream_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"websockets/server/eventlog/jetstream"
	"websockets/server/servertest"
)

// model is what a room's log should be: its entries, oldest first.
type model []jetstream.Entry

func (m model) after(seq uint64) model {
	return m[len(m)-m.count(seq):]
}

func (m model) count(seq uint64) (n int) {
	for _, e := range m {
		if e.Seq > seq {
			n++
		}
	}
	return n
}

// below returns the entries below before, all for 0.
func (m model) below(before uint64) model {
	if before == 0 {
		return m
	}
	return m[:len(m)-m.count(before-1)]
}

func sameEntry(a, b jetstream.Entry) bool {
	return a.Room == b.Room && a.Seq == b.Seq && string(a.Body) == string(b.Body)
}

// TestReadsAgreeWithAModel appends at random to rooms that share a shard, and
// asks at random. SEED=n in the environment repeats a run.
func TestReadsAgreeWithAModel(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	if kept := os.Getenv("SEED"); kept != "" {
		var err error
		if seed, err = strconv.ParseUint(kept, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	l := open(t, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	rooms := append(roomsOfOneShard(l, 4), "elsewhere")
	models := map[string]model{}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var last uint64 // of any room
	for step := range 1000 {
		// The first room gets most, the fourth nothing.
		room := rooms[[]int{0, 0, 0, 0, 0, 0, 1, 2, 4}[random.IntN(9)]]
		asked := rooms[random.IntN(len(rooms))]
		m := models[asked]
		seq := random.Uint64N(last + 3)
		switch random.IntN(7) {
		default: // more appends than any question
			body := fmt.Sprintf("%d %0*d", step, random.IntN(100), 0)
			r := put(t, l, room, body, body)
			models[room] = append(models[room], jetstream.Entry{Room: room, Seq: r.Seq, Body: []byte(body)})
			last = max(last, r.Seq)
		case 0:
			e, err := l.Head(ctx, asked)
			check(err)
			var want jetstream.Entry
			if len(m) > 0 {
				want = m[len(m)-1]
			}
			if !sameEntry(e, want) {
				t.Fatalf("step %d: Head(%s) is %+v, want %+v", step, asked, e, want)
			}
		case 1:
			e, err := l.At(ctx, asked, seq)
			check(err)
			var want jetstream.Entry
			if i := slices.IndexFunc(m, func(e jetstream.Entry) bool { return e.Seq == seq }); i >= 0 {
				want = m[i]
			}
			if !sameEntry(e, want) {
				t.Fatalf("step %d: At(%s, %d) is %+v, want %+v", step, asked, seq, e, want)
			}
		case 2:
			n, err := l.Count(ctx, asked, seq)
			check(err)
			if n != m.count(seq) {
				t.Fatalf("step %d: Count(%s, %d) is %d, want %d", step, asked, seq, n, m.count(seq))
			}
		case 3:
			limit, maxBytes := 1+random.IntN(60), random.IntN(2)*(1+random.IntN(4000))
			page, err := l.After(ctx, asked, seq, limit, maxBytes)
			check(err)
			want := m.after(seq)
			want = want[:min(limit, len(want))]
			if maxBytes > 0 && len(page) > 0 && len(page) < len(want) {
				want = want[:len(page)] // bytes may end it sooner, but never at nothing
			}
			if !slices.EqualFunc(page, want, sameEntry) {
				t.Fatalf("step %d: After(%s, %d, %d, %d) has %d entries, want %d", step, asked, seq, limit, maxBytes, len(page), len(want))
			}
		case 4:
			before := seq * uint64(random.IntN(2))
			n := 1 + random.IntN(60)
			start, more, err := l.Back(ctx, asked, before, n)
			check(err)
			below := m.below(before)
			if found := below.count(start); found != min(n, len(below)) || more != (len(below) > n) {
				t.Fatalf("step %d: Back(%s, %d, %d): got %d, more %v: %d entries from there, want %d, more %v", step, asked, before, n, start, more, found, min(n, len(below)), len(below) > n)
			}
		}
	}
}

// Sequences come from clients: the largest number is as good as any.
func TestReadsBeyondTheEnd(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	for i := range 10 {
		put(t, l, "x", fmt.Sprint(i), fmt.Sprint(i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	for _, seq := range []uint64{11, 1 << 40, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64 - 1, math.MaxUint64} {
		if page, err := l.After(ctx, "x", seq, 100, 0); err != nil || len(page) > 0 {
			t.Errorf("After(%d): got %d entries, %v, want none", seq, len(page), err)
		}
		if n, err := l.Count(ctx, "x", seq); err != nil || n > 0 {
			t.Errorf("Count(%d): got %d, %v, want 0", seq, n, err)
		}
		if e, err := l.At(ctx, "x", seq); err != nil || e.Seq != 0 {
			t.Errorf("At(%d): got %+v, %v, want nothing", seq, e, err)
		}
		start, more, err := l.Back(ctx, "x", seq, 3)
		if err != nil || !more {
			t.Errorf("Back(%d): got %d, more %v, %v, want more", seq, start, more, err)
			continue
		}
		if page, err := l.After(ctx, "x", start, 100, 0); err != nil || !slices.Equal(bodies(page), []string{"7", "8", "9"}) {
			t.Errorf("from Back(%d) = %d on: got %q, %v, want 7, 8, 9", seq, start, bodies(page), err)
		}
	}
}

func TestNewestTellsTheRoomsWrittenToSince(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	rooms := roomsOfOneShard(l, 3)
	shard := l.Shard(rooms[0])
	for i := range 3 {
		put(t, l, rooms[0], fmt.Sprint("a", i), "a")
	}
	mark := put(t, l, rooms[1], "b", "b").Seq
	last := put(t, l, rooms[2], "c", "c").Seq
	if got, err := l.LastSeq(t.Context(), shard); got != last || err != nil {
		t.Errorf("LastSeq is %d, %v, want %d", got, err, last)
	}
	for _, test := range []struct {
		seq  uint64
		want []string // the rooms
	}{{0, rooms}, {mark, rooms[2:]}, {last, nil}} {
		entries, looked, err := l.Newest(t.Context(), shard, test.seq)
		if err != nil || looked != last {
			t.Fatalf("Newest(%d) looked up to %d, %v, want %d", test.seq, looked, err, last)
		}
		var got []string
		for _, e := range entries {
			if n := len(got); n == 0 || got[n-1] != e.Room {
				got = append(got, e.Room)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("Newest(%d) has %q, want %q", test.seq, got, test.want)
		}
	}
}

// TestAQuietRoomIsListedBesideABusyOne: also one that was last written to long
// ago. Of more rooms than the store answers for, the last ones are listed.
func TestAQuietRoomIsListedBesideABusyOne(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	rooms := roomsOfOneShard(l, 1101)
	shard := l.Shard(rooms[0])
	put(t, l, rooms[0], "quiet", "quiet")
	for i := range 700 {
		put(t, l, rooms[1], fmt.Sprint("busy", i), "busy")
	}
	listed := func() (names []string) {
		entries, _, err := l.Newest(t.Context(), shard, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !slices.Contains(names, e.Room) {
				names = append(names, e.Room)
			}
		}
		return names
	}
	if got := listed(); !slices.Equal(got, rooms[:2]) {
		t.Errorf("listed are %q, want %q", got, rooms[:2])
	}
	for i, room := range rooms[2:] {
		put(t, l, room, fmt.Sprint("one", i), "one")
	}
	if got := listed(); !slices.Equal(got, rooms[len(rooms)-500:]) {
		t.Errorf("listed are %d rooms from %q on, want the last 500", len(got), got[0])
	}
}
