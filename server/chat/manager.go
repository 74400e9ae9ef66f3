package chat

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"websockets/server/auth"
	"websockets/server/delivery"
	"websockets/server/eventlog"
	"websockets/server/loglimit"
	"websockets/server/quota"
	"websockets/server/topics"
	"websockets/server/userdata"
	"websockets/shared"
)

const (
	// messageWait is how long a message may take, from the header of its first frame to
	// its last byte.
	messageWait = 10 * time.Second
	// flushTimeout bounds each of the last writes at the end of a connection, and of the
	// server.
	flushTimeout = time.Second
)

// Config configures a Manager.
type Config struct {
	// Rate is how many events a connection may send in a second, and three times as many
	// in a burst; 0 means no limit.
	Rate float64
	// MaxConnsPerAddress is how many connections one address may have; 0 means no limit,
	// and none for users either.
	MaxConnsPerAddress int
	// AllowOrigins are the origins (scheme://host:port) from which browsers may connect,
	// beside the server's own.
	AllowOrigins []string
	// Version is sent in welcome.
	Version string
	// Volatile says in welcome that the log is not kept beyond this process.
	Volatile bool
	// Logger must not be nil.
	Logger *slog.Logger
}

// Manager owns the connections and the rooms. Its exported methods may be called
// from any goroutine.
type Manager struct {
	config        Config
	logger        *slog.Logger // limited, see loglimit: clients cause what is logged
	log           eventlog.Log
	topics        *topics.Store
	authenticator auth.Authenticator
	registry      *shared.Registry[request]
	names         *userdata.Names
	readMarks     *userdata.ReadMarks
	recentRooms   *userdata.RecentRooms
	quotas        *quota.Registry
	acceptor      *acceptor
	rooms         *openRooms
	appends       *appender
	revoked       recentRevocations

	ctx  context.Context // ends when the connections have ended
	stop context.CancelFunc
	wg   sync.WaitGroup // goroutines of the manager itself
	pool *delivery.Pool // writes to the connections

	connections sync.WaitGroup // counts clients

	lastConnID atomic.Int64
	trimmer    memoryTrimmer

	mu        sync.RWMutex // guards what follows
	clients   map[*Client]struct{}
	clientsOf map[string][]*Client // by user
	closing   bool
}

// NewManager returns a manager on an open log. It fails if an event type of the
// catalogue has no handler. Call Shutdown before closing the log.
func NewManager(log eventlog.Log, authenticator auth.Authenticator, config Config) (*Manager, error) {
	users := log.Values(eventlog.Users)
	m := &Manager{
		config:        config,
		logger:        loglimit.New(config.Logger),
		log:           log,
		names:         userdata.NewNames(users),
		readMarks:     userdata.NewReadMarks(users),
		topics:        topics.New(log),
		appends:       &appender{log: log},
		authenticator: authenticator,
		quotas:        quota.NewRegistry(quota.Limits{Rate: config.Rate, ConnsPerAddress: config.MaxConnsPerAddress}),
		clients:       map[*Client]struct{}{},
		clientsOf:     map[string][]*Client{},
	}
	m.registry = m.setupEventHandlers()
	err := m.registry.Check()
	if err != nil {
		return nil, fmt.Errorf("the server cannot handle every event: %w", err)
	}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.acceptor = newAcceptor(m.ctx, config, authenticator, m.names, m.quotas, m.logger, m.serve)
	m.recentRooms = userdata.NewRecentRooms(m.ctx, log, m.topics)
	err = authenticator.Revocations.Watch(m.onRevoked)
	if err != nil {
		return nil, err
	}
	m.pool = delivery.NewPool(m.ctx)
	m.rooms = &openRooms{ctx: m.ctx, log: log, topics: m.topics, pool: m.pool, byName: map[string]*room{}}
	m.wg.Go(m.tickLoop)
	m.wg.Go(func() { m.readMarks.Run(m.ctx) })
	m.wg.Go(func() { m.recentRooms.Run(m.ctx) })
	return m, nil
}

// loadRoomsWait is how long LoadRooms waits.
const loadRoomsWait = 10 * time.Second

// LoadRooms reads from the log which rooms there are, so that the first user does not wait
// for that. If it takes longer than 10 s, it goes on in the background.
func (m *Manager) LoadRooms(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, loadRoomsWait)
	defer cancel()
	err := m.recentRooms.Load(ctx)
	if err != nil {
		m.logger.Debug("the rooms are not listed yet", "err", err)
	}
}

// eachOtherClient calls f for the user's other connections.
func (m *Manager) eachOtherClient(c *Client, f func(*Client)) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, other := range m.clientsOf[c.user] {
		if other != c {
			f(other)
		}
	}
}

// Shutdown tells every client that the server restarts, closes the connections and
// waits for them. Before that, messages that were handed to the log are acked. When ctx
// ends, connections that are left are cut. Shutdown may be called again.
func (m *Manager) Shutdown(ctx context.Context) {
	m.acceptor.close()
	m.mu.Lock()
	m.closing = true
	m.mu.Unlock()
	m.appends.wait(ctx)
	m.eachClient(func(c *Client) { c.disconnect("the server restarts", time.Second) })

	closed := make(chan struct{})
	go func() {
		m.connections.Wait()
		close(closed)
	}()
	select {
	case <-closed:
	case <-ctx.Done():
		m.eachClient(func(c *Client) { _ = c.conn.Close() })
	}
	m.stop()
	<-closed
	m.acceptor.wait()
	m.wg.Wait()
	m.pool.Wait()
	m.appends.wait(ctx)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	m.readMarks.Flush(last)
}

// eachClient calls f for every client.
func (m *Manager) eachClient(f func(*Client)) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for c := range m.clients {
		f(c)
	}
}
