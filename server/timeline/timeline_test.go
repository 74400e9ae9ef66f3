package timeline

import (
	"fmt"
	"testing"

	"websockets/server/eventlog"
	"websockets/server/eventlog/memlog"
	"websockets/server/wsframe"
	"websockets/shared"
)

// open opens the timeline of a room on a log.
func open(t *testing.T, log eventlog.Log, memory *Memory, room string) *Timeline {
	t.Helper()
	tl, err := Open(t.Context(), Options{
		Room: room, Log: log, Memory: memory,
		Grown: func() {}, Reset: func() {}, Signal: func([]byte) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	return tl
}

func put(t *testing.T, log eventlog.Log, room, body string) (seq uint64) {
	t.Helper()
	err := log.Append(t.Context(), room, body, []byte(body), func(r eventlog.Receipt, _ error) { seq = r.Seq })
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// events returns the events that a reader gets beyond seq, and where it ends.
func events(t *testing.T, tl *Timeline, seq uint64) (list []string, last uint64) {
	t.Helper()
	for {
		frames, next, behind := tl.After(seq)
		if behind {
			page, err := tl.Read(t.Context(), seq, 1<<10)
			if err != nil {
				t.Fatal(err)
			}
			frames, next = page.Frames, page.Last
		}
		for len(frames) > 0 {
			n := wsframe.Length(frames)
			e, err := shared.DecodeEvent(frames[2:n]) // all of them are short
			if err != nil {
				t.Fatalf("frame %q: %v", frames[:n], err)
			}
			list = append(list, fmt.Sprint(e.Type, FrameSeq(frames[:n])))
			frames = frames[n:]
		}
		if next == seq {
			return list, seq
		}
		seq = next
	}
}

// A reader gets records of every type in order, from memory or from the log. It skips
// records that it does not understand.
func TestRecordsOfEveryType(t *testing.T) {
	t.Parallel()
	log := memlog.Open(memlog.Options{})
	var memory Memory
	tl := open(t, log, &memory, "x")
	bodies := []string{
		`{"id":"1","message":"a message"}`,
		`not even JSON`,
		`{"type":"of_the_future","payload":{"id":"2"}}`,
		`{"type":"without a payload"}`,
		`{"type":"empty","payload":{}}`,
		`{"id":"3","message":"the end"}`,
		`{"type":"`,
	}
	last := uint64(0)
	for _, body := range bodies {
		last = put(t, log, "x", body)
	}
	want := "[new_message1 of_the_future3 new_message6]"
	got, end := events(t, tl, 0)
	if fmt.Sprint(got) != want || end != last {
		t.Errorf("from memory: got %v up to %d, want %s up to %d", got, end, want, last)
	}
	later := open(t, log, &memory, "y") // its ring is empty, so x is read from the log
	later.room = "x"
	got, end = events(t, later, 0)
	if fmt.Sprint(got) != want || end != last {
		t.Errorf("from the log: got %v up to %d, want %s up to %d", got, end, want, last)
	}
}

// A page that arrives after the timeline was closed is not put into its ring.
func TestClosedTimelineIsNotBackfilled(t *testing.T) {
	t.Parallel()
	log := memlog.Open(memlog.Options{})
	var memory Memory
	put(t, log, "x", `{"id":"1"}`)
	last := put(t, log, "x", `{"id":"2"}`)
	tl := open(t, log, &memory, "x")
	tl.Close()
	page, err := tl.Read(t.Context(), 0, 1<<10)
	if err != nil || page.Last != last {
		t.Fatalf("Read: got up to %d, %v, want %d", page.Last, err, last)
	}
	if memory.Bytes() != 0 || tl.ring.base != last {
		t.Errorf("after Close: got %d bytes and a ring from %d on, want none and %d", memory.Bytes(), tl.ring.base, last)
	}
}

// Read reports the range that retention has removed.
func TestReadReportsRemovedRange(t *testing.T) {
	t.Parallel()
	log := memlog.Open(memlog.Options{MaxRoomMessages: 2})
	var memory Memory
	for i := range 5 {
		put(t, log, "x", fmt.Sprintf(`{"id":"%d"}`, i))
	}
	tl := open(t, log, &memory, "x")
	page, err := tl.Read(t.Context(), 1, 1<<10)
	if err != nil || page.Gone == nil || *page.Gone != (shared.Truncated{After: 1, First: 4}) {
		t.Errorf("Read: got %+v, %v, want (1, 4) gone", page.Gone, err)
	}
	page, err = tl.Read(t.Context(), 4, 1<<10)
	if err != nil || page.Gone != nil || page.Last != 5 {
		t.Errorf("Read of what is there: got up to %d, gone %+v, %v, want 5 and nothing gone", page.Last, page.Gone, err)
	}
}
