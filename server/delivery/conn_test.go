package delivery

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"websockets/server/wsframe"
	"websockets/shared"
)

func frameOf(bytes int) []byte { return wsframe.NewText([]byte(strings.Repeat("x", bytes))) }

// The reader is blocked, and reads no further events, while the client does not take its
// answers. Each of three limits blocks it.
func TestWaitForCapacityBlocksWhileEgressIsFull(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		add  func(*Conn)
		most int // how often add can be called before the reader is blocked
	}{
		"answers on their way": {func(c *Conn) { c.Reserve() }, Window - 1},
		"frames":               {func(c *Conn) { c.Send(frameOf(1)) }, 2*Window - 1},
		"bytes":                {func(c *Conn) { c.Send(frameOf(16<<10 - 4)) }, egressBytes / (16 << 10)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newTestConn(&stallingConn{})
				for range test.most {
					test.add(c)
				}
				err := c.WaitForCapacity() // which would deadlock
				if err != nil {
					t.Fatalf("WaitForCapacity: got %v, want no error", err)
				}
				test.add(c)
				unblocked := false
				go func() {
					err = c.WaitForCapacity()
					unblocked = true
				}()
				synctest.Wait()
				if unblocked {
					t.Fatalf("the reader after %d: got %v, want it blocked", test.most+1, err)
				}
				c.writer.writeMessages()
				if name == "answers on their way" {
					c.Release()
				}
				synctest.Wait()
				if !unblocked || err != nil {
					t.Errorf("the reader after its answers were taken: got unblocked %v with %v, want true without an error", unblocked, err)
				}
			})
		})
	}
}

// Offers are dropped once a slow client has some waiting, so they never fill the egress.
func TestOfferDropsFramesForSlowClient(t *testing.T) {
	t.Parallel()
	c := newTestConn(&stallingConn{})
	for range 2 * Window {
		c.Offer(frameOf(1))
	}
	if n := len(c.egress.queue); n != Window {
		t.Errorf("small offers that are queued: got %d, want %d", n, Window)
	}
	c = newTestConn(&stallingConn{})
	for range Window {
		c.Offer(frameOf(4 << 10))
	}
	if n := c.egress.bytes; n <= offerBytes || n > offerBytes+5<<10 {
		t.Errorf("bytes of large offers that are queued: got %d, want %d and one offer at most", n, offerBytes)
	}
}

// A blocked reader continues when the connection ends. Otherwise the client would stay in
// its rooms.
func TestWaitForCapacityEndsWithConnection(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end  func(*Conn, context.CancelFunc)
		want error
	}{
		// It has to read the answer to the close frame.
		"closed":         {func(c *Conn, _ context.CancelFunc) { c.Close(shared.CloseNormal, "") }, nil},
		"write failed":   {func(c *Conn, _ context.CancelFunc) { c.writer.fail(io.ErrClosedPipe) }, net.ErrClosed},
		"server stopped": {func(_ *Conn, stop context.CancelFunc) { stop() }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newTestConn(&stallingConn{})
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				c.pool.ctx = ctx
				for range Window {
					c.Reserve()
				}
				var err error
				ended := false
				go func() { err, ended = c.WaitForCapacity(), true }()
				synctest.Wait()
				if ended {
					t.Fatalf("the reader: got %v, want it blocked", err)
				}
				test.end(c, stop)
				synctest.Wait()
				if !ended || !errors.Is(err, test.want) {
					t.Errorf("the reader: got ended %v with %v, want it to end with %v", ended, err, test.want)
				}
			})
		})
	}
}

// The table in doc.go: what each call does in each state.
func TestCallsInEachState(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		state  string
		bring  func(*Conn) // into the state
		queues bool
		closes bool // IsClosing
	}{
		{"open", func(*Conn) {}, true, false},
		{"closing", func(c *Conn) { c.Close(shared.CloseNormal, "") }, false, true},
		{"ended, closed", func(c *Conn) { c.Close(shared.CloseNormal, ""); c.writer.writeMessages() }, false, true},
		{"ended, broken", func(c *Conn) { c.writer.fail(io.ErrClosedPipe) }, false, false},
		{"done", func(c *Conn) { c.writer.writeMessages(); c.Finish() }, false, false},
	} {
		conn := &stallingConn{}
		c := newTestConn(conn)
		test.bring(c)
		written := len(conn.written)
		for name, send := range map[string]func(){
			"Send":         func() { c.Send(frameOf(1)) },
			"SendReserved": func() { c.Reserve(); c.SendReserved(frameOf(1)) },
			"Offer":        func() { c.Offer(frameOf(1)) },
			"Subscribe":    func() { c.Subscribe(nil, nil, frameOf(1)) },
			"Unsubscribe":  func() { c.Unsubscribe(nil, frameOf(1)) },
			"SendCursor":   func() { c.SendCursor(nil, nil, func(shared.Cursor, error) []byte { return nil }) },
		} {
			before := len(c.egress.queue)
			send()
			if queued := len(c.egress.queue) > before; queued != test.queues {
				t.Errorf("%s, %s: got queued %v, want %v", test.state, name, queued, test.queues)
			}
		}
		if reserved := c.egress.reserved; !test.queues && reserved != 0 {
			t.Errorf("%s: got %d places reserved, want 0", test.state, reserved)
		}
		if closing := c.IsClosing(); closing != test.closes {
			t.Errorf("%s: got IsClosing %v, want %v", test.state, closing, test.closes)
		}
		if test.state == "open" {
			continue
		}
		c.Close(shared.ClosePolicy, "again")
		if c.egress.isScheduled() {
			c.writer.writeMessages()
		}
		if n := bytes.Count(conn.written[written:], []byte("again")); n > 0 {
			t.Errorf("%s: got a close frame written after it, want none", test.state)
		}
	}
}

// Finish writes the queued frames, closes the connection and waits for the writer. If the
// client does not read, it takes flushTimeout.
func TestFinish(t *testing.T) {
	t.Parallel()
	for name, reads := range map[string]bool{"reads": true, "does not read": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, peer := net.Pipe()
				pool := newTestPool(t)
				c := pool.NewConn(conn)
				want := append(frameOf(10), frameOf(20)...)
				c.Send(frameOf(10))
				c.Send(frameOf(20))
				synctest.Wait() // now a write waits for the peer
				var got []byte
				if reads {
					go func() { got, _ = io.ReadAll(peer) }()
				}
				begun := time.Now()
				c.Finish()
				synctest.Wait()
				took := time.Since(begun)
				switch {
				case reads && (took != 0 || !bytes.Equal(got, want)):
					t.Errorf("Finish: got %d bytes after %v, want %d at once", len(got), took, len(want))
				case !reads && took != flushTimeout:
					t.Errorf("Finish: got %v, want %v", took, flushTimeout)
				}
				if c.egress.isScheduled() {
					t.Error("the writer after Finish: got it running, want it idle")
				}
			})
		})
	}
}

// A writer does not become idle while there is something that it has not gathered.
func TestGoIdleMissesNoWork(t *testing.T) {
	t.Parallel()
	var e egress
	if !e.markReady() {
		t.Fatal("the first markReady: got false, want it to be scheduled")
	}
	e.take(batchBytes) // the writer gathers
	if e.markReady() {
		t.Error("markReady beside a writer: got true, want it scheduled once")
	}
	if e.goIdle() {
		t.Error("goIdle with something new: got true, want false")
	}
	e.take(batchBytes)
	if !e.goIdle() {
		t.Error("goIdle with nothing new: got false, want true")
	}
	if !e.markReady() {
		t.Error("markReady of an idle writer: got false, want it to be scheduled")
	}
}

// After the pool has stopped, connections are still written to, so that clients can be
// told why they are closed.
func TestConnWritesAfterPoolStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		pool := NewPool(ctx)
		stop()
		pool.Wait()
		conn, peer := net.Pipe()
		c := pool.NewConn(conn)
		c.Send(frameOf(10))
		got := make([]byte, 12)
		if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, frameOf(10)) {
			t.Errorf("after the pool has stopped: got %q, %v, want the frame", got, err)
		}
		c.Finish()
	})
}

// Close limits how long the other side may take to answer the close frame.
func TestCloseEndsReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn, peer := net.Pipe()
		c := newTestPool(t).NewConn(conn)
		begun := time.Now()
		c.Close(shared.CloseRestart, "why")
		time.Sleep(CloseTimeout / 2)
		c.Close(shared.ClosePolicy, "again") // which gives it no more time
		go func() { _, _ = io.Copy(io.Discard, peer) }()
		_, err := conn.Read(make([]byte, 1))
		if took := time.Since(begun); err == nil || took != CloseTimeout {
			t.Errorf("the reader: got %v after %v, want a timeout after %v", err, took, CloseTimeout)
		}
		c.Finish()
	})
}
