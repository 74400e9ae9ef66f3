package chat

import (
	"context"
	"slices"
	"sync"
	"time"

	"websockets/server/eventlog"
	"websockets/shared"
)

// room is a room that has members on this server: a ring over its log, and the
// members to wake when the ring has grown. It holds nothing for a member; each
// has its own place in the log.
type room struct {
	manager *Manager
	name    string
	log     eventlog.Log

	refs  int                   // guarded by Manager.mu: clients in it or coming in
	ready chan struct{}         // closed when it has been opened
	err   error                 // set before ready is closed: why it could not be opened
	sub   eventlog.Subscription // set before ready is closed
	gone  chan struct{}         // closed when it has been closed

	mu       sync.RWMutex
	epoch    string // of the log that the room's sequences count in
	ring     ring
	verified shared.Cursor // the last one that the log was asked about and knows
	tooFar   uint64        // a cursor from which a page does not reach the ring
	flight   chan struct{} // closed when the client has the answer that asks the log where to begin
	members  []*member
	presence presence
	closed   bool // nobody is in it any more
	begun    bool // somebody was let write its first message
}

// member is a client's place in a room.
type member struct {
	room   *room
	client *Client
	index  int // in room.members; guarded by room.mu

	// Owned by the client's writer from the moment it has written room_joined.
	seq     uint64 // everything up to here has been written
	target  uint64 // at or beyond it the client has what it missed
	syncing bool   // synced is still to be written
	told    bool   // room_joined has told what is gone beyond seq

	// Owned by the client's reader.
	lastTyping int64     // tick of the last typing passed on
	refuses    time.Time // until then the client may not write to the room, which is new
}

// epochNow returns the epoch.
func (r *room) epochNow() string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.epoch
}

// Start implements eventlog.Subscriber: the ring begins after the head.
func (r *room) Start(epoch string, head eventlog.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epoch = epoch
	r.ring.restart(head.Seq)
	r.ring.origin = head.Body == nil
	if head.Body != nil {
		r.verified = shared.Cursor{Epoch: r.epoch, Seq: head.Seq, ID: messageID(head.Body)}
	}
}

// Append implements eventlog.Subscriber.
func (r *room) Append(record eventlog.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if isMessage(record.Body) {
		r.ring.add(record.Seq, record.Body)
	}
}

// Skip implements eventlog.Subscriber: the ring begins again after seq, and members
// that are further back read the log.
func (r *room) Skip(seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ring.restart(seq)
}

// Flush implements eventlog.Subscriber: it wakes the members once for what has come.
func (r *room) Flush() { r.wake() }

// Signal implements eventlog.Subscriber.
func (r *room) Signal(data []byte) { r.manager.signalled(r.name, data) }

// wake hands every member to the writers.
func (r *room) wake() {
	var first, last *Client
	n := 0
	r.mu.RLock()
	for _, m := range r.members {
		if c := m.client; c.rouse() {
			if last == nil {
				first = c
			} else {
				last.next = c
			}
			last = c
			n++
		}
	}
	r.mu.RUnlock()
	if n > 0 {
		first.manager.writers.add(first, last, n)
	}
}

// head returns the newest sequence that members can have been shown.
func (r *room) head() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.ring.head
}

// isNew reports that the room has no message.
func (r *room) isNew() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.ring.head == 0 || r.ring.origin && r.ring.head == r.ring.base
}

// mayBegin reports that the room has a message or may get its first one. allow is
// asked for the first only: those that come while it is on its way are not further
// rooms.
func (r *room) mayBegin(allow func() bool) bool {
	if !r.isNew() {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun = r.begun || allow()
	return r.begun
}

// Reset implements eventlog.Subscriber: what the ring and the members know of the
// log is void. The members' connections are closed; when they come back with their
// cursors, they are told to start over.
func (r *room) Reset(epoch string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ring.restart(0)
	r.tooFar = 0
	r.epoch = epoch
	for _, m := range r.members {
		m.client.shutDown("the message log was replaced", 0)
	}
}

// cursorAt returns the cursor of a sequence that the client has reached. It has
// no id if the room has no message at seq: at its beginning.
func (r *room) cursorAt(ctx context.Context, seq uint64) (shared.Cursor, error) {
	r.mu.RLock()
	cursor, ok := r.cursorHere(seq)
	r.mu.RUnlock()
	if ok {
		return cursor, nil
	}
	place, err := r.log.Locate(ctx, r.name, seq)
	if err == nil && place.State == eventlog.Present {
		cursor.ID = messageID(place.Record.Body)
	}
	return cursor, err
}

// cursorHere is cursorAt as far as the log need not be asked. r.mu is held.
func (r *room) cursorHere(seq uint64) (cursor shared.Cursor, ok bool) {
	cursor = shared.Cursor{Epoch: r.epoch, Seq: seq}
	if seq == 0 || r.ring.origin && seq <= r.ring.base {
		return cursor, true
	}
	if r.verified.Seq == seq && r.verified.Epoch == r.epoch {
		return r.verified, true
	}
	frame := r.ring.frame(seq)
	if frame != nil {
		cursor.ID = messageID(frame)
	}
	return cursor, frame != nil
}

// enter adds a member who starts at cursor and has caught up at the present
// head. It returns how many users are in the room and the first of them.
func (r *room) enter(c *Client, seq uint64) (m *member, count int, listed []shared.Member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m = &member{room: r, client: c, index: len(r.members), seq: seq, target: r.ring.head, syncing: true}
	r.members = append(r.members, m)
	r.presence.enter(c.user, c.displayName())
	return m, r.presence.count(), r.presence.list()
}

// leave removes a member; now is as for presence.leave.
func (r *room) leave(m *member, now int64) {
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
	r.presence.leave(m.client.user, now)
}

// offer hands a frame that may be lost to every member but one.
func (r *room) offer(frame []byte, except *Client) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, m := range r.members {
		if m.client != except {
			m.client.offer(frame)
		}
	}
}
