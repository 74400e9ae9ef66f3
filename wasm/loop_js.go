package main

import (
	"context"
	"sync"
	"syscall/js"
	"time"
)

// answerTimeout bounds a request to the server.
const answerTimeout = 10 * time.Second

// maxFrameGap bounds the time until a change is drawn.
const maxFrameGap = 200 * time.Millisecond

// loop executes the page's work in order, on the goroutine of run, and draws the page
// when it has changed.
//
// Only the goroutine of run may use it, except for post, after and changed, which are
// safe for concurrent use. Callbacks of the browser inspect their event and post the rest, so they
// never block the browser.
type loop struct {
	// mu guards queue: the work for run's goroutine, in order. A token in posted means
	// that queue is not empty.
	mu     sync.Mutex
	queue  []func()
	posted chan struct{}

	// draw shows the page. It reports a flood if it has replaced all that is visible.
	draw      func() (flood bool)
	frame     js.Func   // what requestAnimationFrame calls
	drawing   bool      // a draw is scheduled
	flood     bool      // the last draw reported a flood
	throttled bool      // the last frame has not been painted yet
	nextFrame time.Time // earliest time to request the next frame
	ticking   bool      // tick has scheduled a redraw
}

// newLoop returns a loop that accepts posts.
func newLoop() *loop {
	l := &loop{posted: make(chan struct{}, 1)}
	l.frame = js.FuncOf(func(js.Value, []js.Value) any { // as long as the page
		l.post(l.drawNow)
		return nil
	})
	return l
}

// post queues work for run's goroutine. It does not block and is safe for concurrent
// use.
func (l *loop) post(work func()) {
	l.mu.Lock()
	l.queue = append(l.queue, work)
	l.mu.Unlock()
	select {
	case l.posted <- struct{}{}:
	default:
	}
}

// after posts work after d.
func (l *loop) after(d time.Duration, work func()) {
	time.AfterFunc(d, func() { l.post(work) })
}

// call calls the server on a goroutine of its own, for at most timeout, and posts done
// with the error.
func (l *loop) call(timeout time.Duration, do func(context.Context) error, done func(error)) {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		err := do(ctx)
		l.post(func() { done(err) })
	}()
}

// run draws the page with draw, and executes posted work until the page is closed. It
// calls worked after that.
func (l *loop) run(draw func() (flood bool), worked func()) {
	l.draw = draw
	l.redraw()
	for range l.posted {
		l.mu.Lock()
		queue := l.queue
		l.queue = nil
		l.mu.Unlock()
		for _, work := range queue {
			survive(work)
		}
		survive(worked)
	}
}

// redraw schedules a draw. Several calls before it cause one draw.
func (l *loop) redraw() {
	if l.drawing {
		return
	}
	l.drawing = true
	if !l.throttled {
		l.askFrame()
	}
}

// changed redraws the page because the View has changed. It is safe for concurrent use.
func (l *loop) changed() { l.post(l.redraw) }

// tick redraws after d, for texts that change with the clock.
func (l *loop) tick(d time.Duration) {
	if l.ticking {
		return
	}
	l.ticking = true
	l.after(d, func() {
		l.ticking = false
		l.redraw()
	})
}

// drawNow draws without waiting for a frame.
func (l *loop) drawNow() {
	began := time.Now()
	l.drawing = false
	l.flood = l.draw()
	l.throttleFrames(began)
}

func (l *loop) askFrame() {
	wait := time.Until(l.nextFrame)
	switch {
	case document.Get("hidden").Bool(): // the browser gives a hidden page no frames
		l.after(maxFrameGap, l.drawNow)
	case wait > 0:
		l.after(wait, func() { window.Call("requestAnimationFrame", l.frame) })
	default:
		window.Call("requestAnimationFrame", l.frame)
	}
}

// throttleFrames delays the next frame for as long as this one has taken. A timer fires
// only after the browser has painted the frame and handled other events, so it measures
// the whole cost. When more messages arrive than can be drawn, half of the time is left
// for receiving them and for the reader, and each frame shows more of them.
func (l *loop) throttleFrames(began time.Time) {
	if l.throttled || document.Get("hidden").Bool() {
		return
	}
	l.throttled = true
	l.after(time.Millisecond, func() { // a shorter timer would fire before the paint
		now := time.Now()
		wait := min(now.Sub(began), maxFrameGap)
		if l.flood { // nobody can read that fast
			wait = maxFrameGap
		}
		l.throttled, l.nextFrame = false, now.Add(wait)
		if l.drawing {
			l.askFrame()
		}
	})
}
