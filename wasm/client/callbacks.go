package client

import (
	"sync"
	"time"
)

// Frame is a frame that went over the connection.
type Frame struct {
	// Sent says that the frame is ours; otherwise it is the server's.
	Sent bool
	// At is when the connection took the frame, or delivered it.
	At time.Time
	// Text is the frame as it is on the wire. It must not be changed.
	Text []byte
}

// callbackQueue keeps calls of the Config's functions until Run's goroutine makes
// them, in order and with no lock held. Its methods may be called from any
// goroutine, whatever locks it holds: mu is the innermost one.
type callbackQueue struct {
	wake     func() // makes Run's goroutine call run
	onChange func() // nil if nobody wants to know

	mu       sync.Mutex
	queue    []func()
	changed  bool        // the View, since the last onChange
	observer func(Frame) // nil mostly
}

func (q *callbackQueue) enqueue(callback func()) {
	q.mu.Lock()
	q.queue = append(q.queue, callback)
	q.mu.Unlock()
	q.wake()
}

// notifyChange says that the View has changed.
func (q *callbackQueue) notifyChange() {
	q.mu.Lock()
	q.changed = true
	q.mu.Unlock()
	q.wake()
}

// run makes the calls that wait, then calls onChange if it is due. Only Run's
// goroutine calls it.
func (q *callbackQueue) run() {
	q.mu.Lock()
	queue, changed := q.queue, q.changed
	q.queue, q.changed = nil, false
	q.mu.Unlock()
	for _, callback := range queue {
		callback()
	}
	if changed && q.onChange != nil {
		q.onChange()
	}
}

func (q *callbackQueue) setObserver(observer func(Frame)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.observer = observer
}

// observe passes a frame to the observer. Without one it costs a comparison.
func (q *callbackQueue) observe(sent bool, text []byte) {
	q.mu.Lock()
	observer := q.observer
	q.mu.Unlock()
	if observer == nil {
		return
	}
	f := Frame{sent, time.Now(), text}
	q.enqueue(func() { observer(f) })
}
