package delivery

import (
	"net"
	"sync"

	"websockets/server/wsframe"
	"websockets/shared"
)

// Window is how many answers a client may have coming to it, places reserved for
// later answers included. The next event waits for a place.
const Window = 64

const (
	// egressBytes is how much may be queued before the reader is blocked. The answer
	// of one more event can come on top.
	egressBytes = 128 << 10
	// offerBytes is how much may be queued before offers are dropped.
	offerBytes = 16 << 10
)

// outgoing is something to write for one client alone.
type outgoing struct {
	frame []byte
	// build, if set, makes the frame of the cursor that the client has reached in at.
	build func(shared.Cursor, error) []byte
	at    *Subscription
	// leave ends before the frame, join begins after it.
	leave, join *Subscription
	reserved    bool // the frame has a place in the window, which is free when it is written
	last        bool // nothing is written after the frame
}

// changesSubscriptions reports whether the subscriptions, or whether they are
// written, change with it.
func (o *outgoing) changesSubscriptions() bool { return o.join != nil || o.leave != nil || o.last }

// egress is what is queued for one client alone, in order, and how far its connection
// has come to its end. It is bounded by blocking the reader: events are answered one
// at a time, and what is answered later has reserved its place.
type egress struct {
	mu       sync.Mutex // guards what follows; no other lock is taken with it held
	queue    []outgoing
	bytes    int           // of queue
	reserved int           // places of the window that are taken
	drained  chan struct{} // closed when the reader may go on; nil if it is not blocked

	scheduled  bool          // in the pool's run queue, or being written
	rescan     bool          // there is something new: gather again before going idle
	closing    bool          // the close frame is queued
	writerDone bool          // nothing is written any more
	idle       chan struct{} // closed when scheduled becomes false, for Finish; else nil
}

// push queues something, unless the connection ends. It reports whether the caller has
// to schedule the writer.
func (e *egress) push(out outgoing) (schedule bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing || e.writerDone {
		if out.reserved {
			e.reserved--
		}
		return false
	}
	e.append(out)
	return e.markReadyLocked()
}

// offer queues a frame unless the client is slow. It reports whether the caller has to
// schedule the writer.
func (e *egress) offer(frame []byte) (schedule bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing || e.writerDone || e.bytes > offerBytes || len(e.queue) >= Window {
		return false
	}
	e.append(outgoing{frame: frame})
	return e.markReadyLocked()
}

// close queues the close frame. It reports whether it was the first to do so, and
// whether the caller has to schedule the writer.
func (e *egress) close(code int, reason string) (first, schedule bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		return false, false
	}
	e.closing = true
	e.unblockReader() // it has to read the answer to the close frame
	e.append(outgoing{frame: wsframe.NewClose(code, reason), last: true})
	return true, e.markReadyLocked()
}

// append adds to the queue. mu is held.
func (e *egress) append(out outgoing) {
	e.queue = append(e.queue, out)
	e.bytes += len(out.frame)
}

func (e *egress) isClosing() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closing
}

// --- the reader's side: capacity ---

func (e *egress) isFull() bool {
	return e.reserved >= Window || len(e.queue) >= 2*Window || e.bytes > egressBytes
}

func (e *egress) reserve() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reserved++
}

// release frees places of the window.
func (e *egress) release(places int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reserved -= places
	e.notifyDrained()
}

// capacity returns nil if there is room for another answer, or else a channel that is
// closed when there may be. It returns an error if there never will be.
func (e *egress) capacity() (drained <-chan struct{}, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case !e.isFull() || e.closing:
		return nil, nil
	case e.writerDone:
		return nil, net.ErrClosed
	}
	if e.drained == nil {
		e.drained = make(chan struct{})
	}
	return e.drained, nil
}

// notifyDrained unblocks the reader if there is room. mu is held.
func (e *egress) notifyDrained() {
	if !e.isFull() {
		e.unblockReader()
	}
}

// unblockReader ends the reader's wait for capacity. mu is held.
func (e *egress) unblockReader() {
	if e.drained != nil {
		close(e.drained)
		e.drained = nil
	}
}

// --- the writer's side ---

// markReady notes that there is something to write. It reports whether the caller has
// to schedule the writer: one that is scheduled gathers again by itself.
func (e *egress) markReady() (schedule bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.markReadyLocked()
}

// markReadyLocked is markReady with mu held.
func (e *egress) markReadyLocked() (schedule bool) {
	e.rescan = true
	if e.writerDone || e.scheduled {
		return false
	}
	e.scheduled = true
	return true
}

// take removes about limit bytes from the head of the queue, up to the first thing
// that changes the subscriptions. It stops before a frame that has to be built, and
// reports that.
func (e *egress) take(limit int) (own []outgoing, build bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rescan = false
	n, size := 0, 0
	for n < len(e.queue) && size < limit {
		out := &e.queue[n]
		build = out.build != nil
		if build {
			break
		}
		size += len(out.frame)
		n++
		if out.changesSubscriptions() {
			break
		}
	}
	return e.remove(n), build
}

// takeFirst removes the head of the queue, which must not be empty.
func (e *egress) takeFirst() outgoing {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.remove(1)[0]
}

// remove removes the first n of the queue. mu is held.
func (e *egress) remove(n int) (own []outgoing) {
	if n == len(e.queue) {
		own, e.queue, e.bytes = e.queue, nil, 0
		return own
	}
	own = append(own, e.queue[:n]...)
	for _, out := range own {
		e.bytes -= len(out.frame)
	}
	kept := copy(e.queue, e.queue[n:])
	clear(e.queue[kept:])
	e.queue = e.queue[:kept]
	return own
}

// requeue puts back what was taken and not written.
func (e *egress) requeue(own []outgoing) {
	if len(own) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, out := range own {
		e.bytes += len(out.frame)
	}
	e.queue = append(own, e.queue...)
}

// goIdle ends the writing unless there is something to do. It reports whether it has
// ended.
func (e *egress) goIdle() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.writerDone && (e.rescan || len(e.queue) > 0) {
		return false
	}
	e.unschedule()
	return true
}

// finish ends the writing for good.
func (e *egress) finish() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.writerDone = true
	e.unblockReader()
	e.unschedule()
}

// unschedule notes that nobody writes. mu is held.
func (e *egress) unschedule() {
	e.scheduled = false
	if e.idle != nil {
		close(e.idle)
		e.idle = nil
	}
}

// awaitIdle returns a channel that is closed when nobody writes. If last is set, the
// writing does not begin again. Only Finish calls it.
func (e *egress) awaitIdle(last bool) <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.writerDone = e.writerDone || last
	idle := make(chan struct{})
	if e.scheduled {
		e.idle = idle
	} else {
		close(idle)
	}
	return idle
}
