package chat

import (
	"errors"
	"time"

	"websockets/server/delivery"
	"websockets/server/quota"
	"websockets/shared"
)

// maxRefused is how many events are refused before the connection is closed: those that
// may have been in flight at the first refusal, and some more.
const maxRefused = delivery.Window + 20

// errTooManyPings makes the reader end.
var errTooManyPings = errors.New("too many pings")

// countPing counts a ping or pong of the client, and closes the connection if there
// are too many.
func (c *Client) countPing() error {
	if c.throttle.AllowPing(time.Now()) {
		return nil
	}
	c.expel(shared.ClosePolicy, "too many pings")
	return errTooManyPings
}

// waitTurn waits until the client may send one more event. If that would take too long,
// it returns an error for the client. It closes the connection of a client that keeps
// sending all the same.
func (c *Client) waitTurn() error {
	delay, err := c.throttle.Reserve(time.Now())
	if err != nil {
		if c.throttle.Refused() > maxRefused {
			c.expel(shared.ClosePolicy, "rate limit ignored")
		}
		return rateLimited(err)
	}
	if delay == 0 {
		return nil
	}
	c.out.SetReaderBlocked(true)
	select {
	case <-time.After(delay):
	case <-c.manager.ctx.Done():
	}
	c.out.SetReaderBlocked(false)
	return nil
}

// checkNewRoom refuses the first message of a room if the client's address has started
// too many rooms. Messages that the client sent right after it are refused too, even if
// somebody else starts the room meanwhile: so the client sends them again in order.
func (c *Client) checkNewRoom(m *member) error {
	now := time.Now()
	if !now.Before(m.rejectUntil) {
		if m.room.acceptsMessages(func() bool { return c.addrQuota.AllowNewRoom(now) }) {
			return nil
		}
		m.rejectUntil = now.Add(retryAfter)
	}
	refused := shared.Errorf(shared.CodeRateLimited, "too many new rooms: use an existing room, or wait a moment")
	refused.RetryAfter = 1 / quota.NewRoomsPerSecond
	return refused
}

// rateLimited returns a refusal as an error for the client.
func rateLimited(err error) error {
	var refusal *quota.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	limited := shared.Errorf(shared.CodeRateLimited, "%s", refusal.Reason)
	limited.RetryAfter = refusal.RetryAfter.Seconds()
	return limited
}
