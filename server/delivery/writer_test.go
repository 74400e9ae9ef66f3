package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"websockets/server/eventlog/memlog"
	"websockets/server/servertest"
	"websockets/server/wsframe"
	"websockets/shared"
)

// stallingConn keeps what is written to it. At each offset in stalls, one Write takes the
// bytes up to the offset and fails as an interrupted write does.
type stallingConn struct {
	net.Conn
	written []byte
	stalls  []int         // offsets in all that is written, ascending
	onStall func(nth int) // called while the writer waits
	nth     int
}

func (c *stallingConn) Write(p []byte) (int, error) {
	if c.nth < len(c.stalls) && len(c.written)+len(p) > c.stalls[c.nth] {
		n := c.stalls[c.nth] - len(c.written)
		c.written = append(c.written, p[:n]...)
		if c.onStall != nil {
			c.onStall(c.nth)
		}
		c.nth++
		return n, os.ErrDeadlineExceeded
	}
	c.written = append(c.written, p...)
	return len(p), nil
}

func (c *stallingConn) SetWriteDeadline(time.Time) error { return nil }
func (c *stallingConn) SetReadDeadline(time.Time) error  { return nil }
func (c *stallingConn) Close() error                     { return nil }

// written is a frame: an event of a room, or a frame of the client's own.
type written struct{ origin, text string }

// frames returns what was written, frame by frame.
func (c *stallingConn) frames(t *testing.T) (frames []written) {
	t.Helper()
	for rest := c.written; len(rest) > 0; {
		if len(rest) < 2 || len(rest) < wsframe.Length(rest) {
			t.Fatalf("written: got half a frame at the end of %q, want whole ones", c.written)
		}
		n := wsframe.Length(rest)
		header := 2
		if rest[1] == 126 {
			header = 4
		}
		frames = append(frames, writtenBy(rest[header:n]))
		rest = rest[n:]
	}
	return frames
}

func writtenBy(payload []byte) written {
	if !strings.HasPrefix(string(payload), "{") {
		return written{"own", string(payload)}
	}
	var e struct {
		Type    string
		Payload struct {
			Room      string
			Seq       uint64
			Cursor    shared.Cursor
			Truncated *shared.Truncated
		}
	}
	err := json.Unmarshal(payload, &e)
	if err != nil {
		return written{"broken", string(payload)}
	}
	if gone := e.Payload.Truncated; gone != nil {
		return written{e.Payload.Room, fmt.Sprintf("truncated %d-%d", gone.After, gone.First)}
	}
	return written{e.Payload.Room, fmt.Sprint(e.Type, " ", max(e.Payload.Seq, e.Payload.Cursor.Seq))}
}

// writeTest is a connection that stalls, with subscriptions to two rooms.
type writeTest struct {
	conn *stallingConn
	out  *Conn
	log  *handLog
	a, b *Subscription
}

// newTestConn returns a Conn that is already scheduled, on a pool without goroutines.
// Nothing is written until the test runs a driver.
func newTestConn(conn net.Conn) *Conn {
	pool := &Pool{ctx: context.Background()}
	pool.Tick()
	c := pool.NewConn(conn)
	c.egress.scheduled = true
	return c
}

func messageBody(room string, seq uint64) []byte {
	return []byte(fmt.Sprintf(`{"id":"%s-%d","room":"%s","message":"%s"}`, room, seq, room, strings.Repeat("x", int(seq%3))))
}

// newWriteTest returns a connection with a subscription to room a, whose messages lie in
// two chunks of its ring, and with these frames in its queue: two answers, the second
// built when it is written; a reserved answer; the one that subscribes to room b; another
// reserved answer.
func newWriteTest(t testing.TB, stalls ...int) *writeTest {
	t.Helper()
	return newWriteTestOn(t, newHandLog(memlog.Options{}), stalls...)
}

func newWriteTestOn(t testing.TB, log *handLog, stalls ...int) *writeTest {
	t.Helper()
	w := &writeTest{conn: &stallingConn{stalls: stalls}, log: log}
	w.out = newTestConn(w.conn)
	a, b := log.open(t, "a", func() {}), log.open(t, "b", func() {})
	w.grow("a", 1, 3)
	w.log.append("a", 4, []byte(fmt.Sprintf(`{"id":"long","room":"a","message":"%s"}`, strings.Repeat("x", 1800)))) // into another piece of memory
	w.grow("a", 5, 1)
	w.grow("b", 1, 3)
	w.a, w.b = w.subscription(a), w.subscription(b)
	w.out.writer.subs = []*Subscription{w.a}
	w.out.Send(wsframe.NewText([]byte(`own 1`)))
	w.out.SendCursor(w.a, nil, func(at shared.Cursor, err error) []byte {
		return wsframe.NewText([]byte(fmt.Sprintf(`own 2, built at %d, %v`, at.Seq, err)))
	})
	w.sendReserved(`own 3`)
	w.out.Subscribe(w.b, nil, wsframe.NewText([]byte(`own 4, joins b`)))
	w.sendReserved(`own 5`)
	return w
}

func (w *writeTest) subscription(source *Source) *Subscription {
	s := w.out.NewSubscription(source, 0, nil)
	return &s
}

func (w *writeTest) sendReserved(text string) {
	w.out.Reserve()
	w.out.SendReserved(wsframe.NewText([]byte(text)))
}

// grow appends messages to a room, and schedules its subscriptions.
func (w *writeTest) grow(room string, first, n uint64) {
	for seq := first; seq < first+n; seq++ {
		w.log.append(room, seq, messageBody(room, seq))
	}
	w.out.egress.markReady()
}

// A driver writes until there is nothing more to write. All drivers must write the same.
type driver struct {
	name string
	run  func(*writeTest)
}

var drivers = []driver{
	{"writeMessages", func(w *writeTest) { w.out.writer.writeMessages() }},
	{"pool", func(w *writeTest) {
		var b batch
		pool := w.out.pool
		w.out.raw = stallingSocket{}
		w.out.schedule()
		for pool.first != nil {
			pool.take().writeNow(&b, w.conn.try)
			b.reset()
		}
		<-w.out.egress.awaitIdle(false) // it may have handed over
	}},
}

// stallingSocket is the raw connection of a stallingConn, which the pool requires.
type stallingSocket struct{ syscall.RawConn }

// try is a non-blocking write: where a stallingConn stalls, the socket is full.
func (c *stallingConn) try(_ syscall.RawConn, b *batch) (n int) {
	for _, item := range b.items {
		taken, _ := c.Write(item.frames)
		n += taken
		if taken < len(item.frames) {
			break
		}
	}
	return n
}

func (e *egress) isScheduled() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.scheduled
}

// of returns the frames of one origin.
func of(frames []written, origin string) (list []string) {
	for _, f := range frames {
		if f.origin == origin {
			list = append(list, f.text)
		}
	}
	return list
}

// from returns the frames that begin with this one of the client's own.
func from(frames []written, own string) []written {
	return frames[slices.Index(frames, written{"own", own}):]
}

// check fails unless each origin's frames were written completely, once and in order,
// room b's after it was joined, and nothing is left over.
func (w *writeTest) check(t *testing.T, when string, want map[string][]string) {
	t.Helper()
	frames := w.conn.frames(t)
	for origin, list := range want {
		if got := of(frames, origin); !slices.Equal(got, list) {
			t.Fatalf("%s: of %s came %q\nwant %q", when, origin, got, list)
		}
	}
	if late := of(from(frames, "own 4, joins b"), "b"); !slices.Equal(late, want["b"]) {
		t.Fatalf("%s: of b after it was joined: got %q, want %q", when, late, want["b"])
	}
	e := &w.out.egress
	if e.reserved != 0 || e.bytes != 0 || len(e.queue) != 0 || w.out.writer.partial != nil || e.scheduled {
		t.Fatalf("%s: left over: got %d reserved, %d bytes, %d queued, partial %v, scheduled %v, want nothing",
			when, e.reserved, e.bytes, len(e.queue), w.out.writer.partial, e.scheduled)
	}
}

var wantWritten = map[string][]string{
	"own": {"own 1", "own 2, built at 0, <nil>", "own 3", "own 4, joins b", "own 5"},
	"a":   {"new_message 1", "new_message 2", "new_message 3", "new_message 4", "new_message 5", "synced 5"},
	"b":   {"new_message 1", "new_message 2", "new_message 3", "synced 3"},
}

// isInLongText reports whether an offset lies inside the text of the long message, at
// least 8 bytes from its ends. There, one offset is like the next.
func isInLongText(written []byte, at int) bool {
	const margin = 8
	return at >= margin && at+margin <= len(written) &&
		bytes.Count(written[at-margin:at+margin], []byte("x")) == 2*margin
}

// eachCut runs the test for each driver, with a connection that stalls once. It tries
// all offsets from first on of what fresh writes without a stall, except that it tries
// only every 50th inside the long message.
func eachCut(t *testing.T, first int, fresh func(stalls ...int) *writeTest, test func(when string, d driver, cut int)) {
	t.Helper()
	for _, d := range drivers {
		whole := fresh()
		d.run(whole)
		for cut := first; cut < len(whole.conn.written); cut++ {
			if cut%50 > 0 && isInLongText(whole.conn.written, cut) {
				continue
			}
			test(fmt.Sprintf("%s, stalled at %d", d.name, cut), d, cut)
		}
	}
}

// A write stalls after any number of bytes, and in some cases a second time. The same
// frames are written as without a stall.
func TestWriteResumesAfterAnyStall(t *testing.T) {
	t.Parallel()
	fresh := func(stalls ...int) *writeTest { return newWriteTest(t, stalls...) }
	for _, d := range drivers {
		whole := fresh()
		d.run(whole)
		whole.check(t, d.name+", without a stall", wantWritten)
	}
	random := servertest.Seeded(t)
	eachCut(t, 0, fresh, func(_ string, d driver, cut int) {
		for _, more := range []int{-1, (cut % 2) * random.IntN(150)} {
			stalls := []int{cut}
			if more >= 0 {
				stalls = append(stalls, cut+more)
			}
			w := fresh(stalls...)
			d.run(w)
			w.check(t, fmt.Sprintf("%s, stalled at %v", d.name, stalls), wantWritten)
		}
	})
}

// Answers are queued and rooms grow while a write stalls. They come after the frames that
// were held up.
func TestNewFramesFollowStalledWrite(t *testing.T) {
	t.Parallel()
	fresh := func(stalls ...int) *writeTest { return newWriteTest(t, stalls...) }
	eachCut(t, 0, fresh, func(when string, d driver, cut int) {
		w := fresh(cut)
		w.conn.onStall = func(int) {
			w.out.Send(wsframe.NewText([]byte(`own 6`)))
			w.grow("a", 6, 1)
			w.grow("b", 4, 1)
		}
		d.run(w)
		frames := w.conn.frames(t)
		if got := of(frames, "own"); !slices.Equal(got, append(slices.Clone(wantWritten["own"]), "own 6")) {
			t.Fatalf("%s: of its own: got %q, want all six in order", when, got)
		}
		for origin, last := range map[string]int{"a": 6, "b": 4} {
			next, synced := 1, 0
			for _, f := range of(frames, origin) {
				if strings.HasPrefix(f, "synced") {
					synced++
					if f != fmt.Sprint("synced ", next-1) {
						t.Fatalf("%s: of %s: got %s, want synced %d", when, origin, f, next-1)
					}
				} else {
					if f != fmt.Sprint("new_message ", next) {
						t.Fatalf("%s: of %s: got %s, want new_message %d", when, origin, f, next)
					}
					next++
				}
			}
			if next-1 != last || synced != 1 {
				t.Fatalf("%s: of %s: got %d messages and %d times synced, want %d and once", when, origin, next-1, synced, last)
			}
		}
	})
}

// A room is left while a write with its messages stalls. Its frames that are still
// written are whole and in order, and none comes after left.
func TestUnsubscribeDuringStalledWrite(t *testing.T) {
	t.Parallel()
	fresh := func(stalls ...int) *writeTest { return newWriteTest(t, stalls...) }
	eachCut(t, 0, fresh, func(when string, d driver, cut int) {
		w := fresh(cut)
		w.conn.onStall = func(int) { w.out.Unsubscribe(w.a, wsframe.NewText([]byte(`own 6, leaves a`))) }
		d.run(w)
		frames := w.conn.frames(t)
		if got := of(frames, "own"); !slices.Equal(got, append(slices.Clone(wantWritten["own"]), "own 6, leaves a")) {
			t.Fatalf("%s: of its own: got %q, want all six in order", when, got)
		}
		if late := of(from(frames, "own 6, leaves a"), "a"); len(late) > 0 {
			t.Fatalf("%s: of a after it was left: got %q, want nothing", when, late)
		}
		got := of(frames, "a")
		if !slices.Equal(got, wantWritten["a"][:len(got)]) {
			t.Fatalf("%s: of a: got %q, want the beginning of %q", when, got, wantWritten["a"])
		}
		if got := of(frames, "b"); !slices.Equal(got, wantWritten["b"]) {
			t.Fatalf("%s: of b: got %q, want %q", when, got, wantWritten["b"])
		}
	})
}

// Frames that were read from the log, because the ring does not reach back far enough,
// are rolled back and read again.
func TestWriteFromLogResumesAfterAnyStall(t *testing.T) {
	t.Parallel()
	fresh := func(stalls ...int) *writeTest {
		w := newWriteTest(t, stalls...)
		w.log.store(t, "b", messageBody("b", 1))
		w.log.store(t, "b", messageBody("b", 2))
		w.log.subscribers["b"].Skip(2)
		w.b.target = 2
		return w
	}
	want := map[string][]string{
		"own": wantWritten["own"], "a": wantWritten["a"],
		"b": {"new_message 1", "new_message 2", "synced 2"},
	}
	whole := fresh()
	drivers[0].run(whole)
	whole.check(t, "without a stall", want)
	// Other tests cover the frames before b is joined.
	joins := strings.Index(string(whole.conn.written), "joins b")
	eachCut(t, joins, fresh, func(when string, d driver, cut int) {
		w := fresh(cut)
		d.run(w)
		w.check(t, when, want)
	})
}

// The log no longer has the beginning of what is read. The client is sent one event that
// names the lost range, and another if more has expired when it is read again.
func TestTruncationIsSentOnceUnlessItGrows(t *testing.T) {
	t.Parallel()
	fresh := func(stalls ...int) *writeTest {
		w := newWriteTestOn(t, newHandLog(memlog.Options{MaxRoomMessages: 2}), stalls...)
		for seq := uint64(1); seq <= 5; seq++ {
			w.log.store(t, "b", messageBody("b", seq))
		}
		w.log.subscribers["b"].Skip(5)
		w.b.target = 5
		return w
	}
	want := map[string][]string{
		"own": wantWritten["own"], "a": wantWritten["a"],
		"b": {"truncated 0-4", "new_message 4", "new_message 5", "synced 5"},
	}
	whole := fresh()
	drivers[0].run(whole)
	whole.check(t, "without a stall", want)
	joins := strings.Index(string(whole.conn.written), "joins b")
	eachCut(t, joins, fresh, func(when string, d driver, cut int) {
		w := fresh(cut)
		d.run(w)
		w.check(t, when, want)

		w = fresh(cut)
		w.conn.onStall = func(int) { // two more, so the two that were there are gone
			w.log.store(t, "b", messageBody("b", 6))
			w.log.store(t, "b", messageBody("b", 7))
			w.log.subscribers["b"].Skip(7)
			w.out.egress.markReady()
		}
		d.run(w)
		next := 1
		for _, f := range of(w.conn.frames(t), "b") {
			var seq, after, first int
			if n, _ := fmt.Sscanf(f, "truncated %d-%d", &after, &first); n == 2 {
				if after >= next {
					t.Fatalf("%s: got %s when %d was missing, want it in the range", when, f, next)
				}
				next = first
			} else if n, _ := fmt.Sscanf(f, "new_message %d", &seq); n == 1 {
				if seq != next {
					t.Fatalf("%s: got %s, want %d, or to be told that it is gone", when, f, next)
				}
				next++
			}
		}
		if next != 8 {
			t.Fatalf("%s: got messages up to %d, want 7", when, next-1)
		}
	})
}

// If room_joined has named the lost range, it is not sent again.
func TestTruncationInRoomJoinedIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, first := range []uint64{4, 0} { // 0: the room had nothing beyond the gap then
		log := newHandLog(memlog.Options{MaxRoomMessages: 2})
		w := &writeTest{conn: &stallingConn{}, log: log}
		w.out = newTestConn(w.conn)
		source := log.open(t, "a", func() {})
		for seq := uint64(1); seq <= 5; seq++ {
			log.store(t, "a", messageBody("a", seq))
		}
		log.subscribers["a"].Skip(5)
		s := w.out.NewSubscription(source, 0, &shared.Truncated{After: 0, First: first})
		w.out.Subscribe(&s, nil, wsframe.NewText([]byte("joined")))
		w.out.writer.writeMessages()
		if got, want := of(w.conn.frames(t), "a"), []string{"new_message 4", "new_message 5", "synced 5"}; !slices.Equal(got, want) {
			t.Errorf("told of a gap up to %d: got %q, want %q", first, got, want)
		}
	}
}

// The frames before a close frame, and the close frame, are written whole. Nothing comes
// after it.
func TestCloseFrameAfterAnyStall(t *testing.T) {
	t.Parallel()
	run := func(d driver, stalls ...int) *stallingConn {
		w := &writeTest{conn: &stallingConn{stalls: stalls}}
		w.out = newTestConn(w.conn)
		w.out.Send(wsframe.NewText([]byte(`own 1`)))
		w.out.Send(wsframe.NewText([]byte(`own 2`)))
		w.out.Close(shared.CloseRestart, "why")
		w.out.Send(wsframe.NewText([]byte(`never`)))
		d.run(w)
		if !w.out.egress.writerDone {
			t.Errorf("%s, stalled at %v: got a writer that goes on, want it done", d.name, stalls)
		}
		return w.conn
	}
	want := string(run(drivers[0]).written)
	if !strings.HasSuffix(want, "why") {
		t.Fatalf("written: got %q, want a close frame at the end", want)
	}
	for _, d := range drivers {
		for first := range len(want) {
			for second := first; second < len(want); second++ {
				if got := string(run(d, first, second).written); got != want {
					t.Errorf("%s, stalled at %d and %d: written %q, want %q", d.name, first, second, got, want)
				}
			}
		}
	}
}
