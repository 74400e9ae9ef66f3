package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"websockets/shared"
)

const (
	// maxSendersOfRoom bounds the state of a member: 4 bytes for each sender in its
	// room.
	maxSendersOfRoom = 1000
	// maxInFlight bounds the messages in flight of one sender. With a rate, allInFlight
	// bounds those of all senders together, roughly.
	maxInFlight = 4096
	allInFlight = 1 << 20
	// warmUp is the pause between connecting and the load. The server collects presence
	// changes for a second; they have been sent by then.
	warmUp = 1500 * time.Millisecond
	// patience is how long to wait for missing messages while nothing arrives, and
	// afterFailure the same after a failure.
	patience     = 10 * time.Second
	afterFailure = 2 * time.Second
	// closeTimeout is how long the server may take to answer close frames.
	closeTimeout = 5 * time.Second
)

// Options configures the load.
type Options struct {
	// URL is the server's address: http, https, ws or wss, or just host:port.
	URL string
	// Token is sent as Authorization: Bearer. If it is empty, all connections are
	// guests.
	Token string
	// Connections are spread evenly over Rooms. Each joins one room.
	Connections, Rooms int
	// Senders is the number of connections that send; 0 chooses one.
	Senders int
	// Slow is the number of connections that stop reading during the load. They do
	// not send.
	Slow int
	// Rate is in messages a second, all senders together. With 0, each sender keeps
	// InFlight messages in flight. A message is in flight until it is acked and every
	// reading member has it.
	Rate     float64
	InFlight int
	// Duration is the length of the load.
	Duration time.Duration
	// Size is the length of a message's text in bytes.
	Size int
}

// check validates the options and sets Senders if it is 0.
func (o *Options) check() error {
	reading := o.Connections - o.Slow
	if o.Senders == 0 {
		o.Senders = min(reading, max(4, o.Rooms))
		if o.Rate > 0 {
			o.Senders = min(reading, o.Rooms*maxSendersOfRoom)
		}
	}
	switch {
	case o.Connections < 1 || o.Rooms < 1 || o.Slow < 0 || o.Senders < 0:
		return errors.New("--connections and --rooms must be at least 1, --senders and --slow not negative")
	case reading < o.Rooms:
		return fmt.Errorf("--rooms %d requires at least as many --connections that read: there are %d", o.Rooms, reading)
	case o.Senders > reading:
		return fmt.Errorf("--senders %d is more than the %d connections that read", o.Senders, reading)
	case o.Senders > o.Rooms*maxSendersOfRoom:
		return fmt.Errorf("--senders %d is more than %d a room", o.Senders, maxSendersOfRoom)
	case o.Senders > maxSenders:
		return fmt.Errorf("--senders %d is too many, the maximum is %d", o.Senders, maxSenders)
	case !(o.Rate >= 0 && o.Rate <= 1e6):
		return errors.New("--rate must be 0 to 1000000")
	case o.Rate == 0 && (o.InFlight < 1 || o.InFlight > maxInFlight):
		return fmt.Errorf("--in-flight must be 1 to %d", maxInFlight)
	case o.Duration <= 0:
		return errors.New("--duration must be more than 0, for example 10s")
	case o.Size < headerLength || o.Size > shared.MaxMessageLength:
		return fmt.Errorf("--size must be %d to %d bytes", headerLength, shared.MaxMessageLength)
	}
	return checkFileLimit(o.Connections)
}

// room is a room of the run.
type room struct {
	name    string
	readers int // members that read
	senders []*sender
}

// run is one measurement.
type run struct {
	Options
	target target
	id     string    // 8 of a-z2-7, in the rooms' names and in every text
	began  time.Time // the start of the run; all times are relative to it
	rooms  []*room
	// members are all connections. The first Senders of them send, the last Slow stop
	// reading.
	members []*member
	senders []*sender
	seen    latencies
	server  *process // nil if the server is not on this machine or cannot be inspected

	connected  atomic.Int64
	inFlight   atomic.Int64  // messages in flight, plus one while senders are running
	drained    chan struct{} // closed when no message is in flight
	loading    chan struct{} // closed when the load begins
	resume     chan struct{} // closed by resumeSlow: slow readers read again
	resumeSlow func()
	leaving    atomic.Bool   // the connections are being closed
	start      time.Duration // start of the load, set before loading is closed
	whole      bool          // the load lasted its full duration

	load     context.Context // ends with the load
	stopLoad context.CancelFunc
	reading  sync.WaitGroup // the members' readers
	sending  sync.WaitGroup // the senders, and pace

	mu      sync.Mutex
	failure string // the first failure, empty if there was none
	closing string // the reason in the server's closing event, if it sent one
	invalid string // the first invalid frame
}

// now returns the time since the run began.
func (r *run) now() time.Duration { return time.Since(r.began) }

// fail ends the load early. It keeps the first reason.
func (r *run) fail(why string) {
	r.mu.Lock()
	if r.failure == "" {
		r.failure = why
	}
	r.mu.Unlock()
	r.stopLoad()
}

func (r *run) failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure != ""
}

// Run runs the load and returns the result. It returns an error if nothing was
// measured. When ctx ends, the load ends early and the result covers what has run.
func Run(ctx context.Context, o Options, progress *Progress) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	target, err := parseTarget(o)
	if err != nil {
		return nil, err
	}
	r := &run{
		Options: o, target: target, began: time.Now(), id: strings.ToLower(rand.Text()[:8]),
		drained: make(chan struct{}), loading: make(chan struct{}), resume: make(chan struct{}),
	}
	r.resumeSlow = sync.OnceFunc(func() { close(r.resume) })
	r.load, r.stopLoad = context.WithCancel(ctx)
	defer r.stopLoad()
	r.inFlight.Store(1)
	r.setup()
	defer r.leave()
	result := &Result{Options: o, Room: r.rooms[0].name}

	if err := r.connect(ctx, progress, result); err != nil {
		return nil, err
	}
	result.Connecting = r.now()
	watch := r.server.watch()
	defer watch.stop()
	progress.period(ctx, func() string { return "all connected" }, warmUp)
	watch.record(&result.Memory.Connected)

	r.start = r.now()
	cpu, own := r.server.cpu(), self().cpu()
	close(r.loading)
	for _, s := range r.senders {
		r.sending.Go(s.send)
	}
	if r.Rate > 0 {
		r.sending.Go(r.pace)
	}
	progress.period(r.load, r.describeLoad, o.Duration)
	r.whole = r.load.Err() == nil
	r.stopLoad()
	result.Seconds = (r.now() - r.start).Seconds()
	result.During = r.seen.delivered.count()
	result.ServerCPU, result.OwnCPU = r.server.cpu()-cpu, self().cpu()-own
	result.Interrupted = ctx.Err() != nil

	ended := r.now()
	r.reading.Go(func() {
		r.sending.Wait()
		r.complete() // takes off the extra one: no more messages are sent
	})
	r.await(progress, r.drained, r.describeRest)
	result.Rest = r.now() - ended
	watch.record(&result.Memory.Loaded)
	if o.Slow > 0 {
		r.catchUp(progress, result)
	}
	result.Memory.Peak = watch.stop()
	r.leave()
	result.Memory.After = r.server.memory()
	r.summarize(result)
	return result, nil
}

// setup creates the rooms, members and senders.
func (r *run) setup() {
	for i := range r.Rooms {
		r.rooms = append(r.rooms, &room{name: fmt.Sprintf("bench-%s-%d", r.id, i)})
	}
	for i := range r.Connections {
		room := r.rooms[i%r.Rooms]
		m := &member{run: r, index: i, room: room, slow: i >= r.Connections-r.Slow, caughtUp: make(chan struct{})}
		m.markCaughtUp = sync.OnceFunc(func() { close(m.caughtUp) })
		if !m.slow {
			room.readers++
		}
		if i < r.Senders {
			m.sender = newSender(m)
			room.senders = append(room.senders, m.sender)
			r.senders = append(r.senders, m.sender)
		}
		r.members = append(r.members, m)
	}
	for _, m := range r.members {
		m.order.next = make([]uint32, len(m.room.senders))
	}
}

// connectors is how many connections are opened concurrently.
const connectors = 64

// connect opens all connections and joins their rooms. It opens the first one alone,
// so that an error that affects all of them is reported once.
func (r *run) connect(ctx context.Context, progress *Progress, result *Result) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.members[0].enter(ctx); err != nil {
			stop(err)
			return
		}
		r.server = serverOf(r.members[0].conn.NetConn())
		result.Memory.Before = r.server.memory()
		var next atomic.Int64
		var opening sync.WaitGroup
		for range min(connectors, len(r.members)-1) {
			opening.Go(func() {
				for ctx.Err() == nil {
					i := int(next.Add(1))
					if i >= len(r.members) {
						return
					}
					if err := r.members[i].enter(ctx); err != nil {
						stop(err)
					}
				}
			})
		}
		opening.Wait()
	}()
	progress.during(context.Background(), func() string {
		return fmt.Sprintf("connecting: %s of %s", count(r.connected.Load()), count(r.Connections))
	}, done)
	switch err := context.Cause(ctx); {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("stopped with %s of %s connections open, nothing was measured", count(r.connected.Load()), count(r.Connections))
	case err != nil && r.connected.Load() > 0:
		return fmt.Errorf("with %s of %s connections open: %w", count(r.connected.Load()), count(r.Connections), err)
	case err != nil:
		return err
	case r.failed():
		return errors.New(r.failure)
	}
	return nil
}

// complete takes one message off those in flight.
func (r *run) complete() {
	if r.inFlight.Add(-1) == 0 {
		close(r.drained)
	}
}

// await waits until done is closed, or until nothing has arrived for patience.
func (r *run) await(progress *Progress, done <-chan struct{}, describe func() string) {
	ctx, giveUp := context.WithCancel(context.Background())
	defer giveUp()
	last, moved := int64(-1), time.Now()
	progress.during(ctx, func() string {
		wait := patience
		if r.failed() {
			wait = afterFailure
		}
		switch n := r.received(); {
		case n != last:
			last, moved = n, time.Now()
		case time.Since(moved) > wait:
			giveUp()
		}
		return describe()
	}, done)
}

// received counts deliveries and acks.
func (r *run) received() int64 {
	n := r.seen.delivered.count() + r.seen.acked.count()
	for _, m := range r.members[r.Connections-r.Slow:] {
		n += m.got.Load()
	}
	return n
}

// catchUp lets the slow readers read to the end.
func (r *run) catchUp(progress *Progress, result *Result) {
	slow := r.members[r.Connections-r.Slow:]
	for _, m := range slow {
		all := int64(0)
		for _, s := range m.room.senders {
			all += int64(s.sent.Load()) - int64(len(s.unacked()))
		}
		result.Slow.Behind = max(result.Slow.Behind, all-m.got.Load())
		m.expect(all)
	}
	result.Slow.Stopped = r.now() - r.start
	begin := r.now()
	r.resumeSlow()
	all := make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		defer close(all)
		for _, m := range slow {
			select {
			case <-m.caughtUp:
			case <-ctx.Done():
				return
			}
		}
	}()
	r.await(progress, all, func() string {
		done := 0
		for _, m := range slow {
			select {
			case <-m.caughtUp:
				done++
			default:
			}
		}
		return fmt.Sprintf("slow readers are catching up: %s of %s have everything", count(done), count(len(slow)))
	})
	result.Slow.CaughtUp = r.now() - begin
}

// leave closes all connections. It keeps reading until the server has closed them
// too, so that a duplicate that arrives late is counted. Later calls do nothing.
func (r *run) leave() {
	if r.leaving.Swap(true) {
		return
	}
	r.stopLoad()
	r.resumeSlow()
	for _, m := range r.members {
		m.sendClose()
	}
	ended := make(chan struct{})
	go func() {
		r.reading.Wait()
		r.sending.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(closeTimeout):
	}
	for _, m := range r.members {
		m.close()
	}
	<-ended
}
