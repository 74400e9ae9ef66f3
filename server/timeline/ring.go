package timeline

import (
	"slices"
	"sync/atomic"
)

// Sizes of the rings. What a ring does not hold is read from the log, so these
// trade memory for reading and promise nothing.
const (
	smallestChunk = 2 << 10   // bytes; a quiet room needs no more
	largestChunk  = 32 << 10  // bytes; also what one write of a busy room takes
	allRings      = 256 << 20 // over it, every ring that grows keeps one chunk only
)

// MaxRing bounds the bytes of one ring; one record more may be on top.
const MaxRing = 512 << 10

// ring holds a room's newest events, each encoded once as a frame. It holds
// everything beyond base, up to head; a reader is just a sequence, so a thousand
// readers cost what one does.
//
// The timeline's lock guards it. The bytes it hands out are never written again, so
// they may be used without the lock.
type ring struct {
	base, head uint64
	origin     bool     // the room had nothing up to base
	chunks     []*chunk // oldest first; each has at least one frame
	bytes      int      // capacity of all chunks
	total      *atomic.Int64
}

// chunk is a run of frames in one piece of memory.
type chunk struct {
	frames []byte
	seqs   []uint64
	ends   []uint32 // where the frame of each sequence ends in frames
}

func (c *chunk) last() uint64 { return c.seqs[len(c.seqs)-1] }

// add appends a record's frame to the chunk. Of a body that is no record of ours it
// keeps only that there is nothing to show.
func (c *chunk) add(seq uint64, body []byte) {
	c.frames = AppendFrame(c.frames, seq, body)
	c.seqs = append(c.seqs, seq)
	c.ends = append(c.ends, uint32(len(c.frames)))
}

// add appends the record that follows the head.
func (r *ring) add(seq uint64, body []byte) {
	r.head = seq
	r.chunkFor(maxFrameLength(body)).add(seq, body)
}

// chunkFor returns a chunk with need bytes free, dropping the oldest chunks if the
// ring has become too large.
func (r *ring) chunkFor(need int) *chunk {
	size := smallestChunk
	if n := len(r.chunks); n > 0 {
		c := r.chunks[n-1]
		if cap(c.frames)-len(c.frames) >= need {
			return c
		}
		size = min(2*cap(c.frames), largestChunk)
	}
	limit := MaxRing
	if r.total.Load() > allRings {
		limit, size = 0, smallestChunk
	}
	for len(r.chunks) > 0 && r.bytes+size > limit {
		r.drop()
	}
	c := &chunk{frames: make([]byte, 0, max(size, need))}
	r.chunks = append(r.chunks, c)
	r.account(cap(c.frames))
	return c
}

// drop forgets the oldest chunk.
func (r *ring) drop() {
	oldest := r.chunks[0]
	r.base, r.origin = oldest.last(), false
	r.chunks = slices.Delete(r.chunks, 0, 1)
	r.account(-cap(oldest.frames))
}

// restart forgets everything: the ring begins after seq.
func (r *ring) restart(seq uint64) {
	r.chunks = nil
	r.account(-r.bytes)
	r.base, r.head, r.origin = seq, seq, false
}

func (r *ring) account(bytes int) {
	r.bytes += bytes
	r.total.Add(int64(bytes))
}

// after returns frames beyond seq that lie in one piece, and the sequence of the
// last of them; none and seq itself if there are none. seq must not be below
// base.
func (r *ring) after(seq uint64) (frames []byte, last uint64) {
	if seq >= r.head {
		return nil, seq
	}
	// Nearly always the reader is close to the end.
	n := len(r.chunks) - 1
	for n > 0 && r.chunks[n-1].last() > seq {
		n--
	}
	c := r.chunks[n]
	i, found := slices.BinarySearch(c.seqs, seq)
	if found {
		i++
	}
	start := uint32(0)
	if i > 0 {
		start = c.ends[i-1]
	}
	return c.frames[start:len(c.frames):len(c.frames)], c.last()
}

// frame returns the frame of exactly this sequence, nil if the ring does not
// have it.
func (r *ring) frame(seq uint64) []byte {
	if seq <= r.base || seq > r.head {
		return nil
	}
	for _, c := range slices.Backward(r.chunks) {
		i, found := slices.BinarySearch(c.seqs, seq)
		if found {
			start := uint32(0)
			if i > 0 {
				start = c.ends[i-1]
			}
			return c.frames[start:c.ends[i]]
		}
		if i > 0 {
			return nil
		}
	}
	return nil
}

// back returns the sequence that n records lie beyond, or all of the room's if
// it has fewer; false if the ring does not hold enough to tell.
func (r *ring) back(n int) (seq uint64, ok bool) {
	for _, c := range slices.Backward(r.chunks) {
		if n < len(c.seqs) {
			return c.seqs[len(c.seqs)-n-1], true
		}
		n -= len(c.seqs)
	}
	return r.base, n == 0 || r.origin
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
	if r.bytes+end > MaxRing || r.total.Load() > allRings {
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
