package chat

import (
	"context"
	"net"
	"time"

	"websockets/server/wsframe"
	"websockets/shared"
)

const (
	// window is how many answers a client may have coming to it, acks of appends
	// under way included; the next event waits for a place.
	window = 64
	// egressBytes is how much may wait to be written before no more events are
	// read; the answer of one more event can come on top.
	egressBytes = 128 << 10
	// offerBytes is how much may wait before what may be lost is dropped.
	offerBytes = 16 << 10
	// lastWords is how long a connection that ends may take for what is queued.
	lastWords = time.Second
	// closeWait is how long the other side may take to answer a close frame.
	closeWait = 2 * time.Second
)

// outgoing is something to write for one client alone.
type outgoing struct {
	frame []byte
	// build, if set, makes the frame when its turn has come.
	build func() []byte
	// leave and join are rooms whose messages are not, or from now on, written:
	// the first before this frame, the second after it.
	leave, join *member
	// ack frees a place in the window when it has been written.
	ack bool
	// last says that nothing is written after it.
	last bool
}

// changesRooms reports that what rooms are written is another matter after it.
func (o *outgoing) changesRooms() bool { return o.join != nil || o.leave != nil || o.last }

// egress is what is to be written for this client alone, in order. What rooms
// send is not in it: that is read from their rings.
type egress struct {
	queue   []outgoing
	bytes   int
	acks    int           // places of the window that are taken
	drained chan struct{} // closed when there is room again; nil if nobody waits
}

func (e *egress) full() bool {
	return e.acks >= window || len(e.queue) >= 2*window || e.bytes > egressBytes
}

// enqueue adds something to write. Events are answered one at a time and acks
// have their places reserved, so the queue is bounded by awaitEgress and this
// never waits.
func (c *Client) enqueue(out outgoing) {
	c.mu.Lock()
	if c.ended {
		if out.ack {
			c.egress.acks--
		}
		c.mu.Unlock()
		return
	}
	c.egress.queue = append(c.egress.queue, out)
	c.egress.bytes += len(out.frame)
	c.mu.Unlock()
	c.wake()
}

// offer adds a frame that is dropped if the client is slow.
func (c *Client) offer(frame []byte) {
	c.mu.Lock()
	if c.ended || c.egress.bytes > offerBytes || len(c.egress.queue) >= window {
		c.mu.Unlock()
		return
	}
	c.egress.queue = append(c.egress.queue, outgoing{frame: frame})
	c.egress.bytes += len(frame)
	c.mu.Unlock()
	c.wake()
}

// release gives a place back that needs no ack.
func (c *Client) release() {
	c.mu.Lock()
	c.egress.acks--
	c.signalDrained()
	c.mu.Unlock()
}

// signalDrained lets the reader go on if there is room. c.mu is held.
func (c *Client) signalDrained() {
	if !c.egress.full() {
		c.letReaderGo()
	}
}

// letReaderGo ends the reader's wait in awaitEgress. c.mu is held.
func (c *Client) letReaderGo() {
	if c.egress.drained != nil {
		close(c.egress.drained)
		c.egress.drained = nil
	}
}

// awaitEgress waits until there is room for another answer. It returns an error
// when the connection has ended.
func (c *Client) awaitEgress() error {
	for {
		c.mu.Lock()
		switch {
		case !c.egress.full() || c.ended:
			c.mu.Unlock()
			return c.manager.ctx.Err()
		case c.gone: // what is there will never be taken
			c.mu.Unlock()
			return net.ErrClosed
		}
		if c.egress.drained == nil {
			c.egress.drained = make(chan struct{})
		}
		drained := c.egress.drained
		c.mu.Unlock()

		c.held.Store(true)
		select {
		case <-drained:
		case <-c.manager.ctx.Done():
		}
		c.held.Store(false)
		c.heard() // the wait was ours: the client's own begins now
		if err := c.manager.ctx.Err(); err != nil {
			return err
		}
	}
}

// close sends a close frame after what is queued, and ignores what still
// arrives. The connection ends when the other side has answered, or after
// closeWait.
func (c *Client) close(code int, reason string) {
	c.enqueue(outgoing{frame: wsframe.NewClose(code, reason), last: true})
	c.mu.Lock()
	c.ended = true
	c.letReaderGo() // it has to take the answer to the close frame
	c.mu.Unlock()
	_ = c.net.SetReadDeadline(time.Now().Add(closeWait))
}

func (c *Client) isEnding() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// shutDown tells the client that the server goes away, and closes.
func (c *Client) shutDown(reason string, retryAfter time.Duration) {
	c.enqueue(outgoing{frame: wsframe.NewText(shared.Closing.Frame("", shared.ClosingPayload{
		Reason: reason, RetryAfter: retryAfter.Seconds(),
	}))})
	c.close(shared.CloseRestart, reason)
}

// wake makes a writer look for something to write. It never waits and may be
// called from any goroutine, with a room's lock held.
func (c *Client) wake() {
	if c.rouse() {
		c.manager.writers.add(c, c, 1)
	}
}

// rouse says that there is something to write. It reports whether the caller is
// to hand the client to the writers: one that is with them already, or being
// written to, is looked at once more by itself.
func (c *Client) rouse() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.again = true
	if c.gone || c.busy {
		return false
	}
	c.busy = true
	return true
}

// goIdle ends the writing unless there is something to do. It reports whether
// it has ended.
func (c *Client) goIdle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gone && (c.again || len(c.egress.queue) > 0) {
		return false
	}
	c.busy = false
	if c.idle != nil {
		close(c.idle)
		c.idle = nil
	}
	return true
}

// awaitWriter waits until the writer has nothing left to do, for at most patience;
// 0 means that the connection is closed, so the writing ends by itself, and does
// not begin again. Only end calls it.
func (c *Client) awaitWriter(patience time.Duration) {
	c.mu.Lock()
	if patience == 0 {
		c.gone = true
	}
	if !c.busy {
		c.mu.Unlock()
		return
	}
	idle := make(chan struct{})
	c.idle = idle
	c.mu.Unlock()
	if patience == 0 {
		<-idle
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}
