package servertest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Pipe returns both ends of a connection in memory. Unlike net.Pipe's ends they
// have a buffer, of size bytes in each direction, and behave like the two sides of
// a socket:
//
//   - A Write takes what the buffer has room for and blocks for the rest, so a
//     reader that stops stalls the writer. A deadline or Close can interrupt a Write
//     that has taken a part; it returns how much.
//   - A Read returns what is there, which may be half a frame.
//   - A deadline that has passed fails Reads and Writes even if they would not block.
//   - After one end is closed, the other reads what is in the buffer and then EOF,
//     and its Writes fail with EPIPE. What the closed end had not read is lost.
//   - Errors other than EOF are *net.OpError.
//
// All methods may be called from any goroutine. Writes do not interleave.
//
// A goroutine that waits for a Pipe is durably blocked in a synctest bubble, and
// deadlines follow the bubble's clock. Both ends then belong to the bubble in which
// Pipe was called.
func Pipe(size int) (net.Conn, net.Conn) {
	return newPipe(size, pipeAddr{}, pipeAddr{})
}

func newPipe(size int, a, b net.Addr) (net.Conn, net.Conn) {
	there, back := newPipeBuffer(size), newPipeBuffer(size)
	return &pipeEnd{in: back, out: there, local: a, remote: b}, &pipeEnd{in: there, out: back, local: b, remote: a}
}

// pipeAddr is the address of an end that has none.
type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// pipeEnd is one end of a Pipe.
type pipeEnd struct {
	in, out       *pipeBuffer
	local, remote net.Addr
}

func (c *pipeEnd) LocalAddr() net.Addr  { return c.local }
func (c *pipeEnd) RemoteAddr() net.Addr { return c.remote }

func (c *pipeEnd) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	if err == io.EOF {
		return n, err
	}
	return n, c.opError("read", err)
}

func (c *pipeEnd) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.opError("write", err)
}

func (c *pipeEnd) SetDeadline(at time.Time) error {
	err := c.SetReadDeadline(at)
	if err != nil {
		return err
	}
	return c.SetWriteDeadline(at)
}

func (c *pipeEnd) SetReadDeadline(at time.Time) error {
	return c.opError("set", c.in.setDeadline(&c.in.reader, at))
}

func (c *pipeEnd) SetWriteDeadline(at time.Time) error {
	return c.opError("set", c.out.setDeadline(&c.out.writer, at))
}

// Close interrupts Reads and Writes of this end. Closing again is an error.
func (c *pipeEnd) Close() error {
	_ = c.in.close(&c.in.reader)
	return c.opError("close", c.out.close(&c.out.writer))
}

func (c *pipeEnd) opError(op string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: c.local.Network(), Source: c.local, Addr: c.remote, Err: err}
}

// pipeBuffer is one direction of a Pipe.
type pipeBuffer struct {
	size int

	mu             sync.Mutex // guards what follows
	changed        sync.Cond  // any of it
	bytes          []byte     // written and not read yet
	writing        bool       // a Write is under way; others wait for it
	reader, writer pipeSide
}

// pipeSide is what one end does with a pipeBuffer.
type pipeSide struct {
	closed  bool
	expired bool        // the deadline has passed
	timer   *time.Timer // of the deadline; nil if there is none to come
}

// err returns why this side can neither read nor write.
func (s *pipeSide) err() error {
	switch {
	case s.closed:
		return net.ErrClosed
	case s.expired:
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (s *pipeSide) stopTimer() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

func newPipeBuffer(size int) *pipeBuffer {
	b := &pipeBuffer{size: size}
	b.changed.L = &b.mu
	return b
}

func (b *pipeBuffer) read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		err := b.reader.err()
		switch {
		case err != nil:
			return 0, err
		case len(p) == 0:
			return 0, nil
		case len(b.bytes) > 0:
			n := copy(p, b.bytes)
			b.bytes = b.bytes[:copy(b.bytes, b.bytes[n:])]
			b.changed.Broadcast()
			return n, nil
		case b.writer.closed:
			return 0, io.EOF
		}
		b.changed.Wait()
	}
}

func (b *pipeBuffer) write(p []byte) (n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.writing {
		b.changed.Wait()
	}
	b.writing = true
	defer func() {
		b.writing = false
		b.changed.Broadcast()
	}()
	for {
		err = b.writer.err()
		if err != nil {
			return n, err
		}
		if b.reader.closed {
			return n, syscall.EPIPE
		}
		taken := min(len(p)-n, b.size-len(b.bytes))
		b.bytes = append(b.bytes, p[n:n+taken]...)
		n += taken
		b.changed.Broadcast()
		if n == len(p) {
			return n, nil
		}
		b.changed.Wait()
	}
}

func (b *pipeBuffer) setDeadline(s *pipeSide, at time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.stopTimer()
	left := time.Until(at)
	s.expired = !at.IsZero() && left <= 0
	if left > 0 {
		b.startTimer(s, left)
	}
	b.changed.Broadcast()
	return nil
}

// startTimer lets the side's deadline pass in a while. b.mu is held.
func (b *pipeBuffer) startTimer(s *pipeSide, left time.Duration) {
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if s.timer == timer { // there is no other deadline meanwhile
			s.timer, s.expired = nil, true
			b.changed.Broadcast()
		}
	})
	s.timer = timer
}

func (b *pipeBuffer) close(s *pipeSide) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.closed = true
	s.stopTimer()
	if b.reader.closed {
		b.bytes = nil
	}
	b.changed.Broadcast()
	return nil
}
