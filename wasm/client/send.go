package client

import (
	"time"

	"websockets/shared"
)

// Send puts a message for a room into the outbox and returns its id; an empty room
// means the current one. The message is sent once, after everything written before
// it for the same room, as soon as we are in that room: now, or after a reconnect.
// OnAck and View tell how it goes. Send does not block.
//
// The error is a *shared.Error if the message is not valid, ErrNoRoom, or one that
// wraps ErrOutboxFull. Nothing is kept or sent then.
func (c *Client) Send(room, message string) (id string, err error) {
	err = shared.SendMessagePayload{Room: room, Message: message}.Validate()
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if room == "" {
		room = c.rooms.Current()
	}
	if room == "" {
		return "", ErrNoRoom
	}
	now := time.Now()
	id, err = c.outbox.Add(room, message, now)
	if err != nil {
		return "", err
	}
	c.rooms.GetOrCreate(room).ResetTyping()
	c.flush(now)
	err = c.outbox.Persist(id)
	if err != nil {
		return "", err
	}
	c.callbacks.notifyChange()
	return id, nil
}

// Retry sends a message that is Failed, Rejected or Uncertain again, after all that
// is pending now. The error is ErrNoMessage.
func (c *Client) Retry(id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	room, err := c.outbox.Retry(id)
	if err != nil {
		return err
	}
	c.rooms.GetOrCreate(room).ClearRefusal()
	c.flush(time.Now())
	c.callbacks.notifyChange()
	return nil
}

// Discard removes a message that is Failed, Rejected or Uncertain. The error is
// ErrNoMessage.
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

// ImportOutbox takes over what another client has left in its store, such as the one
// of a tab that was closed. Its messages go before our own and stay in their store
// until they are done; nobody else may use that store any more. What that client has
// sent is looked for in the log before it is sent again.
func (c *Client) ImportOutbox(store Store) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, room := range c.outbox.Import(store) {
		c.rooms.GetOrCreate(room)
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

// acked calls OnAck soon.
func (c *Client) acked(id string, ack shared.AckPayload) {
	if c.config.OnAck != nil {
		c.callbacks.enqueue(func() { c.config.OnAck(id, ack) })
	}
}
