package delivery

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Pool writes to all connections of a server: a few goroutines that go from one
// connection that has something to write to the next, and give each what its socket
// takes at once. A goroutine for each connection would cost more than its write does,
// and one that comes late finds more to write: the busier the server, the more messages
// go out with each write.
//
// The goroutines wait for nothing. A connection whose socket is full, or that needs the
// log, goes on in writeMessages.
//
// Methods may be called from any goroutine and do not block, except Wait.
type Pool struct {
	ctx       context.Context // ends writing; reads of the log end with it
	clock     atomic.Int64    // nanoseconds since the start, in whole ticks
	readBytes atomic.Int64    // of the log that all connections have in hand, beyond readBytes each

	writers sync.WaitGroup

	mu          sync.Mutex // guards what follows, and link of each writer in the queue
	work        sync.Cond  // for the queue to have something
	first, last *writer    // the run queue, by link; each writer is in it once at most
	sleeping    int        // goroutines that wait for work
	stopped     bool
}

// NewPool returns a pool of as many goroutines as there are processors. They end with
// ctx, when the queue is empty. A connection that is scheduled later gets a goroutine
// of its own.
func NewPool(ctx context.Context) *Pool {
	p := &Pool{ctx: ctx}
	p.work.L = &p.mu
	p.Tick() // 0 is "not now"
	for range runtime.GOMAXPROCS(0) {
		p.writers.Go(p.write)
	}
	context.AfterFunc(ctx, p.stop)
	return p
}

func (p *Pool) stop() {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	p.work.Broadcast()
}

// Wait returns when the pool's goroutines have ended, after its context.
func (p *Pool) Wait() { p.writers.Wait() }

// Now returns the pool's clock: ticks since the start, from 1 on.
func (p *Pool) Now() time.Duration { return time.Duration(p.clock.Load()) }

// Tick moves the clock on by a Tick and returns it.
func (p *Pool) Tick() time.Duration { return time.Duration(p.clock.Add(int64(Tick))) }

// ReadyList collects connections that have something new to write, to schedule all of
// them at once. Each ReadyList has to be passed to Schedule.
type ReadyList struct {
	first, last *writer
	n           int
}

// Add adds the subscription's connection, unless it is scheduled already.
func (l *ReadyList) Add(s *Subscription) {
	if !s.conn.egress.markReady() {
		return
	}
	w := &s.conn.writer
	if l.last == nil {
		l.first = w
	} else {
		l.last.link = w
	}
	l.last = w
	l.n++
}

// Schedule schedules the list's connections.
func (p *Pool) Schedule(l *ReadyList) {
	if l.n > 0 {
		p.add(l.first, l.last, l.n)
	}
}

// add puts n writers at the end of the queue, from first to last by their links. They
// must be marked as scheduled.
func (p *Pool) add(first, last *writer, n int) {
	p.mu.Lock()
	if p.stopped {
		p.mu.Unlock()
		startEach(first)
		return
	}
	if p.last == nil {
		p.first = first
	} else {
		p.last.link = first
	}
	p.last = last
	wake := min(n, p.sleeping)
	p.mu.Unlock()
	for range wake {
		p.work.Signal()
	}
}

// startEach lets each writer of a list run on a goroutine of its own.
func startEach(first *writer) {
	for w := first; w != nil; {
		next := w.link
		w.link = nil
		go w.writeMessages()
		w = next
	}
}

// take removes the first of the queue. It returns nil when the queue is empty and the
// pool has stopped.
func (p *Pool) take() *writer {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.first == nil {
		if p.stopped {
			return nil
		}
		p.sleeping++
		p.work.Wait()
		p.sleeping--
	}
	w := p.first
	p.first, w.link = w.link, nil
	if p.first == nil {
		p.last = nil
	}
	return w
}

// write is the driver that never waits. It runs on each of the pool's goroutines.
func (p *Pool) write() {
	var b batch
	var socket nonblockingWriter
	socket.init()
	try := socket.write
	for {
		w := p.take()
		if w == nil {
			return
		}
		w.writeNow(&b, try)
		b.reset()
	}
}

// writeNow writes what the socket takes now of what can be had without waiting; try
// returns how many bytes that is. It hands over to writeMessages if there is something
// to wait for.
func (w *writer) writeNow(b *batch, try func(syscall.RawConn, *batch) int) {
	if w.conn.raw == nil {
		go w.writeMessages()
		return
	}
	stop := w.next(b)
	if stop.reason == waitForSocket {
		go w.writeMessages()
		return
	}
	n := try(w.conn.raw, b)
	err := w.sent(b, n)
	switch {
	case err != nil:
		w.fail(err)
	case n < b.bytes || stop.reason != waitForNothing:
		go w.writeMessages()
	case b.more || !w.conn.egress.goIdle():
		w.conn.schedule() // at the end: it does not hold the others up
	}
}
