package chat

import "sync/atomic"

const (
	// pageBytes is what is read from the log at once for a client that is behind. A
	// client that takes none of it holds it until its write is interrupted, and a
	// thousand may stop at once: so one gets more only while it takes what it gets,
	// twice as much each time up to largestPage, and all clients together have at
	// most allPages beyond pageBytes for each.
	pageBytes   = 12 << 10
	largestPage = 128 << 10
	allPages    = 16 << 20
)

// pages says how much of the log a client may read at once. Owned by its writer,
// the total is all clients'.
type pages struct {
	size  int   // of the next one, beyond pageBytes
	held  int64 // of total
	read  bool  // there is one in hand
	total *atomic.Int64
}

// next returns how many bytes the next page may have, and holds them until done.
func (p *pages) next() int {
	more := int64(p.size)
	if p.total.Add(more) > allPages {
		p.total.Add(-more)
		more = 0
	}
	p.held, p.read = p.held+more, true
	return pageBytes + int(more)
}

// done says that nothing of the pages is in hand any more: taken if all was
// written.
func (p *pages) done(taken bool) {
	switch {
	case !taken:
		p.size = 0
	case p.read:
		p.size = min(2*p.size+pageBytes, largestPage-pageBytes)
	}
	p.total.Add(-p.held)
	p.held, p.read = 0, false
}
