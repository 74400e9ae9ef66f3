package delivery

import "sync/atomic"

const (
	// readBytes is how much of the log is read at once for a client that is behind. A
	// client that takes none of it holds it until its write is interrupted, and a
	// thousand may stop at once. So a client gets more only while it takes what it
	// gets, twice as much each time up to maxReadBytes, and all clients together have
	// at most totalReadBudget in hand beyond readBytes for each.
	readBytes       = 12 << 10
	maxReadBytes    = 128 << 10
	totalReadBudget = 16 << 20
)

// readWindow says how much of the log a client may have in hand.
type readWindow struct {
	extra    int           // bytes of the next page beyond readBytes
	acquired int64         // bytes of total in hand
	total    *atomic.Int64 // all clients' bytes in hand; nil if there is no page in hand
}

// acquire returns how many bytes the next page may have, and counts them in total until
// release.
func (r *readWindow) acquire(total *atomic.Int64) int {
	extra := int64(r.extra)
	if total.Add(extra) > totalReadBudget {
		total.Add(-extra)
		extra = 0
	}
	r.acquired += extra
	r.total = total
	return readBytes + int(extra)
}

// release says that no page is in hand any more. ok means that everything was written.
func (r *readWindow) release(ok bool) {
	hadPage := r.total != nil
	switch {
	case !ok:
		r.extra = 0
	case hadPage:
		r.extra = min(2*r.extra+readBytes, maxReadBytes-readBytes)
	}
	if hadPage {
		r.total.Add(-r.acquired)
	}
	r.acquired, r.total = 0, nil
}
