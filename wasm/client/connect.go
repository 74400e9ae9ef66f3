package client

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"websockets/shared"
)

const (
	// dialTimeout is how long one attempt to connect may take.
	dialTimeout = 15 * time.Second
	// The wait before an attempt is random between nothing and minBackoff, doubled
	// with every attempt up to maxBackoff: full jitter, so that the clients of a
	// server that comes back do not all come at once.
	minBackoff = 500 * time.Millisecond
	maxBackoff = 20 * time.Second
)

// Run connects and stays connected until ctx ends, then returns ctx's error, or
// until the server closes with a code that is final, then returns a
// *CloseError. All goroutines of the client have ended when it returns. It may
// be called again then; what waits in the outbox is still there.
func (c *Client) Run(ctx context.Context) error {
	c.mu.Lock()
	if c.running {
		c.mu.Unlock()
		return ErrRunning
	}
	c.running, c.attempt = true, 0
	c.mu.Unlock()

	var group sync.WaitGroup
	err := c.stayConnected(ctx, &group)
	group.Wait()

	c.mu.Lock()
	c.running = false
	c.setState(Ended, err.Error())
	if closed := (*CloseError)(nil); errors.As(err, &closed) {
		c.code = closed.Code
	}
	c.mu.Unlock()
	c.runCallbacks()
	return err
}

func (c *Client) stayConnected(ctx context.Context, group *sync.WaitGroup) error {
	for {
		conn, err := c.dial(ctx, group)
		if err == nil {
			err = c.serve(ctx, group, conn)
		}
		var closed *CloseError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &closed) && !shared.Reconnects(closed.Code):
			return err
		}
		if err := c.backoff(ctx, err); err != nil {
			return err
		}
	}
}

// dial opens a connection, and calls the callbacks meanwhile.
func (c *Client) dial(ctx context.Context, group *sync.WaitGroup) (Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c.mu.Lock()
	c.setState(Connecting, c.reason)
	url, session := c.address(), c.session
	c.mu.Unlock()

	type result struct {
		conn Conn
		err  error
	}
	dialled := make(chan result, 1)
	group.Go(func() {
		conn, err := c.config.Dial(ctx, url, session)
		dialled <- result{conn, err}
	})
	for {
		c.runCallbacks()
		select {
		case r := <-dialled:
			return r.conn, r.err
		case <-c.notified:
		}
	}
}

// address returns the URL for the next connection: the current room, and where
// we are in it. Call it with mu held.
func (c *Client) address() string {
	u := *c.url
	q := u.Query()
	c.serverCurrent, c.dialCursor = c.current, nil
	if r := c.findRoom(c.current); r != nil {
		q.Set("room", r.name)
		if c.dialCursor = c.resumeCursor(r); c.dialCursor != nil {
			after, _ := json.Marshal(c.dialCursor) // a struct of strings and a number
			q.Set("after", string(after))
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// backoff waits until the next attempt is due, or at once after CheckNow, but never
// earlier than the server wished.
func (c *Client) backoff(ctx context.Context, cause error) error {
	c.mu.Lock()
	limit := maxBackoff
	if c.attempt < 10 { // a shift by more says nothing new
		limit = min(maxBackoff, minBackoff<<c.attempt)
	}
	c.attempt++
	earliest := time.Now()
	if c.notBefore.After(earliest) {
		earliest = c.notBefore
	}
	due := earliest.Add(rand.N(limit + 1))
	c.retry = due
	c.setState(Offline, cause.Error())
	c.mu.Unlock()

	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	for {
		c.runCallbacks()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		case <-c.notified:
		}
		if c.takeCheckRequest() {
			timer.Reset(time.Until(earliest))
		}
	}
}

// CheckNow says that the network or the page has come back: a client that waits
// connects at once, one that is connected finds out with one ping whether it
// still is.
func (c *Client) CheckNow() {
	c.mu.Lock()
	c.checkRequested = true
	c.mu.Unlock()
	c.notify()
}

func (c *Client) takeCheckRequest() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	requested := c.checkRequested
	c.checkRequested = false
	return requested
}

// setState is for the View. Call it with mu held.
func (c *Client) setState(s State, reason string) {
	switch {
	case s == Online:
		c.since = time.Time{}
	case c.since.IsZero():
		c.since = time.Now()
	}
	if s != Offline {
		c.retry = time.Time{}
	}
	c.state, c.reason, c.code = s, reason, 0
	c.notifyChange()
}
