package chat

import (
	"runtime/debug"
	"time"

	"websockets/server/wsframe"
	"websockets/shared"
)

// tickLoop looks at every connection once a tick, and tells rooms who came and
// went. One goroutine does it for all, so that an idle connection has no timer
// and no goroutine but its reader. It never waits for the network or the log.
func (m *Manager) tickLoop() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		var at time.Time
		select {
		case <-m.ctx.Done():
			return
		case at = <-ticker.C:
		}
		now := m.now.Add(1)
		m.mu.RLock()
		for c := range m.clients {
			c.checkLiveness(now)
		}
		m.mu.RUnlock()
		if now%ticks(time.Minute) == 0 {
			m.quotas.Expire(at)
		}
		if m.trimmer.isDue() {
			m.wg.Go(debug.FreeOSMemory)
		}
		for _, r := range m.openRooms() {
			r.publishPresence(at)
		}
	}
}

// ticks returns how many ticks a duration is.
func ticks(d time.Duration) int64 { return int64(d / tick) }

// checkLiveness pings a connection that is quiet, ends one that is dead or takes too
// long over a message, and interrupts a write that does not move. It never waits.
func (c *Client) checkLiveness(now int64) {
	quiet := now - c.alive.Load()
	switch {
	case c.expired():
		c.close(shared.CloseToken, "the token has expired: get a new token")
	case c.held.Load() && c.writing.Load() == 0: // it waits for us, not we for it
	case quiet > ticks(pingAfter+pongWait):
		c.close(shared.CloseSilent, "nothing was heard for too long")
		_ = c.net.SetReadDeadline(time.Now()) // it would not answer the close frame either
		_ = c.net.SetWriteDeadline(time.Now())
	case quiet > ticks(pingAfter) && c.pinged.CompareAndSwap(0, now):
		c.offer(wsframe.New(wsframe.Ping, nil))
	}
	if since := c.reading.Load(); since != 0 && now-since > ticks(messageWait) {
		_ = c.net.SetReadDeadline(time.Now())
	}
	if since := c.writing.Load(); since != 0 && now-since >= ticks(stallWait) && !c.secure {
		_ = c.net.SetWriteDeadline(time.Now())
	}
}

// expired reports that the session has expired, and that no other has come since.
// Guests' is judged when they connect.
func (c *Client) expired() bool {
	return c.manager.authenticator.Tokens != nil && time.Since(c.session.Load().Expires) > expiryGrace && !c.isEnding()
}
