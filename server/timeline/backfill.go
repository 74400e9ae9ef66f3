package timeline

import (
	"context"

	"websockets/server/eventlog"
	"websockets/shared"
)

// A ring begins when its room is opened. When a crowd comes back to a room that
// nobody was in, the first of them read the log, and what they read is put in
// front of the ring: the others are served from memory, like those who are only a
// little behind.

const (
	// readRecords is how many records one read of the log returns at most.
	readRecords = 1024
	// backfillBytes is how far from the ring a cursor may be for the records between
	// them to be read for all.
	backfillBytes = 128 << 10
)

// Page is a part of the log that was read for a reader that is behind the ring.
type Page struct {
	Frames []byte
	Last   uint64 // the sequence that the reader has reached with them
	// Gone is the range between the reader's place and the page that is or may be
	// gone, nil if nothing is.
	Gone *shared.Truncated
}

// Read reads the log beyond seq, about maxBytes, for a reader that After has told
// that it is behind. Errors wrap eventlog.ErrUnavailable.
func (t *Timeline) Read(ctx context.Context, seq uint64, maxBytes int) (Page, error) {
	epoch := t.Epoch()
	found, err := t.log.After(ctx, t.room, seq, readRecords, maxBytes)
	if err != nil {
		return Page{}, err
	}
	t.mu.RLock()
	base := t.ring.base
	known := !t.ring.origin && base > seq // there was a record at base
	t.mu.RUnlock()
	n := len(found.Records)
	if n == 0 {
		p := Page{Last: base}
		if found.Gone || known {
			p.Gone = &shared.Truncated{After: seq, First: base + 1}
		}
		return p, nil
	}
	read := chunkOf(found.Records)
	p := Page{Frames: read.frames, Last: found.Records[n-1].Seq}
	if found.Gone {
		p.Gone = &shared.Truncated{After: seq, First: found.Records[0].Seq}
	} else {
		t.prepend(epoch, seq, read, false)
	}
	return p, nil
}

// backfill reads what lies between a cursor and the ring, if that is no more than a
// page, and puts it into the ring. Errors are ignored: whoever needs it reads it
// then.
func (t *Timeline) backfill(ctx context.Context, after shared.Cursor) {
	t.mu.RLock()
	needless := after.Seq >= t.ring.base || after.Seq <= t.missed
	t.mu.RUnlock()
	if needless {
		return
	}
	page, err := t.log.After(ctx, t.room, after.Seq, readRecords, backfillBytes)
	if err != nil || len(page.Records) == 0 || page.Gone {
		return
	}
	t.prepend(after.Epoch, after.Seq, chunkOf(page.Records), false)
	t.mu.Lock()
	defer t.mu.Unlock()
	if after.Seq < t.ring.base {
		t.missed = max(t.missed, after.Seq)
	}
}

// prepend offers the ring a part of the log of this epoch: all that the room has
// beyond from, up to the last record of c. origin says that it has nothing up to
// from.
func (t *Timeline) prepend(epoch string, from uint64, c *chunk, origin bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.epoch == epoch && !t.closed {
		t.ring.prepend(from, c, origin)
	}
}

// chunkOf encodes records.
func chunkOf(records []eventlog.Record) *chunk {
	size := 0
	for _, r := range records {
		size += maxFrameLength(r.Body)
	}
	c := &chunk{frames: make([]byte, 0, size), seqs: make([]uint64, 0, len(records)), ends: make([]uint32, 0, len(records))}
	for _, r := range records {
		c.add(r.Seq, r.Body)
	}
	return c
}
