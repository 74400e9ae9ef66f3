package client

import (
	"context"
	"fmt"
	"net/url"
	"sync"

	"websockets/shared"
	"websockets/wasm/client/conn"
	"websockets/wasm/client/outbox"
	"websockets/wasm/client/roomsync"
)

// Conn is a connection, as Config.Dial opens it; CloseError says how one ended.
// Store keeps an outbox beyond the life of its Client.
type (
	Conn       = conn.Conn
	CloseError = conn.CloseError
	Store      = outbox.Store
)

// Config configures a Client. Only URL is required.
//
// The callbacks are called one at a time, on the goroutine that called Run, with no
// lock held. They may use the Client, except that they must not wait for Call or what
// uses it (LoadOlder, LoadNewer, ListRooms, SetName): the answer arrives through the
// same goroutine. While a callback runs, nothing else arrives.
type Config struct {
	// URL is the server's, such as wss://chat.example/ws.
	URL string
	// Room is the first room; empty means shared.DefaultRoom.
	Room string
	// Session makes a client without cookies the same user again, see
	// Client.Session. A browser leaves it empty.
	Session string
	// Store keeps the outbox for a later client, and may have what an earlier one left
	// there. nil means that the outbox ends with the Client.
	Store Store
	// Dial opens a connection and gives up when ctx ends; nil means a WebSocket.
	Dial func(ctx context.Context, url, session string) (Conn, error)

	// OnMessage receives every message of every room that we are in, exactly once and
	// in the room's order, whatever happens to connections meanwhile. A room that is
	// joined without a cursor begins up to shared.JoinBacklog messages back, and so does
	// one whose log was replaced.
	OnMessage func(shared.Message)
	// OnAck is called once for each of our messages that the server's log has.
	OnAck func(id string, ack shared.AckPayload)
	// OnFrame receives every frame, until SetFrameObserver replaces it.
	OnFrame func(Frame)
	// OnChange says that View has changed, once for several changes.
	OnChange func()
}

// Errors of the client's own. Those of the server are *shared.Error.
var (
	ErrDisconnected = conn.ErrDisconnected
	ErrBusy         = conn.ErrBusy
	ErrRunning      = conn.ErrRunning
	ErrOutboxFull   = outbox.ErrFull
	ErrNoMessage    = outbox.ErrNoMessage
	ErrNoRoom       = roomsync.ErrNoRoom
)

// Client is one user's end of the chat. Its methods may be called from any
// goroutine, before, during and after Run. Those that take a context may block; the
// others do not.
type Client struct {
	// Static.
	config   Config
	url      *url.URL
	handlers *shared.Registry[*Client]

	// These two have locks of their own. The order is: mu, conn's, callbacks'.
	conn      *conn.Supervisor
	callbacks callbackQueue

	// mu guards all that follows, and what outbox and rooms point to. Nothing that can
	// block is called under it.
	mu     sync.Mutex
	outbox *outbox.Outbox
	rooms  *roomsync.Rooms

	session   string // to present instead of a cookie
	me        Me
	version   string // of the server
	limits    shared.Limits
	lastError *shared.Error
	answering string // id of the event that is being routed
}

// New returns a Client that Run starts. It fails if the configuration is not valid,
// or if an event type of the catalogue has no handler.
func New(config Config) (*Client, error) {
	u, err := url.Parse(config.URL)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "" {
		return nil, fmt.Errorf("client: %q is not a ws:// or wss:// URL", config.URL)
	}
	if config.Room == "" {
		config.Room = shared.DefaultRoom
	}
	err = shared.ValidateRoom(config.Room)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if config.Dial == nil {
		config.Dial = conn.DialWebSocket
	}
	handlers := setupEventHandlers()
	err = handlers.Check()
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	c := &Client{config: config, url: u, handlers: handlers, session: config.Session}
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
	c.rooms = roomsync.New(config.Room, c.outbox, c.sendEvent)
	if config.Store != nil {
		c.ImportOutbox(config.Store)
	}
	return c, nil
}

// Run connects and stays connected. It returns ctx's error when ctx ends, and a
// *CloseError when the server closes with a code that is final. All goroutines of the
// Client have ended by then. Run may be called again afterwards: what is in the
// outbox is still there. ErrRunning means that it has not returned yet.
func (c *Client) Run(ctx context.Context) error { return c.conn.Run(ctx) }

// CheckNow says that the network or the page may have been away. A Client that waits
// for its next attempt to connect begins it; one that is connected finds out with one
// ping whether it still is.
func (c *Client) CheckNow() { c.conn.CheckNow() }

// SetFrameObserver passes every frame from now on to observer, in place of
// Config.OnFrame or the observer before. Frames that already wait for that one still
// go there. With nil, a frame costs one comparison.
func (c *Client) SetFrameObserver(observer func(Frame)) { c.callbacks.setObserver(observer) }

// Session returns what to put into Config.Session next time, empty if the server has
// not sent it.
func (c *Client) Session() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// position returns up to where a room has been read, and whether it is synced.
func (c *Client) position(room string) (cursor *shared.Cursor, synced bool) {
	r := c.rooms.Find(room)
	if r == nil {
		return nil, false
	}
	return r.Cursor(), r.Phase() == roomsync.Synced
}
