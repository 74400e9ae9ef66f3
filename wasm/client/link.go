package client

import (
	"context"
	"sync"
	"time"

	"websockets/shared"
)

const (
	// egressLength is how many frames wait for the writer at most.
	egressLength = 256
	// batch is how many frames are handled before the callbacks are called.
	batch = 64

	// defaultHeartbeat holds until welcome tells the server's own.
	defaultHeartbeat = 25 * time.Second
	// grace is how much longer than the heartbeat the server may be silent, and how
	// long it has for the answer to our ping.
	grace = 10 * time.Second
	// recentActivity is how recent a sign of life is that CheckNow does not doubt.
	recentActivity = time.Second
	// ackTimeout is how long an answer may take when nothing else arrives, and
	// maxAckTimeout when other things do.
	ackTimeout    = 10 * time.Second
	maxAckTimeout = 3 * ackTimeout
)

var (
	errSilent = &CloseError{Code: shared.CloseSilent, Reason: "nothing was heard from the server"}
	errNoAck  = &CloseError{Code: shared.CloseSilent, Reason: "the server does not answer"}
)

// link is one connection with its reader and its writer. Run's goroutine makes
// it, takes what arrives, and ends it by closing done and then conn.
type link struct {
	conn    Conn
	inbound chan inbound  // from readMessages, in order
	egress  chan []byte   // to writeMessages; never closed
	done    chan struct{} // closed when nobody cares for it any more

	// Guarded by Client.mu.
	lastReceived time.Time // when something arrived last
	pingedAt     time.Time // when we sent the ping that nothing has arrived since; else zero
}

// inbound is a frame, or the error that ended the connection.
type inbound struct {
	frame []byte
	err   error
}

// readMessages reads until the connection ends.
func (l *link) readMessages() {
	for {
		// Not a context that ends, see Conn: Close ends a Read.
		frame, err := l.conn.Read(context.Background())
		select {
		case l.inbound <- inbound{frame, err}:
		case <-l.done:
			return
		}
		if err != nil {
			return
		}
	}
}

// writeMessages alone writes to the connection. Whenever egress has run empty it
// calls drained: something may wait for the room. An error ends it without a
// word, since the reader gets to know the reason.
func (l *link) writeMessages(drained func()) {
	for {
		select {
		case frame := <-l.egress:
			if l.conn.Write(context.Background(), frame) != nil {
				return
			}
			if len(l.egress) == 0 {
				drained()
			}
		case <-l.done:
			return
		}
	}
}

// serve uses a connection until it ends and returns why.
func (c *Client) serve(ctx context.Context, group *sync.WaitGroup, conn Conn) error {
	l := &link{
		conn:    conn,
		inbound: make(chan inbound, batch),
		egress:  make(chan []byte, egressLength),
		done:    make(chan struct{}),
	}
	c.bind(l)
	group.Go(l.readMessages)
	group.Go(func() { l.writeMessages(c.notify) })

	err := c.eventLoop(ctx, l)
	c.unbind(err)
	close(l.done)
	closing := &CloseError{Code: shared.CloseNormal}
	if err == errSilent || err == errNoAck {
		closing = err.(*CloseError)
	}
	// Close may wait for a server that is gone; the next connection does not.
	group.Go(func() { _ = conn.Close(closing.Code, closing.Reason) })
	return err
}

// eventLoop handles what arrives and what has become due.
func (c *Client) eventLoop(ctx context.Context, l *link) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, err := c.tick(l)
		c.runCallbacks()
		if err != nil {
			return err
		}
		timer.Reset(time.Until(next))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case a := <-l.inbound:
			if err := c.handleBatch(ctx, l, a); err != nil {
				return err
			}
		case <-c.notified:
		case <-timer.C:
		}
	}
}

// handleBatch handles what has arrived and what waits behind it, up to batch.
func (c *Client) handleBatch(ctx context.Context, l *link, a inbound) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := 0; ; n++ {
		if a.err != nil {
			return a.err
		}
		l.lastReceived, l.pingedAt = time.Now(), time.Time{}
		c.routeEvent(ctx, a.frame)
		if n == batch {
			return nil
		}
		select {
		case a = <-l.inbound:
		default:
			return nil
		}
	}
}

// bind makes l the connection.
func (c *Client) bind(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.lastReceived = time.Now()
	c.link, c.welcomed, c.heartbeat = l, false, 0
	c.requests = map[string]*pendingRequest{}
	c.calls = map[string]chan shared.Event{}
	if r := c.findRoom(c.serverCurrent); r != nil {
		r.phase, r.requestedAt = joining, l.lastReceived // the address asked for it
	}
}

// unbind takes back everything that only a connection can keep.
func (c *Client) unbind(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link, c.welcomed = nil, false
	for _, answer := range c.calls {
		close(answer)
	}
	c.requests, c.calls = nil, nil
	for _, r := range c.rooms {
		r.phase, r.typing = out, nil
		r.refused, r.retryAt = nil, time.Time{}
	}
	c.outbox.disconnected(cause)
	c.notifyChange()
}

// deadline is the earliest of several times.
type deadline struct{ at time.Time }

func (d *deadline) before(t time.Time) {
	if t.Before(d.at) {
		d.at = t
	}
}

// tick does everything that is due and returns when to look again. An error
// means that the connection is dead.
func (c *Client) tick(l *link) (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	next := &deadline{now.Add(time.Hour)}
	if c.welcomed {
		c.reconcile(now, next)
		c.expireTyping(now, next)
	}
	// What has arrived and waits to be handled is not silence.
	if len(l.inbound) == 0 {
		if err := c.checkLiveness(l, now, next); err != nil {
			return now, err
		}
	}
	return next.at, nil
}

// checkLiveness finds out whether the connection is alive. Silence, or an answer that is
// late while nothing else arrives, is answered with one ping: after a night's
// sleep a timer fires before what has arrived is read. Silence after the ping
// is the end.
func (c *Client) checkLiveness(l *link, now time.Time, next *deadline) error {
	if !l.pingedAt.IsZero() {
		end := l.pingedAt.Add(grace)
		if !now.Before(end) {
			return errSilent
		}
		next.before(end)
		return nil
	}
	probe := l.lastReceived.Add(c.heartbeat + grace)
	if asked := c.oldestUnanswered(); !asked.IsZero() {
		if !now.Before(asked.Add(maxAckTimeout)) {
			return errNoAck
		}
		next.before(asked.Add(maxAckTimeout))
		quiet := asked
		if l.lastReceived.After(asked) {
			quiet = l.lastReceived
		}
		if late := quiet.Add(ackTimeout); late.Before(probe) {
			probe = late
		}
	}
	if c.checkRequested {
		c.checkRequested = false
		// By the wall clock: the other one stands still while the machine sleeps.
		if now.Round(0).Sub(l.lastReceived.Round(0)) >= recentActivity {
			probe = now
		}
	}
	if now.Before(probe) {
		next.before(probe)
		return nil
	}
	l.pingedAt = now
	next.before(now.Add(grace))
	c.sendEvent(shared.Ping.Frame(shared.NewID(), shared.Empty{}))
	return nil
}

// oldestUnanswered returns when the oldest question was asked that has no answer yet,
// or zero. Calls are not counted: their context limits them.
func (c *Client) oldestUnanswered() time.Time {
	oldest := c.outbox.oldestInFlight()
	for _, a := range c.requests {
		if oldest.IsZero() || a.at.Before(oldest) {
			oldest = a.at
		}
	}
	return oldest
}
