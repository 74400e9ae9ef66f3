package conn

import (
	"math/rand/v2"
	"time"
)

// The wait before an attempt to connect is random between nothing and a limit:
// MinBackoff, doubled with each attempt up to MaxBackoff. With this full jitter the
// clients of a server that restarts do not all return at once.
const (
	MinBackoff = 500 * time.Millisecond
	MaxBackoff = 20 * time.Second
)

// backoff decides when to try to connect again. It is guarded by Supervisor.mu.
type backoff struct {
	attempts  int       // to connect, since the last reset
	notBefore time.Time // the server wants no attempt earlier
}

// next counts an attempt and returns when it is due. CheckNow may bring it forward
// to earliest.
func (b *backoff) next(now time.Time) (due, earliest time.Time) {
	limit := MaxBackoff
	if b.attempts < 10 { // a longer shift changes nothing
		limit = min(MaxBackoff, MinBackoff<<b.attempts)
	}
	b.attempts++
	earliest = later(now, b.notBefore)
	return earliest.Add(rand.N(limit + 1)), earliest
}
