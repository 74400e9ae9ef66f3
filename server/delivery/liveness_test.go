package delivery

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"websockets/server/eventlog/memlog"
	"websockets/server/wsframe"
	"websockets/shared"
)

// tick does what the manager does once a tick.
func tick(conns ...*Conn) {
	conns[0].pool.Tick()
	for _, c := range conns {
		c.CheckLiveness()
	}
	synctest.Wait()
}

// A quiet connection is pinged. It is closed as silent if nothing is heard after that.
func TestQuietConnectionIsPinged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn, peer := net.Pipe()
		c := newTestPool(t).NewConn(conn)
		var got bytes.Buffer
		go func() { _, _ = io.Copy(struct{ io.Writer }{&got}, peer) }() // without ReadFrom, which Reset would disturb
		ping := wsframe.New(wsframe.Ping, nil)
		for range 3 {
			for range PingAfter/Tick + PongWait/Tick - 1 {
				tick(c)
			}
			if !bytes.Equal(got.Bytes(), ping) || c.IsClosing() {
				t.Fatalf("a quiet connection: got % x and closing %v, want one ping", got.Bytes(), c.IsClosing())
			}
			got.Reset()
			c.NoteActivity() // its pong
		}
		for range PingAfter/Tick + PongWait/Tick {
			tick(c)
		}
		if c.IsClosing() {
			t.Errorf("a connection that has been quiet for %v: got it closed, want it open", c.Quiet())
		}
		tick(c)
		want := append(ping, wsframe.NewClose(shared.CloseSilent, "nothing was heard for too long")...)
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("a silent connection: got %q, want %q", got.Bytes(), want)
		}
		_, err := conn.Read(make([]byte, 1))
		if err == nil {
			t.Error("the reader of a silent connection: got no error, want a timeout")
		}
		c.Finish()
	})
}

// While the reader is blocked, the client cannot be heard, so it does not count as
// silent.
func TestBlockedReaderIsNotSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn, peer := net.Pipe()
		defer peer.Close()
		c := newTestPool(t).NewConn(conn)
		for range Window {
			c.Reserve()
		}
		go func() { _ = c.WaitForCapacity() }()
		synctest.Wait()
		for range 3 * (PingAfter + PongWait) / Tick {
			tick(c)
		}
		if c.IsClosing() {
			t.Error("the connection: got it closed, want it open")
		}
		c.Release()
		synctest.Wait()
		if quiet := c.Quiet(); quiet != 0 {
			t.Errorf("quiet after the reader was blocked: got %v, want 0", quiet)
		}
		c.Finish()
	})
}

// slowTest is a client that is behind in a room and does not read. Its connection has no
// buffer.
type slowTest struct {
	conn *Conn
	peer net.Conn
	want []byte // all that it is to get
}

func newSlowTest(t *testing.T) *slowTest {
	t.Helper()
	conn, peer := net.Pipe()
	c := newTestPool(t).NewConn(conn)
	log := newHandLog(memlog.Options{})
	source := log.open(t, "x", func() {})
	want := wsframe.NewText([]byte("joined"))
	const messages = 100
	for seq := uint64(1); seq <= messages; seq++ {
		body := []byte(fmt.Sprintf(`{"id":"%d","room":"x","message":"%01000d"}`, seq, 0))
		log.store(t, "x", body)
		log.append("x", seq, body)
	}
	log.subscribers["x"].Skip(messages)
	for at := uint64(0); at < messages; {
		page, err := source.Timeline.Read(t.Context(), at, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, page.Frames...)
		at = page.Last
	}
	log.subscribers["x"].Skip(messages) // again: the ring does not keep what was read
	s := c.NewSubscription(source, 0, nil)
	s.syncing = false
	c.Subscribe(&s, nil, wsframe.NewText([]byte("joined")))
	synctest.Wait()
	return &slowTest{c, peer, want}
}

// A stalled write is interrupted. Until the client reads on, only one frame is in memory
// for it; then it receives everything.
func TestStalledWriteKeepsOneFrame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlowTest(t)
		// It reads a part, so that its read window grows.
		got := make([]byte, len(s.want)/3)
		if _, err := io.ReadFull(s.peer, got); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := s.conn.pool.readBytes.Load(); n == 0 {
			t.Error("bytes of the log in hand of a client that reads: got 0, want more")
		}
		tick(s.conn)
		if stalled := s.conn.Stalled(); stalled != Tick {
			t.Errorf("stalled: got %v, want %v", stalled, Tick)
		}
		tick(s.conn)
		if stalled := s.conn.Stalled(); stalled != 0 {
			t.Errorf("stalled after %v: got %v, want the write begun again", StallTimeout, stalled)
		}
		const frame = 1100
		for range 10 { // and however long it takes
			tick(s.conn)
			w := &s.conn.writer
			if n := s.conn.pool.readBytes.Load(); n != 0 || w.partial == nil || len(w.partial.frames) > frame || cap(w.partial.frames) > 2*frame {
				t.Fatalf("in hand of a client that does not read: got %d bytes of the log and %+v, want a part of one frame", n, w.partial)
			}
			if extra := w.window.extra; extra != 0 {
				t.Fatalf("next page of a client that does not read: got %d bytes more than a small one, want 0", extra)
			}
			if n := len(s.conn.egress.queue); n != 0 {
				t.Fatalf("queued for a client that does not read: got %d, want 0", n)
			}
		}
		rest := make([]byte, len(s.want)-len(got))
		if _, err := io.ReadFull(s.peer, rest); err != nil {
			t.Fatal(err)
		}
		if got = append(got, rest...); !bytes.Equal(got, s.want) {
			t.Error("bytes in all: want those of a client that reads")
		}
		s.conn.Finish()
	})
}

// A client that reads slowly is not silent, even if it sends nothing.
func TestSlowClientIsNotSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlowTest(t)
		for range 2 * (PingAfter + PongWait) / Tick {
			tick(s.conn)
			if _, err := io.ReadFull(s.peer, make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if s.conn.IsClosing() {
			t.Error("the connection: got it closed, want it open")
		}
		s.peer.Close()
		s.conn.Finish()
	})
}

// An interrupted write would break a TLS connection, so it is not interrupted.
func TestStalledTLSWriteIsNotInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlowTest(t)
		s.conn.secure = true
		for i := range 10 {
			tick(s.conn)
			if stalled := s.conn.Stalled(); stalled != time.Duration(i+1)*Tick {
				t.Fatalf("stalled after %d ticks: got %v, want as many", i+1, stalled)
			}
		}
		got := make([]byte, len(s.want))
		if _, err := io.ReadFull(s.peer, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, s.want) {
			t.Error("bytes in all: want those of a client that reads")
		}
		s.conn.Finish()
	})
}
