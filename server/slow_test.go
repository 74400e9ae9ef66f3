//go:build unix

package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

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

// slower reports whether p is worse than twice the other. What takes less than
// noise is lost in that of a small machine.
func (p pace) slower(than pace) bool {
	const noise = 30 * time.Millisecond
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
	h := openHall(t, server, 99, 200)
	h.flood(messages) // to warm up
	for attempt := 1; ; attempt++ {
		before := h.flood(messages)
		slow.await(len(h.record))
		memoryBefore, begin := memory(t, server), time.Now()
		slow.stop()
		during := h.flood(2 * messages)
		stopped, has := time.Since(begin), len(slow.record())
		grown := memory(t, server) - memoryBefore
		if behind := len(h.record) - has; behind < messages {
			t.Fatalf("it is only %d messages behind: it has not stopped", behind)
		}
		slow.readOn()
		slow.await(len(h.record))
		t.Logf("before: %v; while one did not read for %v: %v, %d KB more", before, stopped, during, grown>>10)
		// What he was to get is 1 MB; the rest is the heap's.
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
	const readers, messages, fill, attempts = 1000, 600, 200, 3
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur < readers+500 {
		t.Skipf("NOT RUN: %d open files are allowed, %d are needed: ulimit -n", files.Cur, readers+500)
	}
	server := servertest.Start(t, "--rate", "0")
	h := openHall(t, server, 16, 1000)
	h.flood(messages)
	alone := h.flood(messages)

	var slow []*listener
	for range readers {
		slow = append(slow, listen(connect(t, server.Addr, way{room: "hall", narrow: true}), "hall"))
	}
	h.record = nil // theirs begins here
	for _, m := range h.members {
		m.forget()
	}
	for _, m := range slow {
		m.forget()
	}
	reading := h.flood(fill)
	for _, m := range slow {
		m.await(fill)
		m.stop()
	}
	before, begin := memory(t, server), time.Now()
	peak := before
	h.flood(fill) // into the kernel's buffers
	var during pace
	for attempt := 1; ; attempt++ {
		during = h.flood(messages)
		peak = max(peak, memory(t, server))
		if !during.slower(alone) {
			break
		}
		if attempt == attempts {
			t.Errorf("alone: %v; with %d who do not read: %v", alone, readers, during)
			break
		}
	}
	stopped := time.Since(begin)
	for i, m := range slow {
		if behind := len(h.record) - len(m.record()); behind < messages {
			t.Fatalf("reader %d is only %d messages behind: it has not stopped", i, behind)
		}
		m.readOn()
	}
	for _, m := range slow {
		m.await(len(h.record))
	}
	caughtUp := time.Since(begin) - stopped
	t.Logf("alone: %v; with %d who read: %v; with %d who do not, for %v: %v; memory from %d to %d MB, %d KB for each; all had everything %v later",
		alone, readers, reading, readers, stopped, during, before>>20, peak>>20, (peak-before)/readers>>10, caughtUp)
	if each := (peak - before) / readers; each > 64<<10 {
		t.Errorf("each reader that has stopped costs %d KB", each>>10)
	}
	h.check("reader", slow)
	h.check("member", h.members)
}

// TestAFloodIsHeldAtItsSocket: one client writes as fast as its socket takes it,
// and reads its answers. The server takes no more than it can store, and another
// client's messages are stored as before.
func TestAFloodIsHeldAtItsSocket(t *testing.T) {
	const sends, attempts = 300, 3
	server := servertest.Start(t, "--rate", "0")
	other := connect(t, server.Addr, way{room: "other"})
	before := other.acksTake(sends, "before")
	for attempt := 1; ; attempt++ {
		f := startFlooder(t, server, fmt.Sprint("flood", attempt), true)
		memoryBefore := memory(t, server)
		during := other.acksTake(sends, fmt.Sprint("during", attempt))
		grown := memory(t, server) - memoryBefore
		f.end()
		t.Logf("another's acks took %v before and %v while %d messages were written and %d acked; at most %d KB were on their way; memory grew by %d KB",
			p99(before), p99(during), f.written.Load(), len(f.acked), f.most>>10, grown>>10)
		_ = during
		if attempt == attempts {
			break
		}
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

// flooder writes messages as fast as its socket takes them.
type flooder struct {
	*raw
	written atomic.Int64
	most    int64
	acked   []stored
	running sync.WaitGroup
}

func startFlooder(t *testing.T, server *servertest.Process, name string, reads bool) *flooder {
	f := &flooder{raw: connect(t, server.Addr, way{room: "flooded", narrow: true})}
	text := strings.Repeat("x", 200)
	f.running.Go(func() {
		for n := 0; ; n++ {
			if f.send(shared.SendMessage.Frame(fmt.Sprint(name, "-", n), shared.SendMessagePayload{Message: text})) != nil {
				return
			}
			f.written.Add(1)
		}
	})
	f.running.Go(func() {
		for {
			frame, err := f.next()
			if err != nil {
				return
			}
			if m, ok := ackIn(frame); ok {
				f.acked = append(f.acked, m)
				f.most = max(f.most, (f.written.Load()-int64(len(f.acked)))*280)
			}
		}
	})
	return f
}

func (f *flooder) end() {
	_ = f.conn.Close()
	f.running.Wait()
}

var _ = slices.Sort[[]int]
var _ = websocket.CloseError{}
