package quota

import (
	"time"

	"golang.org/x/time/rate"
)

const (
	// Burst is how many seconds' worth of events a connection may send at once.
	Burst = 3
	// MaxDelay is how long a connection that exceeds its rate is delayed in total before
	// its events are refused.
	MaxDelay = 2 * time.Second
	// RefusalPeriod is how long events are then refused.
	RefusalPeriod = time.Second
	// MaxPings is how many pings and pongs a connection may send in a second.
	MaxPings = 20
)

// Throttle keeps one connection to its rate, and to those of its address and user. It is
// not safe for concurrent use: the connection's reader owns it.
type Throttle struct {
	limiter       *rate.Limiter // nil without a limit
	address, user *Quota

	delayed     time.Duration // in total, since the connection was last within its rate
	rejectUntil time.Time
	refused     int // events in this period

	pings      int // since pingsBegan
	pingsBegan time.Time
}

// NewThrottle returns the throttle of a connection that uses these quotas.
func (r *Registry) NewThrottle(address, user *Quota) Throttle {
	return Throttle{limiter: r.newLimiter(1), address: address, user: user}
}

// Reserve counts an event, which the caller has to handle after delay. If the connection
// has been delayed for MaxDelay, Reserve returns a *Refusal instead, for that event and
// all others within RefusalPeriod. So the client sends them again in order.
func (t *Throttle) Reserve(now time.Time) (delay time.Duration, err error) {
	if t.limiter == nil {
		return 0, nil
	}
	if now.Before(t.rejectUntil) {
		return 0, t.refuse(now)
	}
	reserved := [...]*rate.Reservation{
		t.limiter.ReserveN(now, 1), t.user.events.ReserveN(now, 1), t.address.events.ReserveN(now, 1),
	}
	for _, r := range reserved {
		delay = max(delay, r.DelayFrom(now))
	}
	if t.delayed+delay > MaxDelay {
		for _, r := range reserved {
			r.CancelAt(now)
		}
		t.delayed, t.refused = 0, 0
		t.rejectUntil = now.Add(RefusalPeriod)
		return 0, t.refuse(now)
	}
	t.delayed += delay
	// A timer that fires late leaves a token too. So the connection is within its rate
	// only when it has saved half of its burst.
	if delay == 0 && t.limiter.TokensAt(now) >= float64(t.limiter.Burst()-1)/2 {
		t.delayed = 0
	}
	return delay, nil
}

func (t *Throttle) refuse(now time.Time) error {
	t.refused++
	return &Refusal{"too many events: wait a moment", t.rejectUntil.Sub(now)}
}

// Refused returns how many events have been refused since the first of this period.
func (t *Throttle) Refused() int { return t.refused }

// AllowPing reports whether the connection may send one more ping or pong. Each costs
// about as much as an event.
func (t *Throttle) AllowPing(now time.Time) bool {
	if now.Sub(t.pingsBegan) >= time.Second {
		t.pings, t.pingsBegan = 0, now
	}
	t.pings++
	return t.pings <= MaxPings || t.limiter == nil
}
