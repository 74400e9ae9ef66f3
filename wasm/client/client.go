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
	"time"

	"websockets/shared"
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
	ErrDisconnected = errors.New("client: not connected")
	ErrOutboxFull   = errors.New("client: too many messages wait to be sent")
	ErrBusy         = errors.New("client: the connection does not keep up")
	ErrNoRoom       = errors.New("client: not in a room")
	ErrRunning      = errors.New("client: Run is running already")
	ErrNoMessage    = errors.New("client: no such message waits for a decision")
)

// CloseError is how a connection ended with a close frame. Run returns one when
// the code is final.
type CloseError struct {
	Code   int
	Reason string
}

func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("the connection was closed with code %d", e.Code)
	}
	return fmt.Sprintf("the connection was closed with code %d: %s", e.Code, e.Reason)
}

// Client is one user's end of the chat. All methods may be called from any
// goroutine and before, during and after Run.
//
// What happens on the connection happens on Run's goroutine. Other goroutines
// change the state under mu, put frames into the connection's egress, and poke
// Run to look what has changed.
type Client struct {
	// Static.
	config   Config
	url      *url.URL
	handlers *shared.Registry[*Client]

	// poked wakes Run's goroutine; one token says as much as many.
	notified chan struct{}

	// mu guards all that follows. Nothing that can block is called under it.
	mu             sync.Mutex
	running        bool
	state          State
	reason         string
	code           int // the close code that Ended us
	since          time.Time
	retry          time.Time
	attempt        int           // attempts to connect since a connection was synced
	checkRequested bool          // CheckNow was called and not heeded yet
	notBefore      time.Time     // closing said not to come back earlier
	session        string        // to present instead of a cookie
	link           *link         // the connection, nil without one
	welcomed       bool          // on this connection
	heartbeat      time.Duration // the server is never silent for longer

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
	outbox     outbox

	answering string                       // id of the event being routed
	requests  map[string]*pendingRequest   // joins and leaves without an answer yet, by id
	calls     map[string]chan shared.Event // calls without an answer yet, by id

	observer  func(Frame) // is told every frame; nil mostly
	callbacks []func()    // for Run's goroutine to call
	changed   bool        // the View, since the last OnChange
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
		config.Dial = dialWebSocket
	}
	handlers := setupEventHandlers()
	if err := handlers.Check(); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	c := &Client{
		config:   config,
		url:      u,
		handlers: handlers,
		notified: make(chan struct{}, 1),
		state:    Connecting,
		since:    time.Now(),
		session:  config.Session,
		current:  config.Room,
		observer: config.OnFrame,
	}
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

// notify makes Run's goroutine look again.
func (c *Client) notify() {
	select {
	case c.notified <- struct{}{}:
	default:
	}
}

// notifyChange notes that the View is another one. Call it with mu held.
func (c *Client) notifyChange() {
	c.changed = true
	c.notify()
}

// enqueueCallback leaves a callback for Run's goroutine. Call it with mu held.
func (c *Client) enqueueCallback(callback func()) {
	c.callbacks = append(c.callbacks, callback)
	c.notify()
}

// runCallbacks calls the callbacks that wait, in order, then OnChange if it is due.
// Only Run's goroutine calls it.
func (c *Client) runCallbacks() {
	c.mu.Lock()
	callbacks, changed := c.callbacks, c.changed
	c.callbacks, c.changed = nil, false
	c.mu.Unlock()
	for _, callback := range callbacks {
		callback()
	}
	if changed && c.config.OnChange != nil {
		c.config.OnChange()
	}
}
