package chat

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"websockets/server/eventlog"
	"websockets/server/servertest"
	"websockets/server/wsframe"
	"websockets/shared"
)

// stallingConn takes what is written to it, and stalls where it is told to: a
// Write then takes what comes before that place and fails as an interrupted one
// does.
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

// frames returns what was written, cut into the payloads of its frames.
func (c *stallingConn) frames(t *testing.T) (payloads []string) {
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
		payloads = append(payloads, string(rest[header:n]))
		rest = rest[n:]
	}
	return payloads
}

// writeTest is a client whose connection stalls, in two rooms.
type writeTest struct {
	conn   *stallingConn
	client *Client
	log    *handLog
	a, b   *member
}

func messageBody(room string, seq uint64) []byte {
	return []byte(fmt.Sprintf(`{"id":"%s-%d","room":"%s","message":"%s"}`, room, seq, room, strings.Repeat("x", int(seq%3))))
}

// newWriteTest returns a client that is active in room a, which has messages in
// more than one piece of its ring, and has a queue: answers, one that is made
// when its turn comes, an ack, then what makes it join room b, and more.
func newWriteTest(t testing.TB, stalls ...int) *writeTest {
	t.Helper()
	w := &writeTest{conn: &stallingConn{stalls: stalls}, log: newHandLog()}
	w.client = &Client{manager: &Manager{ctx: context.Background()}, net: w.conn, busy: true}
	w.client.pages.total = &w.client.manager.pages
	w.client.manager.now.Store(1)
	w.a, w.b = w.member(t, "a"), w.member(t, "b")
	w.grow(w.a, 1, 3)
	w.append(w.a, 4, []byte(fmt.Sprintf(`{"id":"long","room":"a","message":"%s"}`, strings.Repeat("x", 1800)))) // into another piece of memory
	w.grow(w.a, 5, 1)
	w.grow(w.b, 1, 3)
	w.a.target, w.b.target = 5, 3
	w.client.active = []*member{w.a}
	for _, out := range []outgoing{
		{frame: wsframe.NewText([]byte(`own 1`))},
		{build: func() []byte { return wsframe.NewText([]byte(`own 2, built`)) }},
		{frame: wsframe.NewText([]byte(`own 3`)), ack: true},
		{frame: wsframe.NewText([]byte(`own 4, joins b`)), join: w.b},
		{frame: wsframe.NewText([]byte(`own 5`)), ack: true},
	} {
		if out.ack {
			w.client.egress.acks++
		}
		w.queue(out)
	}
	return w
}

func (w *writeTest) member(t testing.TB, name string) *member {
	t.Helper()
	return &member{room: w.log.openRoom(t, w.client.manager, name), client: w.client, syncing: true}
}

func (w *writeTest) append(m *member, seq uint64, body []byte) {
	w.log.subscribers[m.room.name].Append(eventlog.Record{Room: m.room.name, Seq: seq, Body: body})
}

func (w *writeTest) grow(m *member, first, n uint64) {
	for seq := first; seq < first+n; seq++ {
		w.append(m, seq, messageBody(m.room.name, seq))
	}
}

// queue does what enqueue does, without a goroutine for the writer.
func (w *writeTest) queue(out outgoing) {
	c := w.client
	c.mu.Lock()
	defer c.mu.Unlock()
	c.egress.queue = append(c.egress.queue, out)
	c.egress.bytes += len(out.frame)
	c.again = true
}

// of returns the frames of one origin: the client's own, or a room's.
func of(payloads []string, origin string) (list []string) {
	for _, p := range payloads {
		var e struct {
			Type    string
			Payload struct {
				Room   string
				Seq    uint64
				Cursor shared.Cursor
			}
		}
		switch err := json.Unmarshal([]byte(p), &e); {
		case err != nil:
			if origin == "own" {
				list = append(list, p)
			}
		case e.Payload.Room == origin:
			list = append(list, fmt.Sprint(e.Type, " ", max(e.Payload.Seq, e.Payload.Cursor.Seq)))
		}
	}
	return list
}

// check compares what was written: each origin's frames, all, once, in order;
// and nothing of room b before it was joined.
func (w *writeTest) check(t *testing.T, when string, want map[string][]string) {
	t.Helper()
	payloads := w.conn.frames(t)
	for origin, list := range want {
		if got := of(payloads, origin); !slices.Equal(got, list) {
			t.Fatalf("%s: of %s came %q\nwant %q", when, origin, got, list)
		}
	}
	joined := slices.Index(payloads, "own 4, joins b")
	if early := of(payloads[:joined], "b"); len(early) > 0 {
		t.Fatalf("%s: of b before it was joined: got %q, want nothing", when, early)
	}
	c := w.client
	if c.egress.acks != 0 || c.egress.bytes != 0 || len(c.egress.queue) != 0 || len(c.partial) != 0 || c.busy {
		t.Fatalf("%s: left over: got %d acks, %d bytes, %d queued, partial %q, busy %v, want nothing", when, c.egress.acks, c.egress.bytes, len(c.egress.queue), c.partial, c.busy)
	}
}

var wantWritten = map[string][]string{
	"own": {"own 1", "own 2, built", "own 3", "own 4, joins b", "own 5"},
	"a":   {"new_message 1", "new_message 2", "new_message 3", "new_message 4", "new_message 5", "synced 5"},
	"b":   {"new_message 1", "new_message 2", "new_message 3", "synced 3"},
}

// A write that stalls after any number of bytes, and once more after any number
// of those that follow: what is written in the end is the same.
func TestWhateverAWriteWasCutAtTheSameIsWritten(t *testing.T) {
	t.Parallel()
	whole := newWriteTest(t)
	whole.client.writeMessages()
	whole.check(t, "without a stall", wantWritten)
	random := servertest.Seeded(t)
	for first := range len(whole.conn.written) {
		for _, more := range []int{-1, (first % 2) * random.IntN(150)} {
			stalls := []int{first}
			if more >= 0 {
				stalls = append(stalls, first+more)
			}
			w := newWriteTest(t, stalls...)
			w.client.writeMessages()
			w.check(t, fmt.Sprintf("stalled at %v", stalls), wantWritten)
		}
	}
}

// While a write stalls, life goes on: answers are queued and rooms grow. What was
// held back still comes first.
func TestWhatComesWhileAWriteStallsComesAfterIt(t *testing.T) {
	t.Parallel()
	whole := newWriteTest(t)
	whole.client.writeMessages()
	for first := range len(whole.conn.written) {
		w := newWriteTest(t, first)
		w.conn.onStall = func(int) {
			w.queue(outgoing{frame: wsframe.NewText([]byte(`own 6`))})
			w.grow(w.a, 6, 1)
			w.grow(w.b, 4, 1)
		}
		w.client.writeMessages()
		payloads := w.conn.frames(t)
		if got := of(payloads, "own"); !slices.Equal(got, append(slices.Clone(wantWritten["own"]), "own 6")) {
			t.Fatalf("stalled at %d: of its own: got %q, want all six in order", first, got)
		}
		for origin, last := range map[string]int{"a": 6, "b": 4} {
			next, synced := 1, 0
			for _, f := range of(payloads, origin) {
				if strings.HasPrefix(f, "synced") {
					synced++
					if f != fmt.Sprint("synced ", next-1) {
						t.Fatalf("stalled at %d: of %s: got %s, want synced %d", first, origin, f, next-1)
					}
				} else {
					if f != fmt.Sprint("new_message ", next) {
						t.Fatalf("stalled at %d: of %s: got %s, want new_message %d", first, origin, f, next)
					}
					next++
				}
			}
			if next-1 != last || synced != 1 {
				t.Fatalf("stalled at %d: of %s: got %d messages and %d times synced, want %d and once", first, origin, next-1, synced, last)
			}
		}
	}
}

// A room that is left while a write with its messages stalls: of them only whole
// frames come, in order, and none after left.
func TestARoomIsLeftWhileAWriteStalls(t *testing.T) {
	t.Parallel()
	whole := newWriteTest(t)
	whole.client.writeMessages()
	for first := range len(whole.conn.written) {
		w := newWriteTest(t, first)
		w.conn.onStall = func(int) { w.queue(outgoing{frame: wsframe.NewText([]byte(`own 6, leaves a`)), leave: w.a}) }
		w.client.writeMessages()
		payloads := w.conn.frames(t)
		if got := of(payloads, "own"); !slices.Equal(got, append(slices.Clone(wantWritten["own"]), "own 6, leaves a")) {
			t.Fatalf("stalled at %d: of its own: got %q, want all six in order", first, got)
		}
		left := slices.Index(payloads, "own 6, leaves a")
		if late := of(payloads[left:], "a"); len(late) > 0 {
			t.Fatalf("stalled at %d: of a after it was left: got %q, want nothing", first, late)
		}
		got := of(payloads, "a")
		if !slices.Equal(got, wantWritten["a"][:len(got)]) {
			t.Fatalf("stalled at %d: of a: got %q, want the beginning of %q", first, got, wantWritten["a"])
		}
		if got := of(payloads, "b"); !slices.Equal(got, wantWritten["b"]) {
			t.Fatalf("stalled at %d: of b: got %q, want %q", first, got, wantWritten["b"])
		}
	}
}

// What is read from the log because the ring does not reach back that far is let
// go of and read again in the same way.
func TestAWriteFromTheLogIsCutAnywhere(t *testing.T) {
	t.Parallel()
	fresh := func(stalls ...int) *writeTest {
		w := newWriteTest(t, stalls...)
		for seq := range uint64(2) {
			err := w.log.Append(t.Context(), "b", fmt.Sprint(seq), messageBody("b", seq+1), func(eventlog.Receipt, error) {})
			if err != nil {
				t.Fatal(err)
			}
		}
		w.log.subscribers["b"].Skip(2)
		w.b.target = 2
		return w
	}
	want := map[string][]string{
		"own": wantWritten["own"], "a": wantWritten["a"],
		"b": {"new_message 1", "new_message 2", "synced 2"},
	}
	whole := fresh()
	whole.client.writeMessages()
	whole.check(t, "without a stall", want)
	// b comes after what was written before it was joined, which other tests cut.
	for first := strings.Index(string(whole.conn.written), "joins b"); first < len(whole.conn.written); first++ {
		w := fresh(first)
		w.client.writeMessages()
		w.check(t, fmt.Sprintf("stalled at %d", first), want)
	}
}

// The last words: what is queued before a close frame, and the close frame, come
// whole, and nothing comes after it.
func TestAClosingConnectionIsCutAnywhere(t *testing.T) {
	t.Parallel()
	run := func(stalls ...int) *stallingConn {
		conn := &stallingConn{stalls: stalls}
		c := &Client{manager: &Manager{ctx: context.Background()}, net: conn, busy: true}
		c.pages.total = &c.manager.pages
		c.manager.now.Store(1)
		c.egress.queue = []outgoing{
			{frame: wsframe.NewText([]byte(`own 1`))},
			{frame: wsframe.NewText([]byte(`own 2`))},
			{frame: wsframe.NewClose(shared.CloseRestart, "why"), last: true},
			{frame: wsframe.NewText([]byte(`never`))},
		}
		c.writeMessages()
		return conn
	}
	want := string(run().written)
	if !strings.HasSuffix(want, "why") {
		t.Fatalf("written: %q", want)
	}
	for first := range len(want) {
		for second := first; second < len(want); second++ {
			if got := string(run(first, second).written); got != want {
				t.Errorf("stalled at %d and %d: written %q, want %q", first, second, got, want)
			}
		}
	}
}
