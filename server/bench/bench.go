// Package bench loads a server with real clients, as operators do to know what
// theirs can take, and tells the truth about it: every delivery to every member is
// checked, and a message's latency counts from when it was due, so a server that
// holds the senders up shows in the figures.
//
//	bench.go     the options, and the run from connecting to the result
//	target.go    where the server is, how to get in, and what a refusal means
//	member.go    a connection: what comes in
//	sender.go    a member that sends, and pace.go when
//	text.go      what stands in a message and how it is found again
//	order.go     whether a member got all, once and in order
//	latency.go   histograms
//	process.go   memory and CPU of the server, if it is on this machine
//	result.go    what came of it, in words; progress.go while it runs
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
	// maxSendersOfRoom bounds what a member keeps for its checks: 4 bytes for each
	// sender of its room.
	maxSendersOfRoom = 1000
	// maxInFlight and allInFlight bound the messages that one sender, and about all
	// of them together, have under way when there is a rate.
	maxInFlight = 4096
	allInFlight = 1 << 20
	// rest is between connecting and the load: the news of who came, which the server
	// gathers for a second, is out then.
	rest = 1500 * time.Millisecond
	// patience is how long nothing may come before what is missing is given up, and
	// afterFailure the same when it is known that something is not going to come.
	patience     = 10 * time.Second
	afterFailure = 2 * time.Second
	// goodbye is how long the server may take to answer close frames.
	goodbye = 5 * time.Second
)

// Options say what the load is.
type Options struct {
	// URL is the server's: http, https, ws or wss, or host:port alone.
	URL string
	// Token is presented as Authorization: Bearer; empty: as guests.
	Token string
	// Connections are spread evenly over Rooms, each in one.
	Connections, Rooms int
	// Senders are how many of the connections send; 0 chooses.
	Senders int
	// Slow is how many connections stop reading while the load lasts; they do not
	// send.
	Slow int
	// Rate is in messages a second of all senders together. With 0 each sender keeps
	// InFlight messages under way; one is until it is acked and every member that
	// reads has it.
	Rate     float64
	InFlight int
	// Duration is how long messages are sent.
	Duration time.Duration
	// Size is the length of a message's text in bytes.
	Size int
}

// check refuses options that make no sense and chooses what was left open.
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
		return errors.New("--connections and --rooms are at least 1, --senders and --slow not negative")
	case reading < o.Rooms:
		return fmt.Errorf("--rooms %d needs as many --connections that read: there are %d", o.Rooms, reading)
	case o.Senders > reading:
		return fmt.Errorf("--senders %d are more than the %d connections that read", o.Senders, reading)
	case o.Senders > o.Rooms*maxSendersOfRoom:
		return fmt.Errorf("--senders %d are more than %d in a room", o.Senders, maxSendersOfRoom)
	case o.Senders > maxSenders:
		return fmt.Errorf("--senders %d: %d are the most", o.Senders, maxSenders)
	case !(o.Rate >= 0 && o.Rate <= 1e6):
		return errors.New("--rate is 0 to 1000000")
	case o.Rate == 0 && (o.InFlight < 1 || o.InFlight > maxInFlight):
		return fmt.Errorf("--in-flight is 1 to %d", maxInFlight)
	case o.Duration <= 0:
		return errors.New("--duration is more than 0, as in 10s")
	case o.Size < markLength || o.Size > shared.MaxMessageLength:
		return fmt.Errorf("--size is %d to %d bytes", markLength, shared.MaxMessageLength)
	}
	return filesFor(o.Connections)
}

// room is one of the run's own.
type room struct {
	name    string
	readers int // members that read
	senders []*sender
}

// run is one measurement.
type run struct {
	Options
	target target
	id     string    // 8 of a-z2-7, in the names of the rooms and in every text
	began  time.Time // what all times count from
	rooms  []*room
	// members are all connections; the first Senders of them send, the last Slow stop
	// reading.
	members []*member
	senders []*sender
	seen    latencies
	server  *process // nil if it is not on this machine or cannot be looked at

	connected atomic.Int64
	inFlight  atomic.Int64  // messages that are not settled, and one more while there may be further ones
	settled   chan struct{} // closed when there are none
	loading   chan struct{} // closed when the load begins
	readOn    chan struct{} // closed by letReadOn: slow readers are to read again
	letReadOn func()
	leaving   atomic.Bool   // the connections are being closed
	start     time.Duration // of the load, set before loading is closed
	whole     bool          // the load was not ended early

	load     context.Context // ends with the load
	stopLoad context.CancelFunc
	reading  sync.WaitGroup // members
	sending  sync.WaitGroup // senders and their pace

	mu      sync.Mutex
	failure string // the first, in words; empty if there was none
	closing string // the server's reason, if it said that it closes
	invalid string // the first frame that is not as it should be
}

// now is the time since the run began.
func (r *run) now() time.Duration { return time.Since(r.began) }

// fail ends the load early and keeps the first reason.
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

// Run measures and returns what came of it; the error says why nothing was
// measured. When ctx ends the load ends, and the result is of what ran.
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
		settled: make(chan struct{}), loading: make(chan struct{}), readOn: make(chan struct{}),
	}
	r.letReadOn = sync.OnceFunc(func() { close(r.readOn) })
	r.load, r.stopLoad = context.WithCancel(ctx)
	defer r.stopLoad()
	r.inFlight.Store(1)
	r.furnish()
	defer r.leave()
	result := &Result{Options: o, Room: r.rooms[0].name}

	if err := r.connect(ctx, progress, result); err != nil {
		return nil, err
	}
	result.Connecting = r.now()
	watch := r.server.watch()
	defer watch.stop()
	progress.period(ctx, func() string { return "all connected" }, rest)
	watch.mark(&result.Memory.Connected)

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
		r.settle() // nothing is added any more
	})
	r.await(progress, r.settled, r.describeRest)
	result.Rest = r.now() - ended
	watch.mark(&result.Memory.Loaded)
	if o.Slow > 0 {
		r.catchUp(progress, result)
	}
	result.Memory.Peak = watch.stop()
	r.leave()
	result.Memory.After = r.server.memory()
	r.conclude(result)
	return result, nil
}

// furnish makes the rooms, members and senders.
func (r *run) furnish() {
	for i := range r.Rooms {
		r.rooms = append(r.rooms, &room{name: fmt.Sprintf("bench-%s-%d", r.id, i)})
	}
	for i := range r.Connections {
		room := r.rooms[i%r.Rooms]
		m := &member{run: r, index: i, room: room, slow: i >= r.Connections-r.Slow, full: make(chan struct{})}
		m.isFull = sync.OnceFunc(func() { close(m.full) })
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

// connectors is how many connections are opened at a time.
const connectors = 64

// connect opens all connections and brings them into their rooms: the first one
// alone, so that what is refused to everybody is told at once.
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
		return fmt.Errorf("stopped with %s of %s connections open: nothing was measured", count(r.connected.Load()), count(r.Connections))
	case err != nil && r.connected.Load() > 0:
		return fmt.Errorf("with %s of %s connections open: %w", count(r.connected.Load()), count(r.Connections), err)
	case err != nil:
		return err
	case r.failed():
		return errors.New(r.failure)
	}
	return nil
}

// settle takes one out of what is under way.
func (r *run) settle() {
	if r.inFlight.Add(-1) == 0 {
		close(r.settled)
	}
}

// await waits until done is closed, or nothing has come for too long.
func (r *run) await(progress *Progress, done <-chan struct{}, describe func() string) {
	ctx, giveUp := context.WithCancel(context.Background())
	defer giveUp()
	last, moved := int64(-1), time.Now()
	progress.during(ctx, func() string {
		wait := patience
		if r.failed() {
			wait = afterFailure
		}
		switch n := r.heard(); {
		case n != last:
			last, moved = n, time.Now()
		case time.Since(moved) > wait:
			giveUp()
		}
		return describe()
	}, done)
}

// heard grows with everything that comes.
func (r *run) heard() int64 {
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
	r.letReadOn()
	all := make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		defer close(all)
		for _, m := range slow {
			select {
			case <-m.full:
			case <-ctx.Done():
				return
			}
		}
	}()
	r.await(progress, all, func() string {
		done := 0
		for _, m := range slow {
			select {
			case <-m.full:
				done++
			default:
			}
		}
		return fmt.Sprintf("the slow ones read on: %s of %s have everything", count(done), count(len(slow)))
	})
	result.Slow.CaughtUp = r.now() - begin
}

// leave closes all connections, and reads on until the server has closed them
// too: a message that comes once too often is seen to.
func (r *run) leave() {
	if r.leaving.Swap(true) {
		return
	}
	r.stopLoad()
	r.letReadOn()
	for _, m := range r.members {
		m.sayGoodbye()
	}
	ended := make(chan struct{})
	go func() {
		r.reading.Wait()
		r.sending.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(goodbye):
	}
	for _, m := range r.members {
		m.close()
	}
	<-ended
}
