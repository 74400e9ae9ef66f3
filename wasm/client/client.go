// Package client is the chat's client: the browser's page, the command line and
// the tests all stand on it. It keeps one connection to the server alive, knows
// what was seen of every room and what was written but not acked, and offers a
// snapshot of what there is to show. It is plain Go without a DOM and builds
// natively and for js/wasm.
//
// The way of a message out: Send puts it into the outbox, sendEvent into the
// connection's egress, writeMessages on the wire. The way in: readMessages,
// routeEvent, a handler, the room's timeline, OnMessage and the View.
package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"

	"websockets/shared"
	"websockets/wasm/client/conn"
	"websockets/wasm/client/outbox"
)

// Conn is a connection, as Config.Dial opens it; CloseError says how one ended.
// Store keeps an outbox beyond the life of its Client.
type (
	Conn       = conn.Conn
	CloseError = conn.CloseError
	Store      = outbox.Store
)

// Config says where to connect and whom to tell. URL is all that is needed.
//
// The callbacks are called one at a time, on the goroutine that called Run, with
// no lock held: they may use the Client, except that they must not wait for
// Call or what uses it (LoadOlder, LoadNewer, ListRooms, SetName), whose answer comes
// through the same goroutine. While one runs, nothing else arrives.
type Config struct {
	// URL is the server's, such as wss://chat.example/ws.
	URL string
	// Room is the first room; empty means shared.DefaultRoom.
	Room string
	// Session makes a client without cookies the same user again. See
	// Client.Session. A browser leaves it empty.
	Session string
	// Store keeps the outbox for a client that comes after this one, with what
	// another one left in it; nil means that it ends with the Client.
	Store Store
	// Dial opens a connection and gives up when ctx ends; nil means a WebSocket.
	Dial func(ctx context.Context, url, session string) (Conn, error)

	// OnMessage is told every message of every room we are in exactly once, in
	// the room's order, whatever happens to connections in between. A room that was
	// joined without a cursor begins up to shared.JoinBacklog messages back, and so
	// does one whose log is not the one it was.
	OnMessage func(shared.Message)
	// OnAck is told once for every message of ours that the server's log has.
	OnAck func(id string, ack shared.AckPayload)
	// OnFrame is told every frame, until SetFrameObserver names another.
	OnFrame func(Frame)
	// OnChange is told that View has changed, once for several changes.
	OnChange func()
}

// Errors of the client's own. Those of the server are *shared.Error.
var (
	ErrDisconnected = conn.ErrDisconnected
	ErrBusy         = conn.ErrBusy
	ErrRunning      = conn.ErrRunning
	ErrOutboxFull   = outbox.ErrFull
	ErrNoRoom       = errors.New("client: not in a room")
	ErrNoMessage    = outbox.ErrNoMessage
)

// Client is one user's end of the chat. All methods may be called from any
// goroutine and before, during and after Run.
//
// What happens on the connection happens on Run's goroutine. Other goroutines
// change the state under mu and notify Run. Locks are taken in this order: mu, the
// Supervisor's, the callbackQueue's.
type Client struct {
	// Static.
	config   Config
	url      *url.URL
	handlers *shared.Registry[*Client]

	conn      *conn.Supervisor
	callbacks callbackQueue

	// mu guards all that follows. Nothing that can block is called under it.
	mu      sync.Mutex
	session string // to present instead of a cookie

	me        Me
	version   string
	limits    shared.Limits
	lastError *shared.Error

	rooms         []*room // those we are in and some that we left
	current       string  // the current room's name, empty without one
	serverCurrent string  // the room that we have last asked the server to make the current one
	// dialCursor is where the connection's address asked it to begin.
	dialCursor *shared.Cursor
	roomList   []shared.RoomSummary // the last ListRooms
	roomsStale bool                 // the user has read since, elsewhere
	outbox     *outbox.Outbox

	answering string                     // id of the event being routed
	requests  map[string]*pendingRequest // joins and leaves without an answer yet, by id
}

// New returns a client that Run starts. It fails if the configuration cannot
// work or an event type of the catalogue has no handler here.
func New(config Config) (*Client, error) {
	u, err := url.Parse(config.URL)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "" {
		return nil, fmt.Errorf("client: %q is not a ws:// or wss:// address", config.URL)
	}
	if config.Room == "" {
		config.Room = shared.DefaultRoom
	}
	if err := shared.ValidateRoom(config.Room); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if config.Dial == nil {
		config.Dial = conn.DialWebSocket
	}
	handlers := setupEventHandlers()
	if err := handlers.Check(); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	c := &Client{
		config:   config,
		url:      u,
		handlers: handlers,
		session:  config.Session,
		current:  config.Room,
	}
	c.conn = conn.New(config.Dial, conn.Owner{
		Address:       c.address,
		Connected:     c.connected,
		Receive:       c.receive,
		Disconnected:  c.disconnected,
		Tick:          c.tick,
		RunCallbacks:  c.callbacks.run,
		StatusChanged: c.callbacks.notifyChange,
		Sent:          func(frame []byte) { c.callbacks.observe(true, frame) },
	})
	c.callbacks.wake, c.callbacks.onChange = c.conn.Notify, config.OnChange
	c.callbacks.setObserver(config.OnFrame)
	c.outbox = outbox.New(outbox.Config{
		Store:    config.Store,
		Position: c.position,
		CanSend:  c.conn.CanSend,
		Send:     c.sendEvent,
		Acked:    c.acked,
	})
	c.getOrCreateRoom(config.Room).desired = true
	if config.Store != nil {
		c.ImportOutbox(config.Store)
	}
	return c, nil
}

// Session returns what to put into Config.Session next time, empty if the server
// has not told it.
func (c *Client) Session() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// Run connects and stays connected until ctx ends, then returns ctx's error, or
// until the server closes with a code that is final, then returns a
// *CloseError. All goroutines of the client have ended when it returns. It may
// be called again then; what waits in the outbox is still there.
func (c *Client) Run(ctx context.Context) error { return c.conn.Run(ctx) }

// CheckNow says that the network or the page has come back: a client that waits
// connects at once, one that is connected finds out with one ping whether it
// still is.
func (c *Client) CheckNow() { c.conn.CheckNow() }

// SetFrameObserver tells f every frame from now on, in place of Config.OnFrame or of who was
// told before. nil tells nobody: then a frame costs one comparison. What was on
// its way to the one before is still told to him.
func (c *Client) SetFrameObserver(f func(Frame)) { c.callbacks.setObserver(f) }
