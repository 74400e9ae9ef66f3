package client

import (
	"time"

	"websockets/shared"
)

// Send puts a message for a room into the outbox and returns its id; an empty
// room means the current one. It is sent once, after everything written before
// it for the same room, as soon as we are in that room, now or after the
// connection has come back. OnAck and View tell how it went. It does not block.
//
// The error is an *shared.Error if the message is not one a room takes,
// ErrNoRoom, or one that wraps ErrOutboxFull: nothing is kept or sent then.
func (c *Client) Send(room, message string) (id string, err error) {
	if err := (shared.SendMessagePayload{Room: room, Message: message}).Validate(); err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if room == "" {
		room = c.current
	}
	if room == "" {
		return "", ErrNoRoom
	}
	now := time.Now()
	id, err = c.outbox.Add(room, message, now)
	if err != nil {
		return "", err
	}
	c.getOrCreateRoom(room).typedAt = time.Time{} // what is typed next is another message
	c.flush(now)
	err = c.outbox.Persist(id)
	if err != nil {
		return "", err
	}
	c.callbacks.notifyChange()
	return id, nil
}

// Retry sends a message that is Failed, Rejected or Uncertain again, after all that
// waits now. ErrNoMessage if there is none.
func (c *Client) Retry(id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	room, err := c.outbox.Retry(id)
	if err != nil {
		return err
	}
	c.getOrCreateRoom(room).refused = nil
	c.flush(time.Now())
	c.callbacks.notifyChange()
	return nil
}

// Discard forgets a message that is Failed, Rejected or Uncertain. ErrNoMessage if
// there is none.
func (c *Client) Discard(id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.outbox.Discard(id)
	if err != nil {
		return err
	}
	c.callbacks.notifyChange()
	return nil
}

// ImportOutbox takes over what another client has left in its store, such as the one of
// a tab that was closed. Its messages go before our own and stay in their store
// until they are done; nobody else may use it any more. What was sent before is
// looked for in the log before it is sent again.
func (c *Client) ImportOutbox(store Store) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, room := range c.outbox.Import(store) {
		c.getOrCreateRoom(room)
	}
	c.callbacks.notifyChange()
}

// flush sends what may be sent. Call it with mu held.
func (c *Client) flush(now time.Time) {
	if c.conn.Ready() && c.outbox.Flush(now) {
		c.callbacks.notifyChange()
	}
}

// sendEvent puts a frame into the connection's egress. It reports false if there is
// no connection or the egress is full.
func (c *Client) sendEvent(frame []byte) bool { return c.conn.Send(frame) }

// acked tells OnAck.
func (c *Client) acked(id string, ack shared.AckPayload) {
	if c.config.OnAck != nil {
		c.callbacks.enqueue(func() { c.config.OnAck(id, ack) })
	}
}

// position returns up to where a room has been read, and whether it is synced.
func (c *Client) position(room string) (cursor *shared.Cursor, isSynced bool) {
	r := c.findRoom(room)
	if r == nil {
		return nil, false
	}
	return r.cursor, r.phase == synced
}
