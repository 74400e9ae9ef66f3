package chat

import (
	"errors"
	"time"

	"golang.org/x/time/rate"

	"websockets/shared"
)

const (
	// burst is how many times its events of a second a connection may send at once.
	burst = 3
	// maxPause is how long a client over its rate is held back, all in all, before
	// events are refused.
	maxPause = 2 * time.Second
	// maxRefused is how many events are refused before the connection is closed: as
	// many as may have been on their way when the first refusal was, and some.
	maxRefused = window + 20
	// maxPings is how many pings and pongs a client may send in a tick.
	maxPings = 20
)

// errTooManyPings ends a connection.
var errTooManyPings = errors.New("too many pings")

// countPing counts a control frame: it costs about as much as an event.
func (c *Client) countPing() error {
	if now := c.manager.now.Load(); now != c.pingsAt {
		c.pings, c.pingsAt = 0, now
	}
	if c.pings++; c.pings <= maxPings || c.pace.limiter == nil {
		return nil
	}
	c.close(shared.ClosePolicy, "too many pings")
	return errTooManyPings
}

// pace holds a client to its rate. Owned by the client's reader.
type pace struct {
	limiter *rate.Limiter // nil means no limit
	paused  time.Duration // since it last was within its rate
	until   time.Time     // events are refused
	refused int           // since then
}

func newPace(eventsPerSecond float64) pace {
	if eventsPerSecond <= 0 {
		return pace{}
	}
	return pace{limiter: rate.NewLimiter(rate.Limit(eventsPerSecond), max(1, int(burst*eventsPerSecond)))}
}

// withinRate holds a client back that sends faster than it may, for up to
// maxPause. After that its events are refused, all of them for a while, so that
// what it sends again later keeps its order.
func (c *Client) withinRate() error {
	p := &c.pace
	if p.limiter == nil {
		return nil
	}
	now := time.Now()
	if now.Before(p.until) {
		return c.refuse(p.until.Sub(now))
	}
	reserved := [...]*rate.Reservation{
		p.limiter.ReserveN(now, 1), c.of.events.ReserveN(now, 1), c.address.events.ReserveN(now, 1),
	}
	var delay time.Duration
	for _, r := range reserved {
		delay = max(delay, r.DelayFrom(now))
	}
	if delay == 0 {
		// One that has overslept finds a token too: within its rate is who has
		// saved up half of his burst.
		if p.limiter.TokensAt(now) >= float64(p.limiter.Burst()-1)/2 {
			p.paused = 0
		}
		return nil
	}
	if p.paused+delay > maxPause {
		for _, r := range reserved {
			r.CancelAt(now)
		}
		p.paused, p.refused = 0, 0
		p.until = now.Add(retryAfter)
		return c.refuse(retryAfter)
	}
	p.paused += delay
	c.held.Store(true)
	defer c.held.Store(false)
	select {
	case <-time.After(delay):
	case <-c.manager.ctx.Done():
	}
	c.heard()
	return nil
}

func (c *Client) refuse(wait time.Duration) error {
	if c.pace.refused++; c.pace.refused > maxRefused {
		c.close(shared.ClosePolicy, "too many events, and no heed of rate_limited")
	}
	refused := shared.Errorf(shared.CodeRateLimited, "too many events: wait a moment")
	refused.RetryAfter = wait.Seconds()
	return refused
}
