package quota

import "time"

// Refusal is the error of a call that would exceed a quota.
type Refusal struct {
	// Reason is a sentence for the user.
	Reason string
	// RetryAfter is how long to wait until the call may succeed.
	RetryAfter time.Duration
}

// Error returns the reason.
func (r *Refusal) Error() string { return r.Reason }
