package chat

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"websockets/server/auth"
	"websockets/server/quota"
	"websockets/server/wsframe"
	"websockets/shared"
)

// Client is one connection. readMessages runs on a goroutine of its own for as
// long as the connection lives and handles its events one after the other. What
// is to be written is written by one of the manager's writers, or, while that
// takes waiting, by writeMessages on a goroutine of its own: by one at a time,
// and nothing else writes to the connection.
type Client struct {
	// Static.
	manager *Manager
	conn    *websocket.Conn
	net     net.Conn           // what conn wraps: frames are written here, whole
	raw     syscall.RawConn    // of net, for the writers; nil with TLS
	handle  func(frame []byte) // routeEvent, but for TestEcho; the frame is valid until it returns
	secure  bool               // net is a connection with TLS
	number  int64              // tells it from others in the log
	from    string             // the address it comes from
	user    string
	// What this connection uses up together with others.
	addrQuota, userQuota *quota.Quota

	// Owned by readMessages.
	rooms    []*member // joined, in the order of joining
	current  *member   // where events go that name no room
	throttle quota.Throttle

	// Written by one side, read by the manager's ticks. In ticks; 0 is "not now".
	alive   atomic.Int64 // a byte moved
	pinged  atomic.Int64 // a ping is out since
	reading atomic.Int64 // a message has begun and not ended since
	writing atomic.Int64 // a write has begun and not ended since
	held    atomic.Bool  // the reader waits for the client to take its answers

	name    atomic.Pointer[string]
	session atomic.Pointer[auth.Session]
	where   atomic.Pointer[room] // of current, for the log

	mu     sync.Mutex // guards what follows; nothing is called with it held
	egress egress
	sends  sends
	busy   bool          // with the writers, or being written to
	again  bool          // look once more before going idle
	ended  bool          // closed by us: what arrives is ignored
	gone   bool          // nothing is to be written any more
	idle   chan struct{} // closed when the writing has ended, for the one who waits

	next *Client // in the writers' queue, which owns it

	// Owned by the one who writes.
	active  []*member // rooms whose messages are written
	turn    int       // which of them was the last to be looked at
	pages   pages     // of the log, for rooms that it is behind in
	partial []byte    // the rest of a frame of which a part is out
}

// sends counts the appends of a client that the log has not settled. After one
// has failed, later ones are refused too, until all are settled and the client
// has had the time to hear of it: it sends them again in order.
type sends struct {
	open    int
	failed  bool
	refuses time.Time // until then
}

// logger returns a logger that says whose connection it is, and its current room.
func (c *Client) logger() *slog.Logger {
	log := c.manager.log.With("conn", c.number, "user", c.user, "from", c.from)
	if room := c.where.Load(); room != nil {
		return log.With("room", room.name)
	}
	return log
}

// setCurrent makes a place in a room the current one, or none. Only the reader
// calls it.
func (c *Client) setCurrent(m *member) {
	c.current = m
	if m == nil {
		c.where.Store(nil)
		return
	}
	c.where.Store(m.room)
}

func (c *Client) displayName() string { return *c.name.Load() }

// readMessages reads and handles events until the connection ends, one after
// the other. While the client owes us the reading of its answers nothing is
// read: a flood is held back at its own socket.
//
// Its stack is most of an idle connection's memory. It is kept just so flat that
// one that waits in NextReader has room on the smallest, of 2 KiB: see
// TestAnIdleConnectionIsSmall before adding to it.
func (c *Client) readMessages() {
	for c.awaitEgress() == nil {
		kind, r, err := c.conn.NextReader()
		if err == nil {
			err = c.readMessage(kind, r)
		}
		if err != nil {
			c.readFailed(err)
			return
		}
	}
}

// readMessage reads and handles one event.
func (c *Client) readMessage(kind int, r io.Reader) error {
	buf := eventBuffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= 4<<10 { // a large event must not stay in memory
			eventBuffers.Put(buf)
		}
	}()
	c.reading.Store(c.manager.now.Load())
	buf.Reset()
	_, err := buf.ReadFrom(io.LimitReader(r, shared.MaxFrameBytes+1))
	c.reading.Store(0)
	c.heard()
	switch {
	case err != nil:
		return err
	case c.isEnding(): // only the close frame is waited for
	case buf.Len() > shared.MaxFrameBytes:
		c.close(shared.CloseTooBig, "an event has at most 64 KiB")
	case kind != websocket.TextMessage:
		c.close(shared.CloseUnsupportedData, "events are text frames")
	case !utf8.Valid(buf.Bytes()):
		c.close(shared.CloseInvalidText, "an event is UTF-8")
	default:
		c.handle(buf.Bytes())
	}
	return nil
}

// eventBuffers are for events that are being read: an idle connection has none.
var eventBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// routeEvent handles one frame. What is wrong with it is answered with an error
// event and the connection lives on.
func (c *Client) routeEvent(frame []byte) {
	event, err := shared.DecodeEvent(frame)
	if tooFast := c.waitTurn(); tooFast != nil { // what cannot be decoded counts too
		err = tooFast
	}
	if err == nil {
		err = c.manager.registry.Route(c.manager.ctx, request{Client: c, id: event.ID}, event)
	}
	if err != nil {
		c.fail(event.ID, err)
	}
}

// fail answers an event with an error. What is not meant for the client is
// logged and told as internal.
func (c *Client) fail(id string, err error) {
	var told *shared.Error
	if !errors.As(err, &told) {
		if c.manager.ctx.Err() != nil {
			return
		}
		c.logger().Error("handling an event", "err", err)
		told = shared.Errorf(shared.CodeInternal, "the server could not do that; its log says why")
	}
	c.enqueue(outgoing{frame: wsframe.NewText(shared.Failed.Frame(id, *told))})
}

// readFailed ends a connection that cannot be read any more.
func (c *Client) readFailed(err error) {
	var timeout net.Error
	switch {
	case c.isEnding():
	case errors.As(err, &timeout) && timeout.Timeout():
		c.close(shared.ClosePolicy, "a frame was begun and not ended in time")
	case websocket.IsUnexpectedCloseError(err, shared.CloseNormal, shared.CloseGoingAway, websocket.CloseNoStatusReceived, websocket.CloseAbnormalClosure):
		c.logger().Debug("connection closed", "err", err)
	}
}

// heard notes that a byte moved.
func (c *Client) heard() {
	c.alive.Store(c.manager.now.Load())
	c.pinged.Store(0)
}

// find returns the client's place in a room, nil if it is not in it. No name
// means the current room. Only the reader may call it.
func (c *Client) find(room string) *member {
	if room == "" {
		return c.current
	}
	i := slices.IndexFunc(c.rooms, func(m *member) bool { return m.room.name == room })
	if i < 0 {
		return nil
	}
	return c.rooms[i]
}

// end takes the connection down when its reader has ended: what is queued is
// still written if that takes no longer than a moment.
func (c *Client) end() {
	for _, m := range c.rooms {
		c.manager.leave(m, true)
	}
	c.rooms = nil
	c.setCurrent(nil)
	c.awaitWriter(lastWords)
	_ = c.conn.Close()
	c.awaitWriter(0)
}
