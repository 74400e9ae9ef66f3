package chat

import (
	"bytes"
	"errors"
	"net"
	"os"
	"slices"
	"time"

	"websockets/server/timeline"
	"websockets/server/wsframe"
	"websockets/shared"
)

// batchBytes is about how much one write takes: enough that system calls do
// not count, little enough that one client does not hold others up.
// A connection with TLS cannot be used on after a write was interrupted: it holds
// what it has until the client takes it or is given up, so it takes less at once.
const (
	batchBytes       = 64 << 10
	batchBytesSecure = 16 << 10
)

func (c *Client) batch() int {
	if c.secure {
		return batchBytesSecure
	}
	return batchBytes
}

// errLastWritten ends the writer after a close frame; the reader waits for the
// other side's.
var errLastWritten = errors.New("the close frame is written")

// segment is a part of a write: something of this client's own, or frames of a
// room, or the news that a room is synced.
type segment struct {
	frames []byte
	own    *outgoing // set for something of the client's own
	m      *member   // set for a room's
	from   uint64    // the member's place before these frames
	synced bool      // the frame is a synced event
}

// errMustWait says that going on takes waiting: for the log.
var errMustWait = errors.New("the log is to be read")

// writeMessages writes all there is to write for this client, waiting for the
// client and the log where it must, and returns when there is no more. It takes
// over where the writers, who wait for nothing, could not go on.
//
// What it holds of the rooms is only what one write is trying to get rid of,
// and it lets go of that when the client does not take it: then it waits with
// one frame in hand, and comes back to the room's ring or to the log when that
// is out. So a reader that has stopped costs one frame.
func (c *Client) writeMessages() {
	var segments []segment
	for {
		var err error
		segments, err = c.collect(segments[:0], true)
		if err == nil && len(segments) > 0 {
			err = c.write(segments)
		}
		clear(segments)
		c.pages.done(err == nil && len(c.partial) == 0)
		if err != nil {
			c.writeFailed(err)
			return
		}
		if len(segments) == 0 && c.goIdle() {
			return
		}
	}
}

// writeFailed ends the writing for good.
func (c *Client) writeFailed(err error) {
	if !errors.Is(err, errLastWritten) {
		_ = c.conn.Close() // ends the reader, which takes the client down
	}
	c.mu.Lock()
	c.gone = true
	c.letReaderGo()
	c.mu.Unlock()
	c.goIdle()
}

// collect adds what is to be written next to segments: the rest of a frame, or
// what is queued up to something that changes the client's rooms, or what is
// queued and something of each room. Unless it may wait it stops with
// errMustWait before what takes waiting; what it has collected is to be written
// all the same.
func (c *Client) collect(segments []segment, mayWait bool) ([]segment, error) {
	if len(c.partial) > 0 {
		return append(segments, segment{frames: c.partial}), nil
	}
	own, changes, stopped := c.takeEgress(mayWait)
	for i := range own {
		out := &own[i]
		if out.leave != nil {
			c.active = slices.DeleteFunc(c.active, func(m *member) bool { return m == out.leave })
		}
		frame := out.frame
		if out.build != nil {
			frame = out.build()
		}
		segments = append(segments, segment{frames: frame, own: out})
	}
	if stopped {
		return segments, errMustWait
	}
	if changes {
		return segments, nil
	}
	// Rooms take turns: one that always has something does not hold the others up.
	for bytes, n := 0, len(c.active); n > 0 && bytes < c.batch(); n-- {
		c.turn = (c.turn + 1) % len(c.active)
		before := len(segments)
		var err error
		if segments, err = c.collectRoom(segments, c.active[c.turn], mayWait); err != nil {
			return segments, err
		}
		for _, s := range segments[before:] {
			bytes += len(s.frames)
		}
	}
	return segments, nil
}

// takeEgress takes from the queue, up to the first thing that changes which
// rooms are written: rooms come after it, in the next write. It has stopped if
// the next thing takes waiting, and that may not be.
func (c *Client) takeEgress(mayWait bool) (own []outgoing, changes, stopped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.again = false
	n, bytes := 0, 0
	for n < len(c.egress.queue) && !changes && bytes < c.batch() {
		out := &c.egress.queue[n]
		if stopped = out.build != nil && !mayWait; stopped {
			break
		}
		changes = out.changesRooms()
		bytes += len(out.frame)
		n++
	}
	c.egress.bytes -= bytes
	if n == len(c.egress.queue) {
		own, c.egress.queue = c.egress.queue, nil
		return own, changes, stopped
	}
	own = slices.Clone(c.egress.queue[:n])
	c.egress.queue = slices.Delete(c.egress.queue, 0, n)
	return own, changes, stopped
}

// collectRoom adds what a room has beyond the member's place: from the ring if
// it reaches back that far, else a page of the log.
func (c *Client) collectRoom(segments []segment, m *member, mayWait bool) ([]segment, error) {
	segments, err := c.collectSynced(segments, m, mayWait)
	if err != nil {
		return segments, err
	}
	r := m.room
	for bytes := 0; bytes < c.batch(); {
		frames, last, behind := r.timeline.After(m.seq)
		if behind {
			if !mayWait {
				return segments, errMustWait
			}
			page, err := r.timeline.Read(c.manager.ctx, m.seq, c.pages.next())
			if err != nil {
				return segments, err
			}
			if page.Gone != nil && !m.told {
				segments = append(segments, segment{frames: c.toldGone(m, *page.Gone), m: m, from: m.seq})
			}
			m.told = false
			frames, last = page.Frames, page.Last
		}
		if last == m.seq {
			break
		}
		if len(frames) > 0 {
			segments = append(segments, segment{frames: frames, m: m, from: m.seq})
		}
		m.seq = last
		if bytes += len(frames); behind {
			break // a page at a time: it is memory of this client's own
		}
	}
	return c.collectSynced(segments, m, mayWait)
}

// collectSynced adds the news that the member has what it missed, as soon as it
// has.
func (c *Client) collectSynced(segments []segment, m *member, mayWait bool) ([]segment, error) {
	if !m.syncing || m.seq < m.target {
		return segments, nil
	}
	cursor, known := m.room.timeline.CachedCursor(m.seq)
	if !known && !mayWait {
		return segments, errMustWait
	}
	var err error
	if !known {
		cursor, err = m.room.timeline.Cursor(c.manager.ctx, m.seq)
	}
	if err != nil {
		return segments, err
	}
	m.syncing = false
	return append(segments, segment{
		frames: wsframe.NewText(shared.Synced.Frame("", shared.SyncedPayload{Room: m.room.name, Cursor: cursor})),
		m:      m, from: m.seq, synced: true,
	}), nil
}

// toldGone tells a client that is in a room of a range that is or may be gone.
func (c *Client) toldGone(m *member, gone shared.Truncated) []byte {
	r := m.room
	r.mu.RLock()
	defer r.mu.RUnlock()
	return wsframe.NewText(shared.RoomJoined.Frame("", shared.RoomJoinedPayload{
		Room: r.name, Cursor: shared.Cursor{Epoch: r.timeline.Epoch(), Seq: m.seq}, State: shared.StateTruncated,
		Truncated: &gone, Count: r.presence.Count(), Members: r.presence.List(),
	}))
}

// write writes the segments with one system call, as far as the client takes
// them.
func (c *Client) write(segments []segment) error {
	c.writing.Store(c.manager.now.Load())
	var n int64
	var err error
	if len(segments) == 1 {
		var short int
		short, err = c.net.Write(segments[0].frames)
		n = int64(short)
	} else {
		buffers := make(net.Buffers, 0, len(segments))
		for _, s := range segments {
			buffers = append(buffers, s.frames)
		}
		n, err = buffers.WriteTo(c.net)
	}
	waited := c.writing.Swap(0) != c.manager.now.Load()
	if n > 0 && waited {
		c.heard() // the client took something that the kernel had no room for
	}
	if err == nil {
		return c.written(segments)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	// The manager interrupted a write that did not move on.
	if err := c.net.SetWriteDeadline(time.Time{}); err != nil {
		return err
	}
	c.mu.Lock()
	gone := c.gone
	c.mu.Unlock()
	if gone {
		return err
	}
	return c.letGo(segments, int(n))
}

// written does what follows from segments being out.
func (c *Client) written(segments []segment) error {
	c.partial = nil
	acks, own, last := 0, false, false
	for _, s := range segments {
		if s.own == nil {
			continue
		}
		own = true
		if s.own.join != nil {
			c.active = append(c.active, s.own.join)
		}
		if s.own.ack {
			acks++
		}
		last = last || s.own.last
	}
	if own {
		c.mu.Lock()
		c.egress.acks -= acks
		c.signalDrained()
		c.mu.Unlock()
	}
	if last {
		return errLastWritten
	}
	return nil
}

// letGo keeps of what could not be written only the rest of the frame that is
// partly out, or the next frame if none is. What is this client's own goes back
// to the head of its queue; rooms are read again from where the client is.
func (c *Client) letGo(segments []segment, n int) error {
	i := 0
	for i < len(segments) && n >= len(segments[i].frames) {
		n -= len(segments[i].frames)
		i++
	}
	done, rest := segments[:i], segments[i:]
	if err := c.written(done); err != nil || len(rest) == 0 {
		return err
	}
	first := rest[0]
	if first.own == nil && first.m == nil { // it was a partial frame already
		c.partial = bytes.Clone(first.frames[n:])
		return nil
	}
	if first.own != nil && first.own.last { // nothing comes after it, so its rest waits in the queue
		c.putBack([]outgoing{{frame: bytes.Clone(first.frames[n:]), last: true}})
		return nil
	}
	end := 0
	start := 0
	for end <= n && end < len(first.frames) {
		start = end
		end += wsframe.Length(first.frames[end:])
	}
	c.partial = bytes.Clone(first.frames[n:end])
	if first.own != nil {
		partial := c.partial
		if err := c.written(rest[:1]); err != nil {
			return err
		}
		c.partial = partial
	} else if !first.synced && end < len(first.frames) {
		first.m.seq = timeline.FrameSeq(first.frames[start:end])
	}
	var back []outgoing
	for _, s := range rest[1:] {
		switch {
		case s.own != nil:
			back = append(back, *s.own)
		case s.synced:
			s.m.syncing = true
		default:
			s.m.seq = min(s.m.seq, s.from)
		}
	}
	c.putBack(back)
	return nil
}

func (c *Client) putBack(back []outgoing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, out := range back {
		c.egress.bytes += len(out.frame)
	}
	c.egress.queue = append(back, c.egress.queue...)
}
