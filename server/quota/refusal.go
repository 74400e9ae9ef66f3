package quota

import "time"

// Refusal is the error of what would exceed a quota.
type Refusal struct {
	// Reason is a sentence for the one who is refused.
	Reason string
	// RetryAfter is when the same may succeed.
	RetryAfter time.Duration
}

// Error returns the reason.
func (r *Refusal) Error() string { return r.Reason }
