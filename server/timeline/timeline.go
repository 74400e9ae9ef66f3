package timeline

import (
	"context"
	"sync"
	"sync/atomic"

	"websockets/server/eventlog"
	"websockets/shared"
)

// Memory counts the bytes of all timelines' rings, which share one bound. The zero
// value is ready for use, from any goroutine.
type Memory struct{ bytes atomic.Int64 }

// Bytes returns how many bytes all rings have.
func (m *Memory) Bytes() int64 { return m.bytes.Load() }

// Options configure a Timeline.
type Options struct {
	Room   string
	Log    eventlog.Log
	Memory *Memory
	// Appended is called with each record that the log delivers, before Grown. It may
	// be nil. Like the functions below it must not block or call the timeline or the
	// log, except where it says otherwise.
	Appended func(eventlog.Record)
	// Skipped is called when records were not delivered and have to be read. It may
	// be nil.
	Skipped func()
	// Grown is called when readers find something new; it may call After.
	Grown func()
	// Reset is called when the log has a new epoch: readers have to start over.
	Reset func()
	// Signal is called with what servers have signalled about the room. It may be
	// called beside the others.
	Signal func([]byte)
}

// Timeline is one room's newest events. Its methods may be called from any
// goroutine.
type Timeline struct {
	options Options
	log     eventlog.Log
	room    string
	sub     eventlog.Subscription

	mu       sync.RWMutex
	epoch    string // of the log that the sequences count in
	ring     ring
	verified shared.Cursor // the last one that the log was asked about and knows
	missed   uint64        // backfilling from here did not reach the ring
	lookup   chan struct{} // closed when the lookup in progress is done; nil if none is
	closed   bool
}

// Open subscribes to a room's log. Options.Grown and the others may be called
// before it returns.
func Open(ctx context.Context, o Options) (*Timeline, error) {
	t := &Timeline{options: o, log: o.Log, room: o.Room}
	t.ring.total = &o.Memory.bytes
	sub, err := o.Log.Subscribe(ctx, o.Room, feed{t})
	if err != nil {
		return nil, err
	}
	t.sub = sub
	return t, nil
}

// Close ends the subscription and frees the ring. Readers find nothing new.
func (t *Timeline) Close() {
	t.sub.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.ring.restart(t.ring.head)
}

// feed is the Timeline as the log sees it.
type feed struct{ *Timeline }

// Start implements eventlog.Subscriber: the ring begins after the head.
func (f feed) Start(epoch string, head eventlog.Record) {
	t := f.Timeline
	t.mu.Lock()
	defer t.mu.Unlock()
	t.epoch = epoch
	t.ring.restart(head.Seq)
	t.ring.origin = head.Body == nil
	if head.Body != nil {
		t.verified = shared.Cursor{Epoch: epoch, Seq: head.Seq, ID: id(head.Body)}
	}
}

// Append implements eventlog.Subscriber.
func (f feed) Append(r eventlog.Record) {
	t := f.Timeline
	t.mu.Lock()
	t.ring.add(r.Seq, r.Body)
	t.mu.Unlock()
	if t.options.Appended != nil {
		t.options.Appended(r)
	}
}

// Skip implements eventlog.Subscriber: the ring begins again after seq, and readers
// that are further back read the log.
func (f feed) Skip(seq uint64) {
	t := f.Timeline
	t.mu.Lock()
	t.ring.restart(seq)
	t.mu.Unlock()
	if t.options.Skipped != nil {
		t.options.Skipped()
	}
}

// Flush implements eventlog.Subscriber.
func (f feed) Flush() { f.options.Grown() }

// Reset implements eventlog.Subscriber.
func (f feed) Reset(epoch string) {
	t := f.Timeline
	t.mu.Lock()
	t.ring.restart(0)
	t.missed = 0
	t.epoch = epoch
	t.mu.Unlock()
	t.options.Reset()
}

// Signal implements eventlog.Subscriber.
func (f feed) Signal(data []byte) { f.options.Signal(data) }

// Epoch returns the epoch of the log.
func (t *Timeline) Epoch() string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.epoch
}

// Head returns the newest sequence that readers can have reached.
func (t *Timeline) Head() uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.ring.head
}

// IsEmpty reports that the room has no records.
func (t *Timeline) IsEmpty() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.ring.head == 0 || t.ring.origin && t.ring.head == t.ring.base
}

// After returns frames beyond seq that lie in one piece of memory, and the sequence
// that a reader has reached with them; no frames and seq itself if there is nothing
// new. behind means that the ring does not reach back to seq: Read does. The bytes
// must not be modified; they stay as they are for as long as they are used.
func (t *Timeline) After(seq uint64) (frames []byte, last uint64, behind bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if seq < t.ring.base {
		return nil, seq, true
	}
	frames, last = t.ring.after(seq)
	return frames, last, false
}

// CachedCursor returns the cursor of a sequence that a reader has reached, if the
// log need not be asked for it.
func (t *Timeline) CachedCursor(seq uint64) (cursor shared.Cursor, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.cachedCursor(seq)
}

// Cursor returns the cursor of a sequence that a reader has reached. It has no id if
// the room has no record at seq, as at its beginning. Errors wrap
// eventlog.ErrUnavailable.
func (t *Timeline) Cursor(ctx context.Context, seq uint64) (shared.Cursor, error) {
	cursor, ok := t.CachedCursor(seq)
	if ok {
		return cursor, nil
	}
	place, err := t.log.Locate(ctx, t.room, seq)
	if err == nil && place.State == eventlog.Present {
		cursor.ID = id(place.Record.Body)
	}
	return cursor, err
}

// cachedCursor is CachedCursor with t.mu held.
func (t *Timeline) cachedCursor(seq uint64) (cursor shared.Cursor, ok bool) {
	cursor = shared.Cursor{Epoch: t.epoch, Seq: seq}
	if seq == 0 || t.ring.origin && seq <= t.ring.base {
		return cursor, true
	}
	if t.verified.Seq == seq && t.verified.Epoch == t.epoch {
		return t.verified, true
	}
	frame := t.ring.frame(seq)
	if frame != nil {
		cursor.ID = id(frame)
	}
	return cursor, frame != nil
}

// verify notes that the log knows a cursor. A crowd that was cut off together comes
// back with the same one.
func (t *Timeline) verify(c shared.Cursor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.Epoch == t.epoch {
		t.verified = c
	}
}
