// Package chat is the "/ws" manager: it owns the connections and the rooms that
// have members here, takes events in and sends messages out.
//
// The two ways of a message meet only at the log:
//
//	in:  client.readMessages -> routeEvent -> handler -> roomlog.Append
//	out: roomlog follower -> Manager.deliver -> room.ring -> client.writeMessages
//
// Lock order: Manager.mu, then room.mu, then Client.mu. None is held while
// something waits: for the network, the log or another goroutine.
package chat

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/identity"
	"websockets/server/quota"
	"websockets/server/roomlog"
	"websockets/shared"
)

// Times of a connection.
const (
	// tick is how often connections are looked at; all other times are whole
	// ticks.
	tick = time.Second
	// pingAfter is how long a connection may be quiet before it is pinged, and
	// pongWait how long it then has to answer.
	pingAfter = 25 * time.Second
	pongWait  = 8 * time.Second
	// messageWait is how long a message may take from its first frame's header to
	// its last byte.
	messageWait = 10 * time.Second
	// stallWait is how long a write may not come to an end before it lets go of
	// what it holds.
	stallWait = 2 * time.Second
)

// maxRooms is how many rooms one connection may be in.
const maxRooms = 128

// maxGreetings is how many connections are let in at a time, for each processor.
// When thousands come at once, more at a time would not be faster, and whoever is
// there already would wait for each of them. Some of them may wait for the log.
const maxGreetings = 16

// Config is what a Manager is told by its operator.
type Config struct {
	// Rate is how many events a connection may send in a second, three times as
	// many in a burst; 0 means no limit.
	Rate float64
	// MaxConnsPerAddress is how many connections one address may have; 0 means no
	// limit, for users neither.
	MaxConnsPerAddress int
	// AllowOrigins are origins (scheme://host:port) beside the server's own from
	// which browsers may connect.
	AllowOrigins []string
	// Version is the build that welcome tells.
	Version string
	// Logger takes what an operator should know.
	Logger *slog.Logger
}

// Manager owns the connections and the rooms. Its exported methods may be called
// from any goroutine.
type Manager struct {
	config   Config
	log      *slog.Logger
	roomlog  *roomlog.Log
	door     identity.Door
	registry *shared.Registry[request]
	upgrader websocket.Upgrader
	marks    *marks
	listing  *listing
	quotas   *quota.Registry
	writers  writers

	greetings chan struct{} // a place for each that is let in just now

	ctx  context.Context // ends when the manager is to stop
	stop context.CancelFunc
	wg   sync.WaitGroup // what Shutdown waits for, beside connections

	connections sync.WaitGroup // one for each of clients

	now     atomic.Int64 // ticks since the start, from 1 on
	numbers atomic.Int64 // of connections, so far
	appends atomic.Int64 // handed to the log and not settled
	memory  atomic.Int64 // of all rings
	pages   atomic.Int64 // of the log in all clients' hands
	trimmer memoryTrimmer

	lookedAt []atomic.Int64 // by shard: tick of the last look at its rooms that was answered

	mu      sync.RWMutex // guards what follows, and room.refs
	clients map[*Client]struct{}
	rooms   map[string]*room
	users   map[string][]*Client
	closing bool
}

// NewManager returns a manager on an open log and starts following it. It fails
// if an event type of the catalogue has no handler. Call Shutdown before closing
// the log.
func NewManager(log *roomlog.Log, door identity.Door, config Config) (*Manager, error) {
	m := &Manager{
		config:  config,
		log:     config.Logger,
		roomlog: log,
		door:    door,
		marks:   newMarks(log),
		listing: newListing(log),
		quotas:  quota.NewRegistry(quota.Limits{Rate: config.Rate, ConnsPerAddress: config.MaxConnsPerAddress}),
		clients: map[*Client]struct{}{},
		rooms:   map[string]*room{},
		users:   map[string][]*Client{},

		greetings: make(chan struct{}, maxGreetings*runtime.GOMAXPROCS(0)),
		lookedAt:  make([]atomic.Int64, log.Shards()),
	}
	m.upgrader = websocket.Upgrader{
		HandshakeTimeout: 10 * time.Second,
		ReadBufferSize:   512, // an event that is larger is read past it
		WriteBufferPool:  &sync.Pool{},
		CheckOrigin:      m.originAllowed,
	}
	m.registry = m.setupEventHandlers()
	if err := m.registry.Check(); err != nil {
		return nil, fmt.Errorf("the server cannot handle every event: %w", err)
	}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.now.Store(1)
	err := log.Run(roomlog.Feed{Deliver: m.deliver, Lost: m.feedLost, Epoch: m.epochChanged, Signal: m.onPeerMessage})
	if err != nil {
		return nil, err
	}
	if err := log.WatchUserValue(sentAwayKey, m.sentAway); err != nil {
		return nil, err
	}
	m.writers.run(m.ctx, &m.wg)
	m.wg.Go(m.tickLoop)
	m.wg.Go(m.tend)
	m.wg.Go(func() { m.marks.keep(m.ctx) })
	return m, nil
}

func without(clients []*Client, c *Client) []*Client {
	kept := clients[:0]
	for _, other := range clients {
		if other != c {
			kept = append(kept, other)
		}
	}
	clear(clients[len(kept):])
	return kept
}

// othersOf calls do for the user's other connections.
func (m *Manager) othersOf(c *Client, do func(*Client)) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, other := range m.users[c.user] {
		if other != c {
			do(other)
		}
	}
}

// join returns the room with this name, opened, and counts the caller in; leave
// counts it out.
func (m *Manager) join(ctx context.Context, name string) (*room, error) {
	m.mu.Lock()
	r := m.rooms[name]
	opens := r == nil
	if opens {
		r = &room{name: name, epoch: m.roomlog.Epoch(name), log: m.roomlog, ready: make(chan struct{})}
		r.ring.total = &m.memory
		m.rooms[name] = r
	}
	r.refs++
	m.mu.Unlock()

	if opens {
		r.opened = m.now.Load()
		r.err = r.open(m.ctx) // not the joiner's context: others wait for this too
		close(r.ready)
		r.askWhoIsPresent()
	}
	select {
	case <-r.ready:
	case <-ctx.Done():
		m.release(r)
		return nil, ctx.Err()
	}
	if r.err != nil {
		m.release(r)
		return nil, r.err
	}
	return r, nil
}

// leave takes a client out of a room; lost says that its connection ended, and
// that it may come back.
func (m *Manager) leave(mem *member, lost bool) {
	mem.room.leave(mem, lost)
	m.release(mem.room)
}

// release counts one out of a room and forgets the room after the last.
func (m *Manager) release(r *room) {
	m.mu.Lock()
	r.refs--
	last := r.refs == 0
	if last {
		delete(m.rooms, r.name)
	}
	m.mu.Unlock()
	if !last {
		return
	}
	if <-r.ready; r.err == nil {
		r.announceClosed()
		r.unfollow()
	}
	r.mu.Lock()
	r.closed = true
	r.ring.restart(r.ring.head)
	r.mu.Unlock()
}

// deliver takes what a shard's log has stored and wakes the members of each room
// once. Only the shard's follower calls it.
func (m *Manager) deliver(batch []roomlog.Entry) {
	var few [16]*room
	touched := few[:0]
	m.mu.RLock()
	for _, e := range batch {
		r := m.rooms[e.Room]
		if r != nil && r.add(e) && !r.touched {
			r.touched = true
			touched = append(touched, r)
		}
	}
	m.mu.RUnlock()
	for _, r := range touched {
		r.touched = false
		r.wake()
	}
}

func (m *Manager) isClosing() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.closing
}

// Shutdown tells every client that the server restarts, closes the connections
// and waits for them. What has been handed to the log is acknowledged first.
// When ctx ends, connections that are left are cut. It may be called again.
func (m *Manager) Shutdown(ctx context.Context) {
	m.mu.Lock()
	m.closing = true
	m.mu.Unlock()
	m.awaitAppends(ctx)
	m.eachClient(func(c *Client) { c.shutDown("the server restarts", time.Second) })

	closed := make(chan struct{})
	go func() {
		m.connections.Wait()
		close(closed)
	}()
	select {
	case <-closed:
	case <-ctx.Done():
		m.eachClient(func(c *Client) { _ = c.net.Close() })
	}
	m.stop()
	<-closed
	m.wg.Wait()
	m.awaitAppends(ctx)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	m.marks.flush(last)
}

func (m *Manager) eachClient(do func(*Client)) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for c := range m.clients {
		do(c)
	}
}

// awaitAppends waits, for a moment, until what has been handed to the log is
// settled, so that its acks go out before the connections close.
func (m *Manager) awaitAppends(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for m.appends.Load() > 0 {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return
		}
	}
}
