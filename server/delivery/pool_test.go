//go:build unix

package delivery

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"websockets/server/eventlog"
	"websockets/server/eventlog/memlog"
	"websockets/server/servertest"
	"websockets/server/timeline"
	"websockets/server/wsframe"
	"websockets/shared"
)

// hub is a room on a log, with subscriptions on real sockets.
type hub struct {
	t      *testing.T
	log    *memlog.Log
	pool   *Pool
	source *Source

	mu    sync.Mutex // guards what follows
	subs  []*Subscription
	conns []*Conn
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{t: t, log: memlog.Open(memlog.Options{}), pool: newTestPool(t)}
	t.Cleanup(h.log.Close)
	tl, err := timeline.Open(t.Context(), timeline.Options{
		Room: "x", Log: h.log, Memory: new(timeline.Memory),
		Grown: h.schedule, Reset: func() {}, Signal: func([]byte) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.source = &Source{Room: "x", Timeline: tl}
	return h
}

// schedule does what a room does when its timeline has grown.
func (h *hub) schedule() {
	var ready ReadyList
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.subs {
		ready.Add(s)
	}
	h.pool.Schedule(&ready)
}

// post stores a message with this number and about this many bytes.
func (h *hub) post(number, bytes int) {
	body := fmt.Appendf(nil, `{"id":"%d","room":"x","message":"%s"}`, number, strings.Repeat("x", bytes))
	err := h.log.Append(context.Background(), "x", fmt.Sprint(number), body, func(eventlog.Receipt, error) {})
	if err != nil {
		h.t.Error(err)
	}
}

// tick does what the manager does once a tick.
func (h *hub) tick() {
	h.pool.Tick()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.conns {
		c.NoteActivity() // it is not to be closed as silent, however long this takes
		c.CheckLiveness()
	}
}

// join subscribes a connection to the room from its beginning.
func (h *hub) join() (*Conn, *peer) {
	h.t.Helper()
	conn, other := socketPair(h.t)
	c := h.pool.NewConn(conn)
	h.t.Cleanup(func() { // before that of the pool
		_ = other.Close()
		c.Finish()
	})
	h.mu.Lock()
	s := c.NewSubscription(h.source, 0, nil)
	h.subs, h.conns = append(h.subs, &s), append(h.conns, c)
	h.mu.Unlock()
	c.Subscribe(&s, nil, wsframe.NewText([]byte("joined")))
	return c, &peer{other, bufio.NewReader(other)}
}

// socketPair returns both sides of a connection with small buffers.
func socketPair(t *testing.T) (conn, peer net.Conn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	var sides [2]net.Conn
	for i, fd := range fds {
		if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 8<<10); err != nil {
			t.Fatal(err)
		}
		file := os.NewFile(uintptr(fd), "socket")
		sides[i], err = net.FileConn(file)
		_ = file.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	return sides[0], sides[1]
}

// peer is the other side of a connection.
type peer struct {
	conn net.Conn
	r    *bufio.Reader
}

// next returns the payload of the next frame.
func (p *peer) next() (payload []byte, err error) {
	_ = p.conn.SetReadDeadline(time.Now().Add(servertest.Patience))
	head, err := p.r.Peek(2)
	if err != nil {
		return nil, err
	}
	header := map[byte]int{126: 4, 127: 10}[head[1]]
	header = max(header, 2)
	head, err = p.r.Peek(header)
	if err != nil {
		return nil, err
	}
	frame := make([]byte, wsframe.Length(head))
	_, err = io.ReadFull(p.r, frame)
	return frame[header:], err
}

// await reads messages up to number last, and fails unless their numbers are consecutive.
// It passes other frames to own.
func (p *peer) await(next *int, last int, own func(text string)) error {
	for *next <= last {
		payload, err := p.next()
		if err != nil {
			return fmt.Errorf("waiting for message %d: %w", *next, err)
		}
		e, err := shared.DecodeEvent(payload)
		switch {
		case err != nil:
			own(string(payload))
		case e.Type == shared.NewMessage.Name():
			m, err := shared.NewMessage.Decode(e)
			if err != nil || m.ID != fmt.Sprint(*next) {
				return fmt.Errorf("message: got %q, %v, want %d", m.ID, err, *next)
			}
			*next++
		}
	}
	return nil
}

func ignore(string) {}

// A client that has stopped reading delays nobody and takes little memory. When it reads
// on, it receives everything.
func TestSlowReaderDelaysNobody(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	_, a := h.join()
	_, b := h.join()
	slowConn, slow := h.join()
	const messages, size = 300, 16 << 10 // many times what a ring and a socket hold
	nextA, nextB := 1, 1
	for n := 1; n <= messages; n++ {
		h.post(n, size)
		slowConn.Offer(wsframe.NewText([]byte("offer")))
		h.tick()
		// Each message is posted when all others have the one before.
		if err := a.await(&nextA, n, ignore); err != nil {
			t.Fatal(err)
		}
		if err := b.await(&nextB, n, ignore); err != nil {
			t.Fatal(err)
		}
	}
	servertest.Eventually(t, "the write to the slow reader to stall, with one frame in hand", func() bool {
		h.tick()
		return slowConn.Stalled() > 0 && h.pool.readBytes.Load() == 0
	})
	slowConn.egress.mu.Lock()
	queued := slowConn.egress.bytes
	slowConn.egress.mu.Unlock()
	if queued > offerBytes+16 {
		t.Errorf("bytes queued for the slow reader: got %d, want at most %d", queued, offerBytes)
	}
	next := 1
	if err := slow.await(&next, messages, ignore); err != nil {
		t.Fatal(err)
	}
}

// Readers of different speeds are interrupted again and again, in a busy room, and each
// has answers of its own. Everybody receives every message and every answer whole, once
// and in order.
func TestReadersOfAnySpeedMissNothing(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	random := servertest.Seeded(t)
	const readers, messages = 8, 400
	var running, ticking sync.WaitGroup
	var stop atomic.Bool
	ticking.Go(func() {
		ticks := time.NewTicker(time.Millisecond)
		defer ticks.Stop()
		for !stop.Load() {
			<-ticks.C
			h.tick()
		}
	})
	for i := range readers {
		c, peer := h.join()
		running.Go(func() { // what handles its events
			for n := range messages {
				c.Reserve()
				c.SendReserved(wsframe.NewText(fmt.Appendf(nil, "answer %d", n)))
				if err := c.WaitForCapacity(); err != nil {
					t.Errorf("reader %d: %v", i, err)
				}
			}
		})
		running.Go(func() {
			next, answers := 1, 0
			own := func(text string) {
				if text == "" || text == "joined" { // a ping is empty
					return
				}
				if want := fmt.Sprint("answer ", answers); text != want {
					t.Errorf("reader %d: got %q, want %q", i, text, want)
				}
				answers++
			}
			err := peer.await(&next, messages, own)
			for err == nil && answers < messages {
				var payload []byte
				payload, err = peer.next()
				own(string(payload))
			}
			if err != nil {
				t.Errorf("reader %d, after %d messages and %d answers: %v", i, next-1, answers, err)
			}
		})
	}
	for n := 1; n <= messages; n++ {
		h.post(n, random.IntN(4<<10))
	}
	running.Wait()
	stop.Store(true)
	ticking.Wait()
}
