package chat

import (
	"context"
	"slices"

	"websockets/server/auth"
	"websockets/server/delivery"
	"websockets/server/timeline"
	"websockets/server/wsframe"
	"websockets/shared"
)

// maxRooms is how many rooms one connection may be in.
const maxRooms = 128

// joinFirstRoom joins the room that the URL names, or the default one.
func (c *Client) joinFirstRoom(h *handshake) {
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

// enterRoom adds the client to a room and queues room_joined. From that event on, the
// room's messages are written and those of leaving are not; leaving may be nil. If the
// client is in the room already, it keeps its place there.
func (m *Manager) enterRoom(ctx context.Context, r request, p shared.JoinPayload, leaving *member) (*member, error) {
	here := r.find(p.Name)
	if here != nil {
		return here, r.rejoin(ctx, here, leaving)
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
	here, joined.Count, joined.Members = room.enter(r.Client, at)
	r.rooms = append(r.rooms, here)
	r.out.Subscribe(&here.sub, subscriptionOf(leaving), wsframe.NewText(shared.RoomJoined.Frame(r.id, joined)))
	return here, nil
}

// rejoin answers a join of a room that the client is in already. The answer has the
// cursor that the client has reached there, so it is built when it is written.
func (r request) rejoin(ctx context.Context, here, leaving *member) error {
	room := here.room
	topic, err := room.topic.current(ctx)
	if err != nil {
		return r.unavailable(err)
	}
	room.mu.RLock()
	joined := shared.RoomJoinedPayload{
		Room: room.name, State: shared.StateCurrent, Count: room.presence.Count(), Members: room.presence.List(), Topic: topic,
	}
	room.mu.RUnlock()
	if leaving == here {
		leaving = nil
	}
	r.out.SendCursor(&here.sub, subscriptionOf(leaving), func(at shared.Cursor, err error) []byte {
		if err != nil {
			return wsframe.NewText(shared.Failed.Frame(r.id, *r.unavailable(err)))
		}
		joined.Cursor = at
		return wsframe.NewText(shared.RoomJoined.Frame(r.id, joined))
	})
	return nil
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

func notMember(room string) *shared.Error {
	if room == "" {
		return shared.Errorf(shared.CodeNotMember, "there is no current room: join one with change_room first")
	}
	return shared.Errorf(shared.CodeNotMember, "you are not in the room %s: join it with join_room or change_room first", room)
}
