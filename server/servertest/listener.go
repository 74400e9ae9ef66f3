package servertest

import (
	"slices"
	"sync"
	"time"

	"websockets/shared"
)

// Listener is a member of a room that reads on a goroutine of its own, unless it
// is stopped, and records what comes. Its methods may be called from any
// goroutine.
type Listener struct {
	*Conn
	Room string
	// Epoch is that of the cursor with which it was synced.
	Epoch string
	// Ended is closed when the connection has ended.
	Ended chan struct{}

	mu      sync.Mutex
	stopped chan struct{} // not nil while it does not read; closed to let it read on
	got     []Stored
	late    []time.Duration // how old each was when it came, if its text is a Stamp
	wanted  int             // how many messages Await waits for
	reached chan struct{}   // closed when they have come, or the connection has ended
	err     error           // how the connection ended
}

// Listen reads a room from synced on, until the test ends.
func Listen(c *Conn, room string) *Listener {
	l := ListenStopped(c, room)
	l.Resume()
	return l
}

// ListenStopped is Listen for a member that reads up to synced and then stops.
func ListenStopped(c *Conn, room string) *Listener {
	c.T.Helper()
	l := &Listener{Conn: c, Room: room, Ended: make(chan struct{})}
	l.Epoch = Await(c, shared.Synced).Cursor.Epoch
	l.Stop()
	go l.run()
	c.T.Cleanup(func() {
		l.Resume()
		_ = c.WS.Close()
		<-l.Ended
	})
	return l
}

func (l *Listener) run() {
	defer close(l.Ended)
	for {
		l.mu.Lock()
		stopped := l.stopped
		l.mu.Unlock()
		if stopped != nil {
			<-stopped
		}
		// Without a deadline: a room may be quiet for as long as its test likes, and
		// Await has one of its own.
		_ = l.WS.SetReadDeadline(time.Time{})
		frame, err := l.read()
		l.mu.Lock()
		if m, ok := MessageIn(frame); ok && m.Room == l.Room {
			l.got, l.late = append(l.got, m.Stored), append(l.late, Age(m.Text))
		}
		l.err = err
		l.signal()
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// signal wakes Await. l.mu is held.
func (l *Listener) signal() {
	if l.reached != nil && (l.err != nil || len(l.got) >= l.wanted) {
		close(l.reached)
		l.reached = nil
	}
}

// Await waits until n messages have come in all. It may take as long as they keep
// coming.
func (l *Listener) Await(n int) {
	l.T.Helper()
	for last := -1; ; {
		reached := make(chan struct{})
		l.mu.Lock()
		l.wanted, l.reached = n, reached
		l.signal()
		l.mu.Unlock()
		select {
		case <-reached:
		case <-time.After(Patience):
		}
		l.mu.Lock()
		has, err := len(l.got), l.err
		l.mu.Unlock()
		if has >= n {
			return
		}
		if err != nil || has == last {
			l.T.Fatalf("a member of %s has %d messages of %d: %v", l.Room, has, n, err)
		}
		last = has
	}
}

// Stop makes it stop reading, after at most one more frame.
func (l *Listener) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped == nil {
		l.stopped = make(chan struct{})
	}
}

// Resume lets it read on.
func (l *Listener) Resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped != nil {
		close(l.stopped)
		l.stopped = nil
	}
}

// Record returns what has come so far.
func (l *Listener) Record() []Stored {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.got)
}

// Late returns how old the last n messages were when they came. Their texts have
// to be Stamps.
func (l *Listener) Late(n int) []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.late[len(l.late)-n:])
}
