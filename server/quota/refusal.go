package quota

import "time"

// Refusal is the error of a call that would exceed a quota.
type Refusal struct {
	// Reason is a sentence for the user.
	Reason string
	// RetryAfter is how long to wait until the call may succeed.
	RetryAfter time.Duration
}

// ErrFull refuses a new address or user while there are too many of them.
var ErrFull = &Refusal{"server is at capacity", time.Minute}

// Error returns the reason.
func (r *Refusal) Error() string { return r.Reason }
