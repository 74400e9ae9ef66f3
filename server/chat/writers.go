package chat

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"syscall"
)

// writers write for all clients: a few goroutines that go from one client that
// has something to the next and give each what its socket takes at once. A
// goroutine for each client would cost more than its write does, and one that
// comes late finds more to write: the busier the server, the more messages go
// out with each write.
//
// They wait for nothing. A client whose socket is full, or who is to read the
// log, goes on in writeMessages.
type writers struct {
	mu          sync.Mutex
	wait        sync.Cond // for the queue to have someone
	first, last *Client   // the queue, by Client.next; each is in it once at most
	waiting     int       // writers that do
	stopped     bool
}

// run starts the writers, as many as there are processors for them. They end
// with ctx; who comes later gets a goroutine.
func (w *writers) run(ctx context.Context, wg *sync.WaitGroup) {
	w.wait.L = &w.mu
	for range runtime.GOMAXPROCS(0) {
		wg.Go(w.write)
	}
	context.AfterFunc(ctx, func() {
		w.mu.Lock()
		w.stopped = true
		w.mu.Unlock()
		w.wait.Broadcast()
	})
}

// add puts n clients at the end of the queue, from first to last by their next.
func (w *writers) add(first, last *Client, n int) {
	w.mu.Lock()
	if w.stopped {
		w.mu.Unlock()
		for c := first; c != nil; {
			next := c.next
			c.next = nil
			go c.writeMessages()
			c = next
		}
		return
	}
	if w.last == nil {
		w.first = first
	} else {
		w.last.next = first
	}
	w.last = last
	wake := min(n, w.waiting)
	w.mu.Unlock()
	for range wake {
		w.wait.Signal()
	}
}

// take takes the first of the queue; nil if there is nobody and there will be
// nobody any more.
func (w *writers) take() *Client {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.first == nil {
		if w.stopped {
			return nil
		}
		w.waiting++
		w.wait.Wait()
		w.waiting--
	}
	c := w.first
	w.first, c.next = c.next, nil
	if w.first == nil {
		w.last = nil
	}
	return c
}

func (w *writers) write() {
	var a attempt
	a.prepare()
	var segments []segment
	for {
		c := w.take()
		if c == nil {
			return
		}
		segments = c.writeAtOnce(segments[:0], &a)
		clear(segments)
	}
}

// writeAtOnce writes what the socket takes now and what can be had without
// waiting. It returns the memory of segments, to be used again.
func (c *Client) writeAtOnce(segments []segment, a *attempt) []segment {
	if c.raw == nil || len(c.partial) > 0 {
		go c.writeMessages()
		return segments
	}
	segments, mustWait := c.collect(segments, false)
	size := 0
	for _, s := range segments {
		size += len(s.frames)
	}
	n := 0
	if size > 0 {
		n = a.write(c.raw, segments)
	}
	var err error
	if n == size {
		err = c.written(segments)
	} else {
		err = c.letGo(segments, n)
	}
	switch {
	case err != nil:
		c.writeFailed(err)
	case mustWait != nil || n < size:
		go c.writeMessages()
	case size >= c.batch() || changesRooms(segments) || !c.goIdle(): // there may be more
		c.manager.writers.add(c, c, 1) // at the end: it does not hold the others up
	}
	return segments
}

// changesRooms reports that the segments end with something after which rooms
// are written that were not.
func changesRooms(segments []segment) bool {
	n := len(segments)
	return n > 0 && segments[n-1].own != nil && segments[n-1].own.changesRooms()
}

// attempt is one write to a socket that does not wait. It is kept and used
// again, so that writing allocates nothing.
type attempt struct {
	bytes []byte
	n     int
	do    func(fd uintptr) bool
	buf   []byte // several segments in one piece: copying costs less than writev
}

// mostJoined is how much memory an attempt keeps.
const mostJoined = 256 << 10

func (a *attempt) prepare() {
	a.do = func(fd uintptr) bool {
		for {
			var err error
			if a.n, err = writeNow(fd, a.bytes); !errors.Is(err, syscall.EINTR) {
				return true
			}
		}
	}
}

// write returns how many bytes the socket took. What is wrong with the socket
// the next write that waits will find out.
func (a *attempt) write(raw syscall.RawConn, segments []segment) int {
	a.bytes, a.n = segments[0].frames, 0
	if len(segments) > 1 {
		a.buf = a.buf[:0]
		for _, s := range segments {
			a.buf = append(a.buf, s.frames...)
		}
		a.bytes = a.buf
	}
	if err := raw.Write(a.do); err != nil {
		a.n = 0
	}
	a.bytes = nil
	if cap(a.buf) > mostJoined {
		a.buf = nil
	}
	return max(0, a.n)
}
