package delivery

import (
	"sync/atomic"
	"time"

	"websockets/server/wsframe"
	"websockets/shared"
)

// Times of a connection, by the pool's clock.
const (
	// Tick is how often connections are looked at. The other times are whole ticks.
	Tick = time.Second
	// PingAfter is how long a connection may be quiet before it is pinged, and
	// PongWait how long it then has to answer.
	PingAfter = 25 * time.Second
	PongWait  = 8 * time.Second
	// StallTimeout is how long a write may be under way before it is interrupted.
	StallTimeout = 2 * time.Second
)

// liveness is when something last happened on a connection, by the pool's clock. The
// reader and the writer set it, CheckLiveness reads it.
type liveness struct {
	active        atomic.Int64 // a byte moved
	pinged        atomic.Int64 // a ping has been out since; 0 if none is
	writing       atomic.Int64 // a write has been under way since; 0 if none is
	readerBlocked atomic.Bool  // the reader waits for us, so nothing is read
}

// NoteActivity notes that a byte moved.
func (c *Conn) NoteActivity() {
	c.liveness.active.Store(int64(c.pool.Now()))
	c.liveness.pinged.Store(0)
}

// SetReaderBlocked says whether the reader is waiting for something of ours. While it
// is, the client cannot be heard and is not taken for dead.
func (c *Conn) SetReaderBlocked(blocked bool) {
	if !blocked {
		c.NoteActivity() // the wait was ours: the client's begins now
	}
	c.liveness.readerBlocked.Store(blocked)
}

// Quiet returns how long no byte has moved.
func (c *Conn) Quiet() time.Duration {
	return c.pool.Now() - time.Duration(c.liveness.active.Load())
}

// Stalled returns how long the client has not taken what is being written to it.
func (c *Conn) Stalled() time.Duration {
	since := c.liveness.writing.Load()
	if since == 0 {
		return 0
	}
	return c.pool.Now() - time.Duration(since)
}

// CheckLiveness pings a connection that is quiet, closes one that is dead, and
// interrupts a write that has stalled. Call it once a tick.
func (c *Conn) CheckLiveness() {
	quiet := c.Quiet()
	switch {
	case c.liveness.readerBlocked.Load() && c.liveness.writing.Load() == 0: // the client waits for us
	case quiet > PingAfter+PongWait:
		c.Close(shared.CloseSilent, "nothing was heard for too long")
		_ = c.net.SetDeadline(time.Now()) // it would not answer the close frame either
	case quiet > PingAfter && c.liveness.pinged.CompareAndSwap(0, int64(c.pool.Now())):
		c.Offer(wsframe.New(wsframe.Ping, nil))
	}
	// A TLS connection cannot be used any more after an interrupted write.
	if !c.secure && c.Stalled() >= StallTimeout {
		_ = c.net.SetWriteDeadline(time.Now())
	}
}
