package servertest

import (
	"sync/atomic"
	"time"
)

// Clock is a clock that a test moves. The zero Clock is the machine's. Its methods may be
// called from any goroutine.
type Clock struct{ ahead atomic.Int64 }

// Now returns the time on the clock.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// Set makes the clock go so far ahead of the machine's.
func (c *Clock) Set(ahead time.Duration) { c.ahead.Store(int64(ahead)) }
