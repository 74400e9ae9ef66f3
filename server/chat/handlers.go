package chat

import (
	"context"
	"errors"
	"strings"
	"time"

	"websockets/server/auth"
	"websockets/server/wsframe"
	"websockets/shared"
)

// request is an event that is being handled: its client, and the id that its answer
// carries, which may be empty.
type request struct {
	*Client
	id string
}

// answer queues the event's answer.
func (r request) answer(event []byte) { r.send(event) }

// done acks an event that has no other answer. Without an id it gets none.
func (r request) done() {
	if r.id != "" {
		r.answer(shared.Ack.Frame(r.id, shared.AckPayload{}))
	}
}

// setupEventHandlers maps every event type that a client may send to its handler.
// Handlers run on the client's reader, one event after the other.
func (m *Manager) setupEventHandlers() *shared.Registry[request] {
	handlers := shared.NewRegistry[request](shared.ToServer)
	onRoom(handlers, shared.ChangeRoom, auth.Read, m.changeRoom)
	onRoom(handlers, shared.JoinRoom, auth.Read, m.joinRoom)
	shared.On(handlers, shared.LeaveRoom, m.leaveRoom)
	onRoom(handlers, shared.SendMessage, auth.Write, m.sendMessage)
	onRoom(handlers, shared.SetTopic, auth.Write, m.setTopic)
	onRoom(handlers, shared.LoadHistory, auth.Read, m.loadHistory)
	shared.On(handlers, shared.ListRooms, m.listRooms)
	shared.On(handlers, shared.SetName, m.setName)
	onRoom(handlers, shared.StartTyping, auth.Write, m.typing)
	onRoom(handlers, shared.MarkRead, auth.Read, m.markRead)
	shared.On(handlers, shared.Ping, m.ping)
	shared.On(handlers, shared.Authenticate, m.refreshSession)
	shared.On(handlers, shared.RefreshToken, m.refreshSession)
	return handlers
}

// listRooms answers with a page of the rooms that the session may read.
func (m *Manager) listRooms(ctx context.Context, r request, p shared.ListRoomsPayload) error {
	session := r.session.Load()
	rooms, err := m.recentRooms.List(ctx, p, func(room string) bool {
		return strings.Contains(room, p.Filter) && session.May(auth.Read, room)
	})
	if err != nil {
		return r.unavailable(err)
	}
	marks, err := m.readMarks.Get(ctx, r.user)
	if err != nil {
		return r.unavailable(err)
	}
	err = m.recentRooms.CountUnread(ctx, rooms.Rooms, marks)
	if err != nil {
		return r.unavailable(err)
	}
	r.answer(shared.Rooms.Frame(r.id, rooms))
	return nil
}

// setName sets the user's display name, for all of their connections.
func (m *Manager) setName(ctx context.Context, r request, p shared.SetNamePayload) error {
	if r.session.Load().Name != "" {
		return shared.Errorf(shared.CodeUnsupported, "your name comes with your sign-in: change it there")
	}
	name, err := auth.CleanName(p.Name)
	if err != nil {
		return err
	}
	err = m.names.Set(ctx, r.user, name)
	if err != nil {
		return r.unavailable(err)
	}
	r.name.Store(&name)
	m.eachOtherClient(r.Client, func(other *Client) { other.name.Store(&name) })
	for _, room := range m.rooms.list() { // only their readers know which rooms the other connections are in
		room.rename(r.user, name)
	}
	r.done()
	return nil
}

// typingInterval is the shortest time between two typing events of a client in a room.
// Others are acked, but the room is not told.
const typingInterval = 2 * time.Second

// typing tells the room that the user is writing.
func (m *Manager) typing(_ context.Context, r request, p shared.RoomPayload) error {
	here := r.find(p.Room)
	if here == nil {
		return notMember(p.Room)
	}
	now := time.Now()
	if now.Sub(here.lastTyping) >= typingInterval {
		here.lastTyping = now
		who := shared.TypingPayload{Room: here.room.name, User: r.user, Name: r.displayName()}
		here.room.broadcast(shared.Typing.Frame("", who), r.Client)
	}
	r.done()
	return nil
}

// markRead stores how far the user has read and tells their other connections.
func (m *Manager) markRead(_ context.Context, r request, p shared.MarkReadPayload) error {
	here := r.find(p.Room)
	if here == nil {
		return notMember(p.Room)
	}
	p.Seq = min(p.Seq, here.room.timeline.Head()) // nobody has read what is not there yet
	err := m.readMarks.Set(r.user, p.Room, p.Seq)
	if err != nil {
		return tryAgain(err.Error())
	}
	frame := wsframe.NewText(shared.Read.Frame("", p))
	m.eachOtherClient(r.Client, func(other *Client) { other.out.Offer(frame) })
	r.done()
	return nil
}

func (m *Manager) ping(_ context.Context, r request, _ shared.Empty) error {
	r.answer(shared.Pong.Frame(r.id, shared.Empty{}))
	return nil
}

// unavailable logs an error of the message log, and returns one that lets the client try
// again. It returns a *shared.Error as it is.
func (c *Client) unavailable(err error) *shared.Error {
	var clientErr *shared.Error
	if errors.As(err, &clientErr) {
		return clientErr
	}
	if c.manager.ctx.Err() == nil {
		c.logger().Warn("a request to the message log failed", "err", err)
	}
	return tryAgain("the message log cannot be reached: nothing was stored")
}

// retryAfter is when a client may try again after a failure.
const retryAfter = time.Second

func tryAgain(why string) *shared.Error {
	refused := shared.Errorf(shared.CodeUnavailable, "%s", why)
	refused.RetryAfter = retryAfter.Seconds()
	return refused
}
