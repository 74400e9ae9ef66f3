package e2e

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"websockets/server/servertest"
	"websockets/shared"
)

// hall is a room that is flooded, and its members.
type hall struct {
	t       *testing.T
	server  *servertest.Process
	senders []*servertest.Conn
	members []*servertest.Listener // each gets everything before a flood is over
	size    int                    // of a message in bytes
	floods  int
	record  []servertest.Stored // of all floods
}

// giveUp is longer than the server waits for a write that does not move, which is
// 2 to 3 s: a test of a reader that has stopped goes on for so long.
const giveUp = 4 * time.Second

func openHall(t *testing.T, server *servertest.Process, members, size int) *hall {
	h := &hall{t: t, server: server, size: size, senders: servertest.DialAll(t, server.WS(), 4, servertest.DialOptions{Room: "hall"})}
	for range members {
		h.members = append(h.members, servertest.Listen(servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "hall"}), "hall"))
	}
	return h
}

// flood writes n messages as fast as the members get them, and returns when they
// have them all.
func (h *hall) flood(n int) {
	h.t.Helper()
	h.floods++
	text := func(string) string { return servertest.Stamp(h.size) }
	h.record = append(h.record, servertest.FloodRoom(h.t, h.senders, "hall", fmt.Sprint("f", h.floods), n, 16, text)...)
	for _, m := range h.members {
		m.Await(len(h.record))
	}
}

// check compares what members have got with what was sent.
func (h *hall) check(who string, members []*servertest.Listener) {
	h.t.Helper()
	for i, m := range members {
		if d := servertest.Difference(m.Record(), h.record); d != "" {
			h.t.Errorf("%s %d: %s", who, i, d)
		}
	}
}

// TestOneWhoStopsReading: one of twenty members stops reading. The others have every
// message of a flood while it stands still, and when it reads on it gets everything
// in order on the same connection.
func TestOneWhoStopsReading(t *testing.T) {
	t.Parallel()
	const messages, size = 1500, 3500 // 5 MB: more than kernels hold for a connection
	server := servertest.Start(t, "--rate", "0")
	slow := servertest.Listen(servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "hall", SmallWindow: true}), "hall")
	h := openHall(t, server, 19, size)
	h.flood(100)
	slow.Await(len(h.record))

	before, begin := server.Memory(), time.Now()
	slow.Stop()
	h.flood(messages) // returns when all others have it
	<-time.After(giveUp - time.Since(begin))
	has, grown := len(slow.Record()), server.Memory()-before
	if most := len(h.record) - messages + 1; has > most { // one that it was reading when it was stopped
		t.Fatalf("messages of the member that has stopped: got %d, want at most %d", has, most)
	}
	if limit := int64(96 << 20); grown > limit {
		t.Errorf("growth of the server's memory: got %d MB, want at most %d MB", grown>>20, limit>>20)
	}
	slow.Resume()
	slow.Await(len(h.record))
	h.check("the slow member", []*servertest.Listener{slow})
	h.check("member", h.members)
}

// TestAHundredStopReading: a hundred members stop at once. The others have every
// message of a flood while those stand still, the server holds little for each, and
// when they read on each gets everything in order on the same connection.
func TestAHundredStopReading(t *testing.T) {
	t.Parallel()
	const readers, messages, size = 100, 700, 2000
	server := servertest.Start(t, "--rate", "0")
	h := openHall(t, server, 4, size)
	h.flood(100)
	missed := len(h.record)
	slow := h.joinStopped(readers)

	before, watched, begin := server.Memory(), server.WatchMemory(), time.Now()
	h.flood(messages) // returns when all others have it
	<-time.After(giveUp - time.Since(begin))
	grown := watched() - before
	for i, l := range slow {
		if has := len(l.Record()); has != 0 {
			t.Fatalf("messages of reader %d, which has stopped: got %d, want 0", i, has)
		}
	}
	t.Logf("memory grew by %d KB", grown>>10)
	// A queue for each would be 1.4 MB for each, 140 MB. What the server holds is
	// less than 0.1 MB for each; the rest is the store's and the heap's.
	if limit := int64(48 << 20); grown > limit {
		t.Errorf("growth of the server's memory: got %d MB, want at most %d MB", grown>>20, limit>>20)
	}
	h.resume(slow, missed)
	h.check("member", h.members)
}

// joinStopped has members come at the end of the room that read nothing any more.
func (h *hall) joinStopped(n int) (stopped []*servertest.Listener) {
	h.t.Helper()
	last := h.record[len(h.record)-1]
	// With a cursor, so that nothing is sent that makes the kernel's buffers grow.
	end := shared.Cursor{Epoch: h.members[0].Epoch, Seq: last.Seq, ID: last.ID}
	for range n {
		c := servertest.Dial(h.t, h.server.WS(), servertest.DialOptions{Room: "hall", After: &end, SmallWindow: true})
		stopped = append(stopped, servertest.ListenStopped(c, "hall"))
	}
	return stopped
}

// resume lets members read on that stopped after so many messages, and checks that
// they get all others. Then they leave.
func (h *hall) resume(stopped []*servertest.Listener, after int) {
	h.t.Helper()
	for _, l := range stopped {
		l.Resume()
	}
	for i, l := range stopped {
		l.Await(len(h.record) - after)
		if d := servertest.Difference(l.Record(), h.record[after:]); d != "" {
			h.t.Errorf("reader %d: %s", i, d)
		}
		servertest.Close(l.Conn)
	}
}

// TestAFloodIsHeldAtItsSocket: a client writes as fast as its socket takes it and
// reads what comes. The server takes no more than it can store, so only what
// kernels hold is in flight; and another client's messages are stored while the
// flood goes on.
func TestAFloodIsHeldAtItsSocket(t *testing.T) {
	t.Parallel()
	const messages, others = 1000, 50
	server := servertest.Start(t, "--rate", "0")
	other := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "other"})
	// As large as they may be, 16 KB: a socket takes more of them than a disk does.
	f := startFlooder(t, server, strings.Repeat("𝒳", shared.MaxMessageLength), servertest.DialOptions{Room: "flooded"})
	var reading sync.WaitGroup
	reading.Go(f.read)
	askAcks(t, other, others)
	select {
	case <-f.ended:
		t.Error("the flood ended before another's messages were acked")
	default:
	}
	servertest.Eventually(t, fmt.Sprintf("%d acks of the flood", messages), func() bool { return f.acks.Load() >= messages })
	f.stop()
	reading.Wait()
	f.check(server)
	t.Logf("%d messages were acked, at most %d KB were in flight", len(f.acked), f.inFlight>>10)
	if limit := int64(16 << 20); f.inFlight > limit { // kernels hold 10 MB at most
		t.Errorf("bytes in flight: got %d MB, want at most %d MB", f.inFlight>>20, limit>>20)
	}
}

// TestAFloodThatNeverReadsItsAcks: the server stops reading from a client that does
// not read. That costs little memory, another client's messages are stored, and when
// the client reads on it gets an ack for all that it has written.
func TestAFloodThatNeverReadsItsAcks(t *testing.T) {
	t.Parallel()
	const most = 64 << 20 // bytes; kernels hold 10 MB
	server := servertest.Start(t, "--rate", "0", "--fsync", "interval")
	other := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "other"})
	before := server.Memory()
	f := startFlooder(t, server, strings.Repeat("x", 200), servertest.DialOptions{Room: "flooded", SmallWindow: true})
	for was := int64(-1); was != f.written.Load(); { // it stands still while others' messages are stored
		if was = f.written.Load(); was*f.size > most {
			t.Fatalf("bytes taken from a client that does not read: got %d MB, want at most %d MB", was*f.size>>20, most>>20)
		}
		askAcks(t, other, 200)
	}
	grown := server.Memory() - before
	t.Logf("%d messages were written, %d KB; memory grew by %d KB", f.written.Load(), f.written.Load()*f.size>>10, grown>>10)
	if limit := int64(48 << 20); grown > limit {
		t.Errorf("growth of the server's memory: got %d MB, want at most %d MB", grown>>20, limit>>20)
	}
	f.stop()
	f.read()
	f.check(server)
}

// askAcks sends n messages one after the other, each when the one before is acked.
func askAcks(t *testing.T, c *servertest.Conn, n int) {
	t.Helper()
	for range n {
		if _, err := servertest.Ask(c, shared.SendMessage, shared.SendMessagePayload{Message: "x"}, shared.Ack); err != nil {
			t.Fatal(err)
		}
	}
}

// flooder writes messages as fast as its socket takes them, on a goroutine of its
// own, until it is stopped.
type flooder struct {
	*servertest.Conn
	epoch   string
	size    int64 // of a frame, about
	stopped atomic.Bool
	written atomic.Int64  // messages
	acks    atomic.Int64  // that were read
	ended   chan struct{} // closed when the last event has been written

	// Owned by read.
	acked    []servertest.Stored
	inFlight int64 // the most bytes that were written and not acked
}

// startFlooder floods a room with messages that all have this text.
func startFlooder(t *testing.T, server *servertest.Process, text string, o servertest.DialOptions) *flooder {
	f := &flooder{Conn: servertest.Dial(t, server.WS(), o), size: int64(len(text)) + 100, ended: make(chan struct{})}
	f.epoch = servertest.Await(f.Conn, shared.Synced).Cursor.Epoch
	go func() {
		defer close(f.ended)
		for n := 0; !f.stopped.Load(); n++ {
			if err := f.Write(shared.SendMessage.Frame(fmt.Sprint("flood-", n), shared.SendMessagePayload{Message: text})); err != nil {
				t.Errorf("after %d messages of a flood: %v", n, err)
				return
			}
			f.written.Add(1)
		}
		if err := f.Write(shared.Ping.Frame("last", shared.Empty{})); err != nil {
			t.Errorf("after a flood: %v", err)
		}
	}()
	t.Cleanup(func() {
		servertest.Close(f.Conn)
		<-f.ended
	})
	return f
}

// stop has it write no more messages; the one that it is writing may take until its
// acks are read.
func (f *flooder) stop() { f.stopped.Store(true) }

// read notes the acks until it has been stopped and all that it has written is acked.
func (f *flooder) read() {
	for last := false; !last || len(f.acked) < int(f.written.Load()); {
		frame, err := f.Next()
		if err != nil {
			f.T.Errorf("after %d acks of %d messages: %v", len(f.acked), f.written.Load(), err)
			return
		}
		last = last || servertest.IsEvent(frame, shared.Pong.Name())
		if m, ok := servertest.AckIn(frame); ok {
			f.acked = append(f.acked, m)
			f.inFlight = max(f.inFlight, (f.written.Load()-f.acks.Add(1))*f.size)
		}
	}
}

// check compares the acks with the log.
func (f *flooder) check(server *servertest.Process) {
	f.T.Helper()
	reader := servertest.Dial(f.T, server.WS(), servertest.DialOptions{Room: "flooded", After: &shared.Cursor{Epoch: f.epoch}})
	var got []servertest.Stored
	for len(got) < len(f.acked) { // some may come after synced
		frame, err := reader.Next()
		if err != nil {
			f.T.Fatalf("after %d messages of the flood, which has %d: %v", len(got), len(f.acked), err)
		}
		if m, ok := servertest.MessageIn(frame); ok {
			got = append(got, m.Stored)
		}
	}
	servertest.Send(reader, shared.Ping, shared.Empty{})
	got = append(got, servertest.ReadUpTo(reader, shared.Pong)...)
	if d := servertest.Difference(got, servertest.InOrder(f.acked)); d != "" {
		f.T.Errorf("the log of the flood: %s", d)
	}
}
