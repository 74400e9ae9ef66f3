package chat

import (
	"runtime/debug"
	"time"

	"websockets/server/delivery"
	"websockets/shared"
)

// tickLoop checks every connection once a tick, and tells rooms who joined and left. One
// goroutine serves all, so that an idle connection has no timer, and no goroutine but its
// reader. It never waits for the network or the log.
func (m *Manager) tickLoop() {
	ticker := time.NewTicker(delivery.Tick)
	defer ticker.Stop()
	for {
		var at time.Time
		select {
		case <-m.ctx.Done():
			return
		case at = <-ticker.C:
		}
		now := m.pool.Tick()
		m.mu.RLock()
		for c := range m.clients {
			c.checkLiveness(now)
		}
		m.mu.RUnlock()
		if now%time.Minute == 0 {
			m.quotas.Expire(at)
			m.revoked.expire(at)
		}
		if m.trimmer.isDue() {
			m.wg.Go(debug.FreeOSMemory)
		}
		for _, r := range m.rooms.list() {
			r.publishPresence(at)
		}
	}
}

// checkLiveness closes a connection that is dead, whose token has expired, or that takes
// too long to send a message. It never waits.
func (c *Client) checkLiveness(now time.Duration) {
	if c.expired() {
		c.logger().Info("closed a connection: its token has expired", "hint", "a client sends authenticate with a new token before that")
		c.out.Close(shared.CloseToken, "the token has expired: get a new token")
	}
	c.out.CheckLiveness()
	since := time.Duration(c.readingSince.Load())
	if since != 0 && now-since > messageWait {
		_ = c.conn.SetReadDeadline(time.Now())
	}
}
