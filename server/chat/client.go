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
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"websockets/server/auth"
	"websockets/server/delivery"
	"websockets/server/quota"
	"websockets/server/wsframe"
	"websockets/shared"
)

// Client is the reading side of one connection. readMessages runs on a goroutine of its
// own for as long as the connection lives, and handles events one after the other.
// Everything is written through out; nothing else writes to the connection.
type Client struct {
	// Static.
	manager *Manager
	conn    *websocket.Conn
	out     *delivery.Conn
	handle  func(frame []byte) // routeEvent, except in TestEcho; frame is valid until it returns
	connID  int64              // names the connection in the server's log
	from    string             // the peer's address
	user    string
	// Shared with other connections of the address, and of the user.
	addrQuota, userQuota *quota.Quota

	// Owned by readMessages.
	rooms    []*member // joined, in the order of joining
	current  *member   // the room of events that name none; nil if there is no such room
	throttle quota.Throttle

	// readingSince is when the message that is being read began, by the pool's clock; 0
	// if none is. Ticks read it.
	readingSince atomic.Int64

	name    atomic.Pointer[string]
	session atomic.Pointer[auth.Session]
	// currentRoom is the room of current. Any goroutine that logs reads it.
	currentRoom atomic.Pointer[room]

	sends sends
}

// logger returns a logger whose records name the connection and its current room.
func (c *Client) logger() *slog.Logger {
	logger := c.manager.logger.With("conn", c.connID, "user", c.user, "from", c.from)
	room := c.currentRoom.Load()
	if room != nil {
		return logger.With("room", room.name)
	}
	return logger
}

// setCurrent sets the current room; nil means none. Only the reader may call it.
func (c *Client) setCurrent(m *member) {
	c.current = m
	if m == nil {
		c.currentRoom.Store(nil)
		return
	}
	c.currentRoom.Store(m.room)
}

func (c *Client) displayName() string { return *c.name.Load() }

// readMessages reads and handles events until the connection ends. While the client has
// too many answers to read, it reads nothing: so a flood is held back at its own socket.
//
// Its stack is most of an idle connection's memory. While it waits in NextReader, that
// fits into the smallest stack, 2 KiB. Run TestPerfIdleConnection of server/e2e after
// adding to it.
func (c *Client) readMessages() {
	for c.out.WaitForCapacity() == nil {
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
		if buf.Cap() <= 4<<10 { // do not keep the memory of a large event
			eventBuffers.Put(buf)
		}
	}()
	c.readingSince.Store(int64(c.manager.pool.Now()))
	buf.Reset()
	_, err := buf.ReadFrom(io.LimitReader(r, shared.MaxFrameBytes+1))
	c.readingSince.Store(0)
	c.out.NoteActivity()
	switch {
	case err != nil:
		return err
	case c.out.IsClosing(): // events are ignored until the peer's close frame
	case buf.Len() > shared.MaxFrameBytes:
		c.expel(shared.CloseTooBig, "an event may have at most 64 KiB")
	case kind != websocket.TextMessage:
		c.expel(shared.CloseUnsupportedData, "an event must be a text frame")
	case !utf8.Valid(buf.Bytes()):
		c.expel(shared.CloseInvalidText, "an event must be valid UTF-8")
	default:
		c.handle(buf.Bytes())
	}
	return nil
}

// eventBuffers holds buffers for reading events. An idle connection has none.
var eventBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// routeEvent handles one frame. It answers an invalid one with an error event; the
// connection stays open.
func (c *Client) routeEvent(frame []byte) {
	event, err := shared.DecodeEvent(frame)
	throttled := c.waitTurn() // frames that cannot be decoded count too
	if throttled != nil {
		err = throttled
	}
	if err == nil {
		err = c.manager.registry.Route(c.manager.ctx, request{Client: c, id: event.ID}, event)
	}
	if err != nil {
		c.fail(event.ID, err)
	}
}

// fail answers an event with an error. Errors that are not a *shared.Error are logged,
// and the client gets the code internal.
func (c *Client) fail(id string, err error) {
	var clientErr *shared.Error
	if !errors.As(err, &clientErr) {
		if c.manager.ctx.Err() != nil {
			return
		}
		c.logger().Error("handling an event failed", "err", err)
		clientErr = shared.Errorf(shared.CodeInternal, "internal error: the server's log has the details")
	}
	c.send(shared.Failed.Frame(id, *clientErr))
}

// send queues an event, as shared.Type.Frame encodes it.
func (c *Client) send(event []byte) { c.out.Send(wsframe.NewText(event)) }

// readFailed handles the error that ends reading.
func (c *Client) readFailed(err error) {
	var timeout net.Error
	switch {
	case c.out.IsClosing():
	case errors.As(err, &timeout) && timeout.Timeout():
		c.expel(shared.ClosePolicy, "a message was not complete in time")
	case websocket.IsUnexpectedCloseError(err, shared.CloseNormal, shared.CloseGoingAway, websocket.CloseNoStatusReceived, websocket.CloseAbnormalClosure):
		c.logger().Debug("connection closed", "err", err)
	}
}

// find returns the client's membership in a room, nil if there is none. An empty name
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

// finish leaves all rooms and closes the connection. The reader has ended.
func (c *Client) finish() {
	for _, m := range c.rooms {
		c.manager.rooms.leave(m, true)
	}
	c.rooms = nil
	c.setCurrent(nil)
	c.out.Finish()
}

// disconnect tells the client when to connect again, and closes the connection.
func (c *Client) disconnect(reason string, retryAfter time.Duration) {
	c.send(shared.Closing.Frame("", shared.ClosingPayload{Reason: reason, RetryAfter: retryAfter.Seconds()}))
	c.out.Close(shared.CloseRestart, reason)
}
