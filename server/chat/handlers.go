package chat

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"websockets/server/auth"
	"websockets/server/delivery"
	"websockets/server/timeline"
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

// sendWelcome tells the client who it is.
func (c *Client) sendWelcome(h handshake) {
	if h.ack != nil {
		c.send(h.ack)
	}
	c.send(shared.Welcome.Frame("", shared.WelcomePayload{
		User: c.user, Name: c.displayName(), Named: h.named,
		Limits: shared.Limits{
			MessageLength: shared.MaxMessageLength, FrameBytes: shared.MaxFrameBytes,
			Rooms: maxRooms, InFlight: delivery.Window,
		},
		Heartbeat: delivery.PingAfter.Seconds(), Version: c.manager.config.Version, Volatile: c.manager.config.Volatile, Session: h.session.Token,
	}))
}

// joinFirstRoom joins the room that the URL names, or the default one.
func (c *Client) joinFirstRoom(h handshake) {
	join := shared.JoinPayload{Name: h.room}
	if join.Name == "" {
		join.Name = shared.DefaultRoom
	}
	if h.after != "" {
		if err := shared.Unmarshal([]byte(h.after), &join.After); err != nil {
			c.fail("", shared.Errorf(shared.CodeBadPayload, "after in the URL is not a cursor {epoch, seq, id}: no room was joined"))
			return
		}
	}
	err := join.Validate()
	if err == nil {
		err = c.may(auth.Read, join.Name)
	}
	if err == nil {
		err = c.manager.changeRoom(c.manager.ctx, request{Client: c}, join)
	}
	if err != nil {
		c.fail("", err)
	}
}

// changeRoom joins a room, makes it the current one and leaves the one that was.
func (m *Manager) changeRoom(ctx context.Context, r request, p shared.JoinPayload) error {
	old := r.current
	joined, err := m.enterRoom(ctx, r, p, old)
	if err != nil {
		return err
	}
	r.setCurrent(joined)
	if old != nil && old != joined {
		r.exitRoom(old)
	}
	return nil
}

// joinRoom joins a room, which becomes the current one only if there is none.
func (m *Manager) joinRoom(ctx context.Context, r request, p shared.JoinPayload) error {
	joined, err := m.enterRoom(ctx, r, p, nil)
	if err == nil && r.current == nil {
		r.setCurrent(joined)
	}
	return err
}

// enterRoom puts the client into a room and queues room_joined, from which on
// the room's messages are written and, if leaving is set, those of that room are
// not. A room it is in already keeps its place.
func (m *Manager) enterRoom(ctx context.Context, r request, p shared.JoinPayload, leaving *member) (*member, error) {
	if here := r.find(p.Name); here != nil {
		if leaving == here {
			leaving = nil
		}
		room := here.room
		topic, err := room.topic.current(ctx)
		if err != nil {
			return nil, r.unavailable(err)
		}
		room.mu.RLock()
		joined := shared.RoomJoinedPayload{
			Room: room.name, State: shared.StateCurrent, Count: room.presence.Count(), Members: room.presence.List(), Topic: topic,
		}
		room.mu.RUnlock()
		r.out.SendCursor(&here.sub, subscriptionOf(leaving), func(at shared.Cursor, err error) []byte {
			return r.rejoined(joined, at, err)
		})
		return here, nil
	}
	if leaving == nil && len(r.rooms) >= maxRooms {
		return nil, shared.Errorf(shared.CodeTooManyRooms, "a connection can be in %d rooms: leave one first", maxRooms)
	}
	room, err := m.rooms.acquire(ctx, p.Name)
	if err != nil {
		return nil, r.unavailable(err)
	}
	topic, err := room.topic.current(ctx)
	var at timeline.Position
	if err == nil {
		at, err = room.timeline.Resume(ctx, p.After)
	}
	if err != nil {
		m.rooms.release(room)
		return nil, r.unavailable(err)
	}
	joined := shared.RoomJoinedPayload{Room: room.name, Cursor: at.Cursor, State: at.State, Truncated: at.Truncated, Topic: topic}
	if joined.State == shared.StateReset {
		r.logger().Info("a cursor is from another log: the client starts over", "asked", p.Name, "cursor", *p.After)
	}
	here, count, members := room.enter(r.Client, at)
	joined.Count, joined.Members = count, members
	r.rooms = append(r.rooms, here)
	r.out.Subscribe(&here.sub, subscriptionOf(leaving), wsframe.NewText(shared.RoomJoined.Frame(r.id, joined)))
	return here, nil
}

// rejoined answers a join of a room that the client is in already, with the cursor that
// it has reached there, or the error of looking that up. It is called when the answer is
// written.
func (r request) rejoined(joined shared.RoomJoinedPayload, at shared.Cursor, err error) []byte {
	if err != nil {
		return wsframe.NewText(shared.Failed.Frame(r.id, *r.unavailable(err)))
	}
	joined.Cursor = at
	return wsframe.NewText(shared.RoomJoined.Frame(r.id, joined))
}

// subscriptionOf returns the member's subscription, nil for no member.
func subscriptionOf(m *member) *delivery.Subscription {
	if m == nil {
		return nil
	}
	return &m.sub
}

// exitRoom removes the client from a room. Its subscription must have been ended before,
// by Unsubscribe or by the Subscribe that replaced it.
func (c *Client) exitRoom(m *member) {
	c.rooms = slices.DeleteFunc(c.rooms, func(other *member) bool { return other == m })
	if c.current == m {
		c.setCurrent(nil)
	}
	c.manager.rooms.leave(m, false)
}

func (m *Manager) leaveRoom(_ context.Context, r request, p shared.LeavePayload) error {
	here := r.find(p.Name)
	if here == nil {
		return notMember(p.Name)
	}
	r.out.Unsubscribe(&here.sub, wsframe.NewText(shared.Left.Frame(r.id, p)))
	r.exitRoom(here)
	return nil
}

// listRooms answers with the recently active rooms that the session may read.
func (m *Manager) listRooms(ctx context.Context, r request, p shared.ListRoomsPayload) error {
	session := r.session.Load()
	rooms, err := m.recentRooms.List(ctx, func(room string) bool {
		return strings.Contains(room, p.Filter) && session.May(auth.Read, room)
	})
	if err != nil {
		return r.unavailable(err)
	}
	marks, err := m.readMarks.Get(ctx, r.user)
	if err != nil {
		return r.unavailable(err)
	}
	err = m.recentRooms.CountUnread(ctx, rooms, marks)
	if err != nil {
		return r.unavailable(err)
	}
	r.answer(shared.Rooms.Frame(r.id, shared.RoomsPayload{Rooms: rooms}))
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
// Others are dropped.
const typingInterval = 2 * time.Second

// typing tells the room that the user is writing.
func (m *Manager) typing(_ context.Context, r request, p shared.RoomPayload) error {
	here := r.find(p.Room)
	if here == nil {
		return notMember(p.Room)
	}
	now := time.Now()
	if now.Sub(here.lastTyping) < typingInterval {
		return nil
	}
	here.lastTyping = now
	who := shared.TypingPayload{Room: here.room.name, User: r.user, Name: r.displayName()}
	here.room.broadcast(shared.Typing.Frame("", who), r.Client)
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

func notMember(room string) *shared.Error {
	if room == "" {
		return shared.Errorf(shared.CodeNotMember, "there is no current room: join one with change_room first")
	}
	return shared.Errorf(shared.CodeNotMember, "you are not in the room %s: join it with join_room or change_room first", room)
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
