package jetstream_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"websockets/server/eventlog/jetstream"
)

// feed collects what followers deliver.
type feed struct {
	t       *testing.T
	entries chan jetstream.Entry
}

func run(t *testing.T, l *jetstream.Log) feed {
	f := feed{t, make(chan jetstream.Entry, 1<<16)} // more than any test appends, so that a follower never waits
	l.Run(jetstream.Feed{Deliver: func(batch []jetstream.Entry) {
		for _, e := range batch {
			f.entries <- e
		}
	}, Lost: func(shard int) {
		t.Errorf("Lost: got a call for shard %d, want none", shard)
	}})
	return f
}

// until returns what is delivered up to this sequence of this room, which is in
// the same shard as all others that the test follows.
func (f feed) until(room string, seq uint64) (entries []jetstream.Entry) {
	f.t.Helper()
	for {
		e := receive(f.t, f.entries, fmt.Sprintf("%d of %s on the feed", seq, room))
		entries = append(entries, e)
		if e.Room == room && e.Seq == seq {
			return entries
		}
	}
}

func follow(t *testing.T, l *jetstream.Log, room string) (head jetstream.Entry, unfollow func()) {
	t.Helper()
	head, unfollow, err := l.Follow(t.Context(), room)
	if err != nil {
		t.Fatal(err)
	}
	return head, unfollow
}

func TestFollowDeliversWhatComesAfterItsHead(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	f := run(t, l)
	rooms := roomsOfOneShard(l, 3)
	old := put(t, l, rooms[0], "old", "before anybody follows")

	head, _ := follow(t, l, rooms[0])
	if head.Seq != old.Seq || head.Room != rooms[0] || string(head.Body) != "before anybody follows" {
		t.Errorf("the head: got %+v, want sequence %d", head, old.Seq)
	}
	if head, _ := follow(t, l, rooms[1]); head.Seq != old.Seq || head.Body != nil {
		t.Errorf("the head of an empty room is %+v, want no message and the log's last sequence %d", head, old.Seq)
	}
	prev := map[string]uint64{rooms[0]: old.Seq}
	var want []jetstream.Entry
	var last uint64
	for i := range 60 {
		room := rooms[i%3] // the third is not followed
		body := fmt.Sprint(i)
		last = put(t, l, room, body, body).Seq
		if room != rooms[2] {
			want = append(want, jetstream.Entry{Room: room, Seq: last, Prev: prev[room], Body: []byte(body)})
		}
		prev[room] = last
	}
	got := f.until(rooms[1], want[len(want)-1].Seq)
	same := func(a, b jetstream.Entry) bool { return sameEntry(a, b) && a.Prev == b.Prev }
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("delivered %+v\nwant %+v", got, want)
	}
}

// A follower that begins in the midst of appends misses nothing after the head that
// Follow returns.
func TestFollowHasNoHoleAfterItsHead(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	f := run(t, l)
	const room, before, after = "x", 300, 300
	var settled atomic.Int64
	begun := make(chan struct{})
	proceed := make(chan struct{})
	done := make(chan uint64, 1)
	go func() {
		for i := range before + after {
			if i == before {
				close(begun)
				<-proceed // so that some are appended while Follow is at work, and some surely after it
			}
			body := fmt.Sprint(i)
			err := l.Append(t.Context(), room, body, []byte(body), func(r jetstream.Receipt, err error) {
				if err != nil {
					t.Errorf("append %s: got %v, want no error", body, err)
				}
				if settled.Add(1) == before+after {
					done <- r.Seq
				}
			})
			if err != nil {
				t.Errorf("append %s: got %v, want no error", body, err)
			}
		}
	}()
	<-begun
	head, _ := follow(t, l, room)
	close(proceed)
	last := receive(t, done, "the appends")
	prev := head.Seq
	for _, e := range f.until(room, last) {
		if e.Seq <= head.Seq {
			continue // delivered before Follow returned
		}
		if e.Prev != prev {
			t.Fatalf("entry %d after head %d: got %d before it, want %d", e.Seq, head.Seq, e.Prev, prev)
		}
		prev = e.Seq
	}
}

func TestNothingIsDeliveredAfterUnfollow(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	f := run(t, l)
	rooms := roomsOfOneShard(l, 2)
	_, unfollow := follow(t, l, rooms[0])
	follow(t, l, rooms[1])
	last := put(t, l, rooms[0], "1", "followed").Seq
	f.until(rooms[0], last)
	unfollow()
	put(t, l, rooms[0], "2", "not followed any more")
	last = put(t, l, rooms[1], "3", "its shard's next").Seq
	if got := f.until(rooms[1], last); len(got) != 1 {
		t.Errorf("delivered: got %q, want one of the followed room", bodies(got))
	}
	// It can be followed again, from the head it has now.
	if head, _ := follow(t, l, rooms[0]); string(head.Body) != "not followed any more" {
		t.Errorf("head: got %q, want the last one, which was not followed", head.Body)
	}
	again := put(t, l, rooms[0], "4", "again").Seq
	if got := f.until(rooms[0], again); len(got) != 1 {
		t.Errorf("delivered: got %q, want one", bodies(got))
	}
}
