package conn

import (
	"context"
	"errors"
	"sync"
	"time"

	"websockets/shared"
)

const (
	// dialTimeout is how long one attempt to connect may take.
	dialTimeout = 15 * time.Second
	// explainAfter is how many attempts must have failed before explain is called. Most
	// connections return before that.
	explainAfter = 4
	// maxIdle is how long Tick is not called at most while there is a connection.
	maxIdle = time.Hour
)

// State is the state of the connection.
type State string

const (
	Connecting State = "connecting" // dialling, or not welcomed yet
	Online     State = "online"     // welcomed
	Offline    State = "offline"    // waiting for the next attempt
	Ended      State = "ended"      // Run has returned
)

// Status is what there is to know about the connection at one moment.
type Status struct {
	State State
	// Reason says, for people, why the last connection or attempt ended; empty while
	// Online.
	Reason string
	// Refusal says, for people, why the server does not let us in for now; empty if it
	// has not said.
	Refusal string
	// Code is the final close code; set in Ended only, and 0 there if this side ended
	// the connection.
	Code int
	// Since is when the connection was last lost, zero while Online.
	Since time.Time
	// Retry is when the next attempt begins; set in Offline only.
	Retry time.Time
	// Attempts counts the attempts to connect since ResetBackoff or the start of Run.
	Attempts int
	// Calls counts the calls that wait for their answer.
	Calls int
}

// Owner is what a Supervisor needs of the program that owns it. All functions must
// be set.
//
// Run's goroutine calls the first six, one at a time and with no lock held: they
// may use the Supervisor, except that they must not wait for Call.
type Owner struct {
	// Address returns the URL to dial next and the session to present there.
	Address func() (url, session string)
	// Connected is called when a connection has been opened, before its frames.
	Connected func()
	// Receive handles frames in the order in which they arrived. It must not keep the
	// slice.
	Receive func(ctx context.Context, frames [][]byte)
	// Disconnected is called when the connection has ended, with the reason.
	Disconnected func(cause error)
	// Tick does what is due, and passes to wakeAt when something is due next. It
	// returns when the oldest question was asked that has no answer yet, or zero.
	// Calls do not count: their contexts limit them.
	Tick func(now time.Time, wakeAt func(time.Time)) (unanswered time.Time)
	// RunCallbacks is called after each of the others, after Notify, and before Run
	// waits for anything.
	RunCallbacks func()

	// StatusChanged and Sent are called from any goroutine with the Supervisor's lock
	// held: they must neither block nor use the Supervisor, except for Notify.
	// Sent is given each frame that was put into the egress.
	StatusChanged func()
	Sent          func(frame []byte)
}

// Supervisor keeps one connection to the server: it dials, waits between attempts,
// finds out whether the server is still there, and carries frames both ways.
//
// All methods may be called from any goroutine, before, during and after Run. None
// of them blocks, except Run and Call.
type Supervisor struct {
	dial  func(ctx context.Context, url, session string) (Conn, error)
	owner Owner
	// notified wakes Run's goroutine. One token is as good as many.
	notified chan struct{}
	batch    [][]byte // Run's goroutine reuses it

	// mu guards all that follows. Nothing that can block is called under it.
	mu             sync.Mutex
	running        bool
	status         Status // without Attempts and Calls
	backoff        backoff
	checkRequested bool        // by CheckNow, and not done yet
	connection     *connection // nil without one
	ready          bool        // the server has welcomed us on this connection
	liveness       liveness
	calls          map[string]chan shared.Event // waiting for their answers, by id
}

// New returns a Supervisor that Run starts. dial opens a connection and gives up
// when its ctx ends.
func New(dial func(ctx context.Context, url, session string) (Conn, error), owner Owner) *Supervisor {
	return &Supervisor{
		dial:     dial,
		owner:    owner,
		notified: make(chan struct{}, 1),
		status:   Status{State: Connecting, Since: time.Now()},
	}
}

// Run connects and stays connected. It returns ctx's error when ctx ends, and a
// *CloseError when the server closes with a code that is final. All goroutines of
// the Supervisor have ended by then. Run may be called again afterwards; ErrRunning
// means that it has not returned yet.
func (s *Supervisor) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.running {
		s.mu.Unlock()
		return ErrRunning
	}
	s.running, s.backoff.attempts = true, 0
	s.mu.Unlock()

	var group sync.WaitGroup
	err := s.stayConnected(ctx, &group)
	group.Wait()

	s.mu.Lock()
	s.running = false
	s.setState(Ended, err.Error(), "")
	var closed *CloseError
	if errors.As(err, &closed) {
		s.status.Code = closed.Code
	}
	s.mu.Unlock()
	s.owner.RunCallbacks()
	return err
}

func (s *Supervisor) stayConnected(ctx context.Context, group *sync.WaitGroup) error {
	for {
		conn, err := s.connect(ctx, group)
		if err == nil {
			err = s.serve(ctx, group, conn)
		}
		var closed *CloseError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &closed) && !shared.Reconnects(closed.Code):
			return err
		}
		if err := s.waitToRetry(ctx, err); err != nil {
			return err
		}
	}
}

// connect opens a connection. Callbacks are run meanwhile.
func (s *Supervisor) connect(ctx context.Context, group *sync.WaitGroup) (Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	s.mu.Lock()
	s.setState(Connecting, s.status.Reason, s.status.Refusal)
	attempts := s.backoff.attempts
	s.mu.Unlock()
	url, session := s.owner.Address()

	type result struct {
		conn Conn
		err  error
	}
	dialled := make(chan result, 1)
	group.Go(func() {
		conn, err := s.dial(ctx, url, session)
		if err != nil && attempts >= explainAfter {
			err = explain(ctx, url, err)
		}
		dialled <- result{conn, err}
	})
	for {
		s.owner.RunCallbacks()
		select {
		case r := <-dialled:
			return r.conn, r.err
		case <-s.notified:
		}
	}
}

// waitToRetry returns when the next attempt is due. CheckNow ends the wait, but
// never before the time that the server asked for.
func (s *Supervisor) waitToRetry(ctx context.Context, cause error) error {
	s.mu.Lock()
	due, earliest := s.backoff.next(time.Now())
	s.setState(Offline, cause.Error(), refusalOf(cause))
	s.status.Retry = due
	s.mu.Unlock()

	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	for {
		s.owner.RunCallbacks()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		case <-s.notified:
		}
		if s.takeCheckRequest() {
			timer.Reset(time.Until(earliest))
		}
	}
}

func (s *Supervisor) takeCheckRequest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	requested := s.checkRequested
	s.checkRequested = false
	return requested
}

// serve uses a connection until it ends, and returns why it did.
func (s *Supervisor) serve(ctx context.Context, group *sync.WaitGroup, conn Conn) error {
	c := newConnection(conn)
	s.bind(c)
	group.Go(c.readMessages)
	group.Go(func() { c.writeMessages(s.Notify) })

	err := s.eventLoop(ctx, c)
	s.unbind(err)
	close(c.done)
	closing := &CloseError{Code: shared.CloseNormal}
	if err == errSilent || err == errNoAck {
		closing = err.(*CloseError)
	}
	// Close may wait for a server that is gone; the next connection does not.
	group.Go(func() { _ = conn.Close(closing.Code, closing.Reason) })
	return err
}

// bind makes c the connection.
func (s *Supervisor) bind(c *connection) {
	s.mu.Lock()
	s.connection, s.ready = c, false
	s.liveness = liveness{lastReceived: time.Now()}
	s.calls = map[string]chan shared.Event{}
	s.mu.Unlock()
	s.owner.Connected()
}

// unbind takes back everything that belongs to a connection.
func (s *Supervisor) unbind(cause error) {
	s.mu.Lock()
	s.connection, s.ready = nil, false
	for _, answer := range s.calls {
		close(answer)
	}
	s.calls = nil
	s.mu.Unlock()
	s.owner.Disconnected(cause)
}

// eventLoop handles what arrives and what has become due, until the connection or
// ctx ends.
func (s *Supervisor) eventLoop(ctx context.Context, c *connection) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, err := s.tick(c)
		s.owner.RunCallbacks()
		if err != nil {
			return err
		}
		timer.Reset(time.Until(next))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case first := <-c.inbound:
			err := s.handleBatch(ctx, c, first)
			if err != nil {
				return err
			}
		case <-s.notified:
		case <-timer.C:
		}
	}
}

// tick does everything that is due and returns when to be called again. An error
// means that the connection is dead.
func (s *Supervisor) tick(c *connection) (next time.Time, err error) {
	now := time.Now()
	next = now.Add(maxIdle)
	wakeAt := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	unanswered := s.owner.Tick(now, wakeAt)
	// Frames that have arrived and wait to be handled are not silence.
	if len(c.inbound) == 0 {
		err = s.checkLiveness(now, unanswered, wakeAt)
	}
	return next, err
}

func (s *Supervisor) checkLiveness(now, unanswered time.Time, wakeAt func(time.Time)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	pinged := s.liveness.awaitsPong()
	ping, err := s.liveness.check(now, unanswered, s.checkRequested, wakeAt)
	if err != nil {
		return err
	}
	if !pinged {
		s.checkRequested = false
	}
	if ping {
		s.send(shared.Ping.Frame(shared.NewID(), shared.Empty{}))
	}
	return nil
}

// handleBatch passes on the first frame and those that wait behind it. It returns
// the error that ended the connection, if that is behind them.
func (s *Supervisor) handleBatch(ctx context.Context, c *connection, first inbound) (ended error) {
	frames := s.batch[:0]
	for in, more := first, true; more; {
		if in.err != nil {
			ended = in.err
			break
		}
		frames = append(frames, in.frame)
		if len(frames) == maxBatch {
			break
		}
		select {
		case in = <-c.inbound:
		default:
			more = false
		}
	}
	if len(frames) > 0 {
		s.mu.Lock()
		s.liveness.received(time.Now())
		s.mu.Unlock()
		s.owner.Receive(ctx, frames)
	}
	clear(frames)
	s.batch = frames
	return ended
}

// Send puts a frame into the egress. It reports false if there is no connection or
// the egress is full.
func (s *Supervisor) Send(frame []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.send(frame)
}

// send is Send with mu held.
func (s *Supervisor) send(frame []byte) bool {
	if s.connection == nil {
		return false
	}
	select {
	case s.connection.egress <- frame:
	default:
		return false
	}
	s.owner.Sent(frame)
	return true
}

// CanSend reports whether Send would take a frame now. When it does not because
// the egress is full, Tick is called as soon as the egress has run empty.
func (s *Supervisor) CanSend() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connection != nil && !s.connection.full()
}

// Ready reports whether the server has welcomed us on the current connection.
func (s *Supervisor) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready
}

// Welcomed is called when welcome has arrived. heartbeat is how long the server is
// silent at most; 0 stands for its usual one.
func (s *Supervisor) Welcomed(heartbeat time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if heartbeat <= 0 {
		heartbeat = defaultHeartbeat
	}
	s.ready, s.liveness.heartbeat = true, heartbeat
	s.setState(Online, "", "")
}

// ResetBackoff makes the next wait before an attempt a short one. A welcome alone
// does not: a server may be able to say that much and still break off.
func (s *Supervisor) ResetBackoff() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.backoff.attempts = 0
}

// RetryNotBefore postpones the next attempt: the server asked for that.
func (s *Supervisor) RetryNotBefore(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.backoff.notBefore = t
}

// CheckNow says that the network or the page may have been away. A Supervisor that
// waits for its next attempt begins it; one that is connected pings the server,
// unless a frame has just arrived.
func (s *Supervisor) CheckNow() {
	s.mu.Lock()
	s.checkRequested = true
	s.mu.Unlock()
	s.Notify()
}

// Notify makes Run call Tick, if there is a connection, and RunCallbacks soon.
func (s *Supervisor) Notify() {
	select {
	case s.notified <- struct{}{}:
	default:
	}
}

// Status returns a snapshot.
func (s *Supervisor) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.status
	status.Attempts, status.Calls = s.backoff.attempts, len(s.calls)
	return status
}

// setState changes the status. Call it with mu held.
func (s *Supervisor) setState(state State, reason, refusal string) {
	since := s.status.Since
	switch {
	case state == Online:
		since = time.Time{}
	case since.IsZero():
		since = time.Now()
	}
	s.status = Status{State: state, Reason: reason, Refusal: refusal, Since: since}
	s.owner.StatusChanged()
}
