package client

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"websockets/shared"
	"websockets/wasm/client/conn"
)

// The functions of this file are the Client's part of the connection. The
// Supervisor calls them on Run's goroutine.

// address returns the URL of the next connection and the session to present. The
// URL names the current room and where to resume it.
func (c *Client) address() (url, session string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := *c.url
	q := u.Query()
	c.serverCurrent, c.dialCursor = c.current, nil
	if r := c.findRoom(c.current); r != nil {
		q.Set("room", r.name)
		if c.dialCursor = c.outbox.ResumeCursor(r.name, r.cursor); c.dialCursor != nil {
			after, _ := json.Marshal(c.dialCursor) // a struct of strings and a number
			q.Set("after", string(after))
		}
	}
	u.RawQuery = q.Encode()
	return u.String(), c.session
}

// connected prepares for the frames of a new connection.
func (c *Client) connected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = map[string]*pendingRequest{}
	if r := c.findRoom(c.serverCurrent); r != nil {
		r.phase, r.requestedAt = joining, time.Now() // the address requested it
	}
}

// disconnected takes back everything that was true of that connection only.
func (c *Client) disconnected(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = nil
	for _, r := range c.rooms {
		r.phase, r.typing = out, nil
		r.refused, r.retryAt = nil, time.Time{}
	}
	c.outbox.Disconnected(failureOf(cause))
	c.callbacks.notifyChange()
}

// receive routes the frames that have arrived.
func (c *Client) receive(ctx context.Context, frames [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, frame := range frames {
		c.routeEvent(ctx, frame)
	}
}

// tick does everything that is due.
func (c *Client) tick(now time.Time, wakeAt func(time.Time)) (unanswered time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn.Ready() {
		c.reconcile(now, wakeAt)
		c.expireTyping(now, wakeAt)
	}
	return c.oldestUnanswered()
}

// oldestUnanswered returns when the oldest question was asked that has no answer
// yet, or zero.
func (c *Client) oldestUnanswered() time.Time {
	oldest := c.outbox.OldestInFlight()
	for _, a := range c.requests {
		if oldest.IsZero() || a.at.Before(oldest) {
			oldest = a.at
		}
	}
	return oldest
}

// failureOf returns why the server closed the connection if that was because of
// something it was sent; otherwise it is empty.
func failureOf(cause error) string {
	var closed *conn.CloseError
	if !errors.As(cause, &closed) {
		return ""
	}
	switch closed.Code {
	case shared.CloseUnsupportedData, shared.CloseInvalidText, shared.ClosePolicy, shared.CloseTooBig:
		return closed.Error()
	}
	return ""
}
