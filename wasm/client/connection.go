package client

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"websockets/shared"
	"websockets/wasm/client/conn"
)

// The methods of this file are the Client's part of the connection: the Supervisor
// calls them on Run's goroutine.

// address returns the URL of the next connection and the session to present. The
// URL names the current room and where to resume it.
func (c *Client) address() (url, session string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := *c.url
	q := u.Query()
	room, after := c.rooms.Address()
	if room != "" {
		q.Set("room", room)
	}
	if after != nil {
		cursor, _ := json.Marshal(after) // a struct of strings and a number
		q.Set("after", string(cursor))
	}
	u.RawQuery = q.Encode()
	return u.String(), c.session
}

func (c *Client) connected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rooms.Connected(time.Now())
}

func (c *Client) disconnected(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rooms.Disconnected()
	c.outbox.Disconnected(failureOf(cause))
	c.callbacks.notifyChange()
}

// failureOf returns why the server closed the connection if it did so because of
// something that it was sent; otherwise it is empty.
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

// receive routes the frames that have arrived.
func (c *Client) receive(ctx context.Context, frames [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, frame := range frames {
		c.routeEvent(ctx, frame)
	}
}

// tick does everything that is due, and returns when the oldest question was asked
// that has no answer yet, or zero.
func (c *Client) tick(now time.Time, wakeAt func(time.Time)) (unanswered time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn.Ready() {
		c.reconcile(now, wakeAt)
		if c.rooms.ExpireTyping(now, wakeAt) {
			c.callbacks.notifyChange()
		}
	}
	message, request := c.outbox.OldestInFlight(), c.rooms.OldestRequest()
	if message.IsZero() || !request.IsZero() && request.Before(message) {
		return request
	}
	return message
}
