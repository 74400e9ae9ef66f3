package chat

import (
	"context"
	"slices"
	"sync"
	"time"

	"websockets/server/delivery"
	"websockets/server/eventlog"
	"websockets/server/presence"
	"websockets/server/timeline"
	"websockets/shared"
)

// room is a room that is in use on this server: its timeline, and the members that get
// what is added to it. It queues nothing for a member: each has its own place in the log.
type room struct {
	rooms *openRooms
	name  string
	log   eventlog.Log
	topic topicCache

	refs     int                // acquired and not released; guarded by openRooms.mu
	ready    chan struct{}      // closed when opening it has ended
	openErr  error              // set before ready is closed: why it could not be opened
	timeline *timeline.Timeline // set before ready is closed
	source   delivery.Source    // the timeline for subscriptions; set with it
	closed   chan struct{}      // closed when it has been closed

	mu       sync.RWMutex // guards what follows
	members  []*member
	presence presence.Set
	// firstAllowed is set when a client was allowed to write the room's first message.
	firstAllowed bool
}

// member is a client in a room.
type member struct {
	room   *room
	client *Client
	index  int // in room.members; guarded by room.mu
	sub    delivery.Subscription

	// Owned by the client's reader.
	lastTyping  time.Time // when typing was last passed on
	rejectUntil time.Time // until then the client may not write to the room; see checkNewRoom
}

// open opens the room's timeline.
func (r *room) open(ctx context.Context) (err error) {
	r.timeline, err = timeline.Open(ctx, timeline.Options{
		Room: r.name, Log: r.log, Memory: &r.rooms.memory,
		Appended: r.topic.note, Skipped: r.topic.invalidate, Grown: r.schedule, Reset: r.reset,
		Signal: r.onPeerMessage,
	})
	r.source = delivery.Source{Room: r.name, Timeline: r.timeline, Truncated: r.truncated}
	return err
}

// truncated returns the room_joined event for a member that has missed records: after
// its place, records have expired or may have.
func (r *room) truncated(at shared.Cursor, gone shared.Truncated) []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return shared.RoomJoined.Frame("", shared.RoomJoinedPayload{
		Room: r.name, Cursor: at, State: shared.StateTruncated,
		Truncated: &gone, Count: r.presence.Count(), Members: r.presence.List(),
	})
}

// reset closes the members' connections, because the log has a new epoch. When the
// clients come back with their cursors, they are told to start over.
func (r *room) reset() {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, m := range r.members {
		m.client.disconnect("the message log was replaced", 0)
	}
}

// schedule queues every member's connection for writing what is new.
func (r *room) schedule() {
	var ready delivery.ReadyList
	r.mu.RLock()
	for _, m := range r.members {
		ready.Add(&m.sub)
	}
	r.mu.RUnlock()
	r.rooms.pool.Schedule(&ready)
}

// acceptsMessages reports whether the room has messages, or may get its first one.
// allowFirst decides about that. When it has allowed it, it is not asked again: messages
// that come while the first is being stored do not start another room.
func (r *room) acceptsMessages(allowFirst func() bool) bool {
	if !r.timeline.IsEmpty() {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.firstAllowed = r.firstAllowed || allowFirst()
	return r.firstAllowed
}

// enter adds a client at its place in the log. It returns how many users are in the
// room, and at most shared.MaxListedMembers of them.
func (r *room) enter(c *Client, at timeline.Position) (m *member, count int, listed []shared.Member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m = &member{room: r, client: c, index: len(r.members)}
	m.sub = c.out.NewSubscription(&r.source, at.Cursor.Seq, at.Truncated)
	r.members = append(r.members, m) // under the same lock as schedule: nothing after the place is missed
	r.presence.Join(c.user, c.displayName())
	return m, r.presence.Count(), r.presence.List()
}

// leave removes a member. lost means that its connection has ended, and that the user
// may come back.
func (r *room) leave(m *member, lost bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.members) - 1
	r.members[m.index] = r.members[last]
	r.members[m.index].index = m.index
	r.members[last] = nil
	r.members = r.members[:last]
	if cap(r.members) > 64 && last < cap(r.members)/4 {
		r.members = slices.Clip(slices.Clone(r.members))
	}
	if lost {
		r.presence.Lose(m.client.user, time.Now())
		return
	}
	r.presence.Leave(m.client.user)
}

// offer queues a frame, which may be lost, for every member here but one.
func (r *room) offer(frame []byte, except *Client) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, m := range r.members {
		if m.client != except {
			m.client.out.Offer(frame)
		}
	}
}
