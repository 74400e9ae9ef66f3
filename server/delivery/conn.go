package delivery

import (
	"crypto/tls"
	"net"
	"syscall"
	"time"

	"websockets/shared"
)

const (
	// flushTimeout is how long a connection that ends may take for what is queued.
	flushTimeout = time.Second
	// CloseTimeout is how long the other side may take to answer a close frame.
	CloseTimeout = 2 * time.Second
)

// Conn is what is written to one connection. Its methods may be called from any
// goroutine, with locks held, and do not block, except WaitForCapacity and Finish.
// The table in doc.go says what they do when the connection ends.
//
// A frame is one whole WebSocket frame. It must not be modified afterwards.
type Conn struct {
	// Static.
	pool   *Pool
	net    net.Conn
	raw    syscall.RawConn // of net, for the pool; nil if the pool cannot write to it
	secure bool            // net is a TLS connection

	liveness liveness // atomics: the reader and the writer set them, the tick reads them
	egress   egress   // guarded by its lock
	writer   writer   // owned by whoever writes; see writer
}

// NewConn returns a Conn that writes to conn. Call Finish in the end.
func (p *Pool) NewConn(conn net.Conn) *Conn {
	c := &Conn{pool: p, net: conn}
	_, c.secure = conn.(*tls.Conn)
	if !c.secure {
		c.raw = rawConn(conn)
	}
	c.writer.conn = c
	c.NoteActivity()
	return c
}

// Send queues a frame.
func (c *Conn) Send(frame []byte) { c.push(outgoing{frame: frame}) }

// Offer queues a frame that is dropped if the client is slow.
func (c *Conn) Offer(frame []byte) {
	if c.egress.offer(frame) {
		c.schedule()
	}
}

// Reserve takes a place in the window for an answer that comes later. SendReserved or
// Release gives it back.
func (c *Conn) Reserve() { c.egress.reserve() }

// Release gives a reserved place back that needs no answer.
func (c *Conn) Release() { c.egress.release(1) }

// SendReserved queues an answer for which a place is reserved.
func (c *Conn) SendReserved(frame []byte) { c.push(outgoing{frame: frame, reserved: true}) }

// Subscribe queues a frame after which the subscription is written. If instead is not
// nil, it is not written from before the frame on.
func (c *Conn) Subscribe(s, instead *Subscription, frame []byte) {
	c.push(outgoing{frame: frame, leave: instead, join: s})
}

// Unsubscribe queues a frame before which the subscription ends.
func (c *Conn) Unsubscribe(s *Subscription, frame []byte) {
	c.push(outgoing{frame: frame, leave: s})
}

// SendCursor queues a frame that build makes when its turn has come: of the cursor
// that the client has reached in the subscription, or the error of asking the log for
// it. build may block. If leaving is not nil, that subscription ends before the frame.
func (c *Conn) SendCursor(s, leaving *Subscription, build func(shared.Cursor, error) []byte) {
	c.push(outgoing{build: build, at: s, leave: leaving})
}

func (c *Conn) push(out outgoing) {
	if c.egress.push(out) {
		c.schedule()
	}
}

// schedule hands the writer to the pool.
func (c *Conn) schedule() { c.pool.add(&c.writer, &c.writer, 1) }

// WaitForCapacity blocks the reader until there is room for another answer: so a
// client that does not read its answers is held back at its own socket. It returns an
// error when the pool has stopped, or when nothing is written any more.
func (c *Conn) WaitForCapacity() error {
	for {
		drained, err := c.egress.capacity()
		if err != nil {
			return err
		}
		if drained == nil {
			return c.pool.ctx.Err()
		}
		c.SetReaderBlocked(true)
		select {
		case <-drained:
		case <-c.pool.ctx.Done():
		}
		c.SetReaderBlocked(false)
		if err := c.pool.ctx.Err(); err != nil {
			return err
		}
	}
}

// Close sends a close frame after what is queued. The reader is to ignore what still
// arrives: its reads end when the other side has answered, or after CloseTimeout. A
// second Close does nothing.
func (c *Conn) Close(code int, reason string) {
	first, schedule := c.egress.close(code, reason)
	if schedule {
		c.schedule()
	}
	if first {
		_ = c.net.SetReadDeadline(time.Now().Add(CloseTimeout))
	}
}

// IsClosing reports whether Close was called.
func (c *Conn) IsClosing() bool { return c.egress.isClosing() }

// Finish takes the connection down when its reader has ended: it flushes the queue for
// at most flushTimeout, closes the network connection, and waits until nobody writes.
// It is called once.
func (c *Conn) Finish() {
	timeout := time.NewTimer(flushTimeout)
	defer timeout.Stop()
	select {
	case <-c.egress.awaitIdle(false):
	case <-timeout.C:
	}
	_ = c.net.Close()
	<-c.egress.awaitIdle(true)
}
