//go:build unix

package e2e

import (
	"errors"
	"fmt"
	"math"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"websockets/server/servertest"
	"websockets/shared"
)

// hall is a room that is flooded, and its members.
type hall struct {
	t       *testing.T
	server  *servertest.Process
	senders []*raw
	members []*listener // who have to get everything while it is measured
	size    int         // of a message in bytes
	floods  int
	record  []stored // of all floods
}

// pace is how fast a flood was: messages a second until everybody had them all,
// and how old they were when they came.
type pace struct {
	rate float64
	p99  time.Duration
}

func (p pace) String() string {
	return fmt.Sprintf("%.0f/s, p99 %v", p.rate, p.p99.Round(time.Millisecond/10))
}

// noise is how much a small machine that others use too adds to any time.
const noise = 30 * time.Millisecond

// giveUp is how long a reader has to stand still so that the server has given up on
// a write to it, which is after 2 to 3 s: that is to be seen too. To wait for it is
// not to wait for something to happen.
const giveUp = 4 * time.Second

// slower reports whether p is worse than twice the other.
func (p pace) slower(than pace) bool {
	return p.rate < than.rate/2 || p.p99 > 2*than.p99+noise
}

func openHall(t *testing.T, server *servertest.Process, members, size int) *hall {
	h := &hall{t: t, server: server, size: size, senders: connectAll(t, server.Addr, 4, way{room: "hall"})}
	h.admit(members)
	return h
}

func (h *hall) admit(n int) {
	h.t.Helper()
	for range n {
		h.members = append(h.members, listen(connect(h.t, h.server.Addr, way{room: "hall"}), "hall"))
	}
}

// flood writes n messages as fast as the members get them.
func (h *hall) flood(n int) pace {
	h.t.Helper()
	h.floods++
	begin := time.Now()
	h.record = append(h.record, floodRoom(h.t, h.senders, "hall", fmt.Sprint("f", h.floods), n, 16, func(string) string { return stamp(h.size) })...)
	var late []time.Duration
	for _, m := range h.members {
		m.await(len(h.record))
		late = append(late, m.latest(n)...)
	}
	return pace{float64(n) / time.Since(begin).Seconds(), p99(late)}
}

// check compares what members have got with the senders' record, which is
// complete for them.
func (h *hall) check(who string, members []*listener) {
	h.t.Helper()
	for i, m := range members {
		if p := parting(m.record(), h.record); p != "" {
			h.t.Errorf("%s %d: %s", who, i, p)
		}
	}
}

// TestOneWhoStopsReading: of a hundred members one stops reading. For the others
// nothing changes, and when he reads on he gets everything in order on the same
// connection.
func TestOneWhoStopsReading(t *testing.T) {
	const messages, attempts = 1500, 3
	server := servertest.Start(t, "--rate", "0")
	slow := listen(connect(t, server.Addr, way{room: "hall", narrow: true}), "hall")
	h := openHall(t, server, 99, 1600) // twice 1,500 of them are more than a kernel holds for a connection
	h.flood(messages)                  // to warm up
	for attempt := 1; ; attempt++ {
		before := h.flood(messages)
		slow.await(len(h.record))
		memoryBefore, begin := memory(t, server), time.Now()
		slow.stop()
		during := h.flood(2 * messages)
		<-time.After(giveUp - time.Since(begin))
		stopped, has := time.Since(begin), len(slow.record())
		grown := memory(t, server) - memoryBefore
		if behind := len(h.record) - has; behind < messages {
			t.Fatalf("it is only %d messages behind: it has not stopped", behind)
		}
		slow.readOn()
		slow.await(len(h.record))
		t.Logf("before: %v; while one did not read for %v: %v, %d KB more", before, stopped, during, grown>>10)
		if grown > 48<<20 {
			t.Errorf("with one who does not read the server's memory grew by %d MB", grown>>20)
		}
		if !during.slower(before) {
			break
		}
		if attempt == attempts { // others use this machine too: they must not do so three times
			t.Errorf("before: %v; while one does not read: %v, in each of %d attempts", before, during, attempts)
			break
		}
	}
	h.check("the slow member", []*listener{slow})
	h.check("member", h.members)
}

// TestAThousandStopReading: a thousand members stop at once. The others go on as
// if they were not there, the server holds little for each, and when they read
// on each gets everything in order on the same connection.
func TestAThousandStopReading(t *testing.T) {
	const readers, size, messages, fill, attempts = 1000, 2000, 350, 150, 3
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur < readers+500 {
		t.Skipf("NOT RUN: %d open files are allowed, %d are needed: ulimit -n", files.Cur, readers+500)
	}
	server := servertest.Start(t, "--rate", "0")
	h := openHall(t, server, 16, size)
	h.flood(messages)
	alone := h.flood(messages)

	// They come where the others are, so that nothing is sent that would make the
	// kernel's buffers grow, and read nothing any more.
	last := h.record[len(h.record)-1]
	here := shared.Cursor{Epoch: h.members[0].epoch, Seq: last.seq, ID: last.id}
	missed := len(h.record)
	var slow []*listener
	for range readers {
		slow = append(slow, listenLater(connect(t, server.Addr, way{room: "hall", after: &here, narrow: true}), "hall"))
	}
	before, watched, begin := memory(t, server), watchMemory(t, server), time.Now()
	h.flood(fill) // into the kernel's buffers
	var during []pace
	for range attempts {
		during = append(during, h.flood(messages))
		if !during[len(during)-1].slower(alone) {
			break
		}
	}
	<-time.After(giveUp - time.Since(begin))
	stopped, peak := time.Since(begin), watched()

	for _, l := range slow {
		l.readOn()
	}
	for _, l := range slow {
		l.await(len(h.record) - missed)
	}
	caughtUp := time.Since(begin) - stopped
	for i, l := range slow {
		if p := parting(l.record(), h.record[missed:]); p != "" {
			t.Errorf("reader %d: %s", i, p)
		}
		_ = l.conn.Close()
	}
	again := h.flood(messages) // the machine may have others to serve now
	h.check("member", h.members)
	t.Logf("alone: %v and %v; with %d who do not read, for %v: %v; memory from %d to %d MB, %d KB for each; %v later all had everything",
		alone, again, readers, stopped.Round(time.Millisecond), during, before>>20, peak>>20, (peak-before)/readers>>10, caughtUp.Round(time.Millisecond))
	if last := during[len(during)-1]; last.slower(alone) && last.slower(again) {
		t.Errorf("alone: %v and %v; with %d who do not read: %v", alone, again, readers, during)
	}
	if each := (peak - before) / readers; each > 96<<10 { // a page of 12 KiB, a stack, and the headroom of a heap that is collected
		t.Errorf("each reader that has stopped costs %d KB", each>>10)
	}
}

// TestAFloodIsHeldAtItsSocket: one client writes as fast as its socket takes it,
// and reads what comes. The server takes no more than it can store, so what is
// under way is what the kernel holds, and another client's messages are stored
// nearly as fast as before.
func TestAFloodIsHeldAtItsSocket(t *testing.T) {
	const sends, attempts = 500, 3
	server := servertest.Start(t, "--rate", "0")
	other := connect(t, server.Addr, way{room: "other"})
	for attempt := 1; ; attempt++ {
		before := p99(other.acksTake(sends, fmt.Sprint("before", attempt)))
		memoryBefore := memory(t, server)
		f := startFlooder(t, server, way{room: "flooded"}, fmt.Sprint("flood", attempt))
		f.running.Go(func() { f.read(math.MaxInt) })
		during := p99(other.acksTake(sends, fmt.Sprint("during", attempt)))
		grown := memory(t, server) - memoryBefore
		_ = f.conn.Close()
		f.running.Wait()
		t.Logf("another's acks took %v before and %v, p99, while %d messages were written and %d acked; at most %d KB were under way; memory grew by %d KB",
			before, during, f.written.Load(), len(f.acked), f.underWay>>10, grown>>10)
		// An unheld flood is 50 MB and more by now.
		if f.underWay > 16<<20 || grown > 32<<20 {
			t.Errorf("%d MB were under way, the server's memory grew by %d MB", f.underWay>>20, grown>>20)
		}
		if len(f.acked) < 500 {
			t.Errorf("only %d messages of the flood were acked: this proves little", len(f.acked))
		}
		if during <= 2*before+noise {
			break
		}
		if attempt == attempts {
			t.Errorf("another's acks take %v, and %v while one floods, p99, in each of %d attempts", before, during, attempts)
			break
		}
	}
}

// TestAFloodThatNeverReadsItsAcks: the server stops reading what one sends who
// does not read. That costs little, nobody else notices, and of what was acked
// nothing is lost.
func TestAFloodThatNeverReadsItsAcks(t *testing.T) {
	const sends, attempts = 500, 3
	server := servertest.Start(t, "--rate", "0")
	other := connect(t, server.Addr, way{room: "other"})
	before := p99(other.acksTake(sends, "before"))
	memoryBefore := memory(t, server)
	f := startFlooder(t, server, way{room: "flooded", narrow: true}, "flood")
	f.running.Wait() // until a write did not move for a while
	var timeout net.Error
	if !errors.As(f.err, &timeout) || !timeout.Timeout() {
		t.Fatalf("after %d messages, writing ended with %v", f.written.Load(), f.err)
	}
	for attempt := 1; ; attempt++ {
		during := p99(other.acksTake(sends, fmt.Sprint("during", attempt)))
		t.Logf("another's acks took %v before and %v while one waits that has written %d messages; memory grew by %d KB",
			before, during, f.written.Load(), (memory(t, server)-memoryBefore)>>10)
		if during <= 2*before+noise {
			break
		}
		if attempt == attempts {
			t.Errorf("another's acks take %v, and %v while one floods that does not read, p99, in each of %d attempts", before, during, attempts)
			break
		}
	}
	if grown := memory(t, server) - memoryBefore; grown > 16<<20 {
		t.Errorf("the server's memory grew by %d MB", grown>>20)
	}

	// When it reads on it gets an ack for all that it has written, and all that is
	// there to be read.
	f.read(int(f.written.Load()))
	reader := connect(t, server.Addr, way{room: "flooded", after: &shared.Cursor{Epoch: f.epoch}})
	inLog := readUpTo(reader, shared.Synced)
	if p := parting(f.acked, inLog); p != "" || len(f.acked) != int(f.written.Load()) {
		t.Errorf("%d messages were written, %d are in the log, %d were acked: %s", f.written.Load(), len(inLog), len(f.acked), p)
	}
}

// acksTake sends n messages one after the other and returns how long each took
// to be acked.
func (c *raw) acksTake(n int, name string) (took []time.Duration) {
	c.t.Helper()
	for i := range n {
		begin := time.Now()
		id := fmt.Sprint(name, "-", i)
		if err := c.send(shared.SendMessage.Frame(id, shared.SendMessagePayload{Message: "x"})); err != nil {
			c.t.Fatal(err)
		}
		for acked := false; !acked; {
			frame, err := c.next()
			if err != nil {
				c.t.Fatal(err)
			}
			m, ok := ackIn(frame)
			acked = ok && m.id == id
		}
		took = append(took, time.Since(begin))
	}
	return took
}

// flooder writes messages as fast as its socket takes them, on a goroutine of its
// own, until the connection ends or a write has not moved for 3 s.
type flooder struct {
	*raw
	epoch   string
	running sync.WaitGroup
	written atomic.Int64 // messages
	err     error        // why it does not write any more

	// Owned by read.
	acked    []stored
	underWay int64 // bytes that were written and not acked, at the most
}

func startFlooder(t *testing.T, server *servertest.Process, w way, name string) *flooder {
	f := &flooder{raw: connect(t, server.Addr, w)}
	f.epoch = mustUntil(f.raw, shared.Synced).Cursor.Epoch
	text := strings.Repeat("x", 200)
	f.running.Go(func() {
		for n := 0; f.err == nil; n++ {
			frame := shared.SendMessage.Frame(fmt.Sprint(name, "-", n), shared.SendMessagePayload{Message: text})
			_ = f.conn.SetWriteDeadline(time.Now().Add(3 * time.Second))
			if f.err = f.send(frame); f.err == nil {
				f.written.Add(1)
			}
		}
	})
	return f
}

// read notes the acks until there are n, or the connection ends.
func (f *flooder) read(n int) {
	for len(f.acked) < n {
		frame, err := f.next()
		if err != nil {
			return
		}
		if m, ok := ackIn(frame); ok {
			f.acked = append(f.acked, m)
			f.underWay = max(f.underWay, (f.written.Load()-int64(len(f.acked)))*300)
		}
	}
}

// TestWhoStaysAwayIsClosed: members that do not read for longer than ping and
// pong wait cost next to nothing until then, are closed then, and get the rest on
// their next connection.
func TestWhoStaysAwayIsClosed(t *testing.T) {
	t.Parallel()
	const readers, messages, size = 8, 1000, 4 * shared.MaxMessageLength // 16 MB
	server := servertest.Start(t, "--rate", "0")
	watch := lookOut(t, server)
	var slow []*listener
	for range readers {
		slow = append(slow, listen(connect(t, server.Addr, way{room: "x", narrow: true}), "x"))
	}
	senders := connectAll(t, server.Addr, 2, way{room: "x"})
	text := strings.Repeat("𝒳", shared.MaxMessageLength)
	flood := func(name string) []stored {
		return floodRoom(t, senders, "x", name, messages, 20, func(string) string { return text })
	}
	watched := watchMemory(t, server)
	record := flood("seen")
	for _, l := range slow {
		l.await(len(record))
	}
	before := watched()

	alive := time.Now()
	for _, l := range slow {
		if err := l.send(shared.Ping.Frame("", shared.Empty{})); err != nil { // the last sign of life
			t.Fatal(err)
		}
		l.stop()
	}
	watched = watchMemory(t, server)
	record = append(record, flood("missed")...)
	dead := time.Now()
	for i, l := range slow {
		watch.gone(fmt.Sprint("reader ", i), l.welcome.User, alive, pingAndPong, dead, pingAndPong+grace+aLittle)
	}
	peak := watched()
	t.Logf("memory was at most %d MB while %d read %d MB, and %d MB while they did not", before>>20, readers, messages*size>>20, peak>>20)
	// The store holds on to what was written lately, twice that with the heap's way
	// of growing; what is kept for each reader would be a good deal more.
	if grown := peak - before; grown > readers*messages*size/2 {
		t.Errorf("the server's memory grew by %d MB", grown>>20)
	}

	for i, l := range slow {
		l.readOn()
		<-l.ended
		got := l.record()
		if len(got) < messages || len(got) == len(record) {
			t.Fatalf("on its connection reader %d got %d messages of %d", i, len(got), len(record))
		}
		last := got[len(got)-1]
		cursor := shared.Cursor{Epoch: l.epoch, Seq: last.seq, ID: last.id}
		again := connect(t, server.Addr, way{room: "x", session: l.welcome.Session, after: &cursor})
		if joined := mustUntil(again, shared.RoomJoined); joined.State != shared.StateRecovered || joined.Cursor != cursor {
			t.Errorf("reader %d comes back as %s at %+v, and was at %+v", i, joined.State, joined.Cursor, cursor)
		}
		got = append(got, readUpTo(again, shared.Synced)...)
		if p := parting(got, record); p != "" {
			t.Errorf("reader %d: %s", i, p)
		}
	}
}
