package chat

import (
	"context"
	"slices"

	"websockets/server/eventlog"
	"websockets/shared"
)

// A ring begins when its room is opened. When a crowd comes back to a room that
// nobody was in, the first of them read the log, and what they read is put in
// front of the ring: the others are served from memory, like those who are only a
// little behind.

// chunkOf encodes records, of which it skips what are no messages.
func chunkOf(records []eventlog.Record) *chunk {
	size := 0
	for _, record := range records {
		size += messageFrameLength(record.Body)
	}
	c := &chunk{frames: make([]byte, 0, size), seqs: make([]uint64, 0, len(records)), ends: make([]uint32, 0, len(records))}
	for _, record := range records {
		if isMessage(record.Body) {
			c.frames = appendMessageFrame(c.frames, record.Seq, record.Body)
			c.seqs = append(c.seqs, record.Seq)
			c.ends = append(c.ends, uint32(len(c.frames)))
		}
	}
	return c
}

// fillFrom reads what lies between a cursor and the ring, if that is no more than a
// page, and puts it into the ring. It is no matter if that fails: whoever needs it
// reads it then.
func (r *room) fillFrom(ctx context.Context, after shared.Cursor) {
	r.mu.RLock()
	needless := after.Seq >= r.ring.base || after.Seq <= r.tooFar
	r.mu.RUnlock()
	if needless {
		return
	}
	page, err := r.log.After(ctx, r.name, after.Seq, pageMessages, largestPage)
	if err != nil || len(page.Records) == 0 || page.Gone {
		return
	}
	r.refill(after.Epoch, after.Seq, chunkOf(page.Records), false)
	r.mu.Lock()
	if after.Seq < r.ring.base {
		r.tooFar = max(r.tooFar, after.Seq)
	}
	r.mu.Unlock()
}

// refill offers the ring a part of the log of this epoch: all that the room has
// beyond from, up to the last message of c. origin says that it has nothing up to
// from.
func (r *room) refill(epoch string, from uint64, c *chunk, origin bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.epoch == epoch && !r.closed {
		r.ring.prepend(from, c, origin)
	}
}

// prepend puts in front of the ring what it lacks of c, if that leaves no hole and
// there is place for it. It copies, since c may hold more than that, and keeps no
// two small chunks side by side.
func (r *ring) prepend(from uint64, c *chunk, origin bool) {
	n, found := slices.BinarySearch(c.seqs, r.base)
	if found {
		n++
	}
	if from >= r.base || n == 0 || c.last() < r.base {
		return
	}
	end := int(c.ends[n-1])
	if r.bytes+end > largestRing || r.total.Load() > allRings {
		return
	}
	before := &chunk{frames: slices.Clone(c.frames[:end]), seqs: slices.Clone(c.seqs[:n]), ends: slices.Clone(c.ends[:n])}
	if len(r.chunks) > 0 && end+len(r.chunks[0].frames) <= largestChunk {
		next := r.chunks[0]
		r.chunks = slices.Delete(r.chunks, 0, 1)
		r.account(-cap(next.frames))
		before.frames = append(before.frames, next.frames...)
		before.seqs = append(before.seqs, next.seqs...)
		for _, e := range next.ends {
			before.ends = append(before.ends, uint32(end)+e)
		}
	}
	r.chunks = slices.Insert(r.chunks, 0, before)
	r.base, r.origin = from, origin
	r.account(cap(before.frames))
}
