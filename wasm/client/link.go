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

	// defaultBeat holds until welcome tells the server's own.
	defaultBeat = 25 * time.Second
	// grace is how much longer than the heartbeat the server may be silent, and how
	// long it has for the answer to our ping.
	grace = 10 * time.Second
	// justHeard is how recent a sign of life is that CheckNow does not doubt.
	justHeard = time.Second
	// ackTimeout is how long an answer may take when nothing else arrives, and
	// lateAck when other things do.
	ackTimeout = 10 * time.Second
	lateAck    = 3 * ackTimeout
)

var (
	errSilent = &CloseError{Code: shared.CloseSilent, Reason: "nothing was heard from the server"}
	errNoAck  = &CloseError{Code: shared.CloseSilent, Reason: "the server does not answer"}
)

// link is one connection with its reader and its writer. Run's goroutine makes
// it, takes what arrives, and ends it by closing done and then conn.
type link struct {
	conn    Conn
	arrived chan arrival  // from readMessages, in order
	egress  chan []byte   // to writeMessages; never closed
	done    chan struct{} // closed when nobody cares for it any more

	// Guarded by Client.mu.
	heard  time.Time // when something arrived last
	probed time.Time // when we sent the ping that nothing has arrived since; else zero
}

// arrival is a frame, or the error that ended the connection.
type arrival struct {
	frame []byte
	err   error
}

// readMessages reads until the connection ends.
func (l *link) readMessages() {
	for {
		// Not a context that ends, see Conn: Close ends a Read.
		frame, err := l.conn.Read(context.Background())
		select {
		case l.arrived <- arrival{frame, err}:
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
		arrived: make(chan arrival, batch),
		egress:  make(chan []byte, egressLength),
		done:    make(chan struct{}),
	}
	c.attach(l)
	group.Go(l.readMessages)
	group.Go(func() { l.writeMessages(c.poke) })

	err := c.converse(ctx, l)
	c.detach(err)
	close(l.done)
	closing := &CloseError{Code: shared.CloseNormal}
	if err == errSilent || err == errNoAck {
		closing = err.(*CloseError)
	}
	// Close may wait for a server that is gone; the next connection does not.
	group.Go(func() { _ = conn.Close(closing.Code, closing.Reason) })
	return err
}

// converse handles what arrives and what has become due.
func (c *Client) converse(ctx context.Context, l *link) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, err := c.tick(l)
		c.deliver()
		if err != nil {
			return err
		}
		timer.Reset(time.Until(next))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case a := <-l.arrived:
			if err := c.take(ctx, l, a); err != nil {
				return err
			}
		case <-c.poked:
		case <-timer.C:
		}
	}
}

// take handles an arrival and what waits behind it, up to batch.
func (c *Client) take(ctx context.Context, l *link, a arrival) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := 0; ; n++ {
		if a.err != nil {
			return a.err
		}
		l.heard, l.probed = time.Now(), time.Time{}
		c.routeEvent(ctx, a.frame)
		if n == batch {
			return nil
		}
		select {
		case a = <-l.arrived:
		default:
			return nil
		}
	}
}

// attach makes l the connection.
func (c *Client) attach(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.heard = time.Now()
	c.link, c.welcomed, c.beat = l, false, 0
	c.asks = map[string]*ask{}
	c.calls = map[string]chan shared.Event{}
	if r := c.findRoom(c.asked); r != nil {
		r.phase, r.askedAt = joining, l.heard // the address asked for it
	}
}

// detach takes back everything that only a connection can keep.
func (c *Client) detach(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link, c.welcomed = nil, false
	for _, answer := range c.calls {
		close(answer)
	}
	c.asks, c.calls = nil, nil
	for _, r := range c.rooms {
		r.phase, r.typing = out, nil
		r.refused, r.retryAt = nil, time.Time{}
	}
	c.outbox.disconnected(cause)
	c.change()
}

// alarm is the earliest of several times.
type alarm struct{ at time.Time }

func (a *alarm) by(t time.Time) {
	if t.Before(a.at) {
		a.at = t
	}
}

// tick does everything that is due and returns when to look again. An error
// means that the connection is dead.
func (c *Client) tick(l *link) (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	next := &alarm{now.Add(time.Hour)}
	if c.welcomed {
		c.settle(now, next)
		c.expireTyping(now, next)
	}
	// What has arrived and waits to be handled is not silence.
	if len(l.arrived) == 0 {
		if err := c.judge(l, now, next); err != nil {
			return now, err
		}
	}
	return next.at, nil
}

// judge finds out whether the connection is alive. Silence, or an answer that is
// late while nothing else arrives, is answered with one ping: after a night's
// sleep a timer fires before what has arrived is read. Silence after the ping
// is the end.
func (c *Client) judge(l *link, now time.Time, next *alarm) error {
	if !l.probed.IsZero() {
		end := l.probed.Add(grace)
		if !now.Before(end) {
			return errSilent
		}
		next.by(end)
		return nil
	}
	probe := l.heard.Add(c.beat + grace)
	if asked := c.oldestAsk(); !asked.IsZero() {
		if !now.Before(asked.Add(lateAck)) {
			return errNoAck
		}
		next.by(asked.Add(lateAck))
		quiet := asked
		if l.heard.After(asked) {
			quiet = l.heard
		}
		if late := quiet.Add(ackTimeout); late.Before(probe) {
			probe = late
		}
	}
	if c.woken {
		c.woken = false
		// By the wall clock: the other one stands still while the machine sleeps.
		if now.Round(0).Sub(l.heard.Round(0)) >= justHeard {
			probe = now
		}
	}
	if now.Before(probe) {
		next.by(probe)
		return nil
	}
	l.probed = now
	next.by(now.Add(grace))
	c.sendEvent(shared.Ping.Frame(newID(), shared.Empty{}))
	return nil
}

// oldestAsk returns when the oldest question was asked that has no answer yet,
// or zero. Calls are not counted: their context limits them.
func (c *Client) oldestAsk() time.Time {
	oldest := c.outbox.oldestOnWire()
	for _, a := range c.asks {
		if oldest.IsZero() || a.at.Before(oldest) {
			oldest = a.at
		}
	}
	return oldest
}
