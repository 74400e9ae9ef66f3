package chat

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"websockets/server/presence"
	"websockets/server/roomlog"
	"websockets/shared"
)

// room is a room that has members on this server: a ring over its log, and the
// members to wake when the ring has grown. It holds nothing for a member; each
// has its own place in the log.
type room struct {
	name string
	log  *roomlog.Log

	refs     int           // guarded by Manager.mu: clients in it or coming in
	ready    chan struct{} // closed when open has ended
	err      error         // set before ready is closed: why it could not be opened
	unfollow func()

	opened int64         // set before ready is closed: tick at which the log was asked for its head
	acked  atomic.Uint64 // the highest sequence an append from here was acked with since the last look

	mu       sync.RWMutex
	epoch    string // of the log that the room's sequences count in
	ring     ring
	verified shared.Cursor // the last one that the log was asked about and knows
	tooFar   uint64        // a cursor from which a page does not reach the ring
	flight   chan struct{} // closed when the client has the answer that asks the log where to begin
	members  []*member
	presence presence.Set
	owed     uint64 // what the log has that the feed was about to bring at the last look
	looked   uint64 // the ring's head at the last look
	compared uint64 // nothing up to here in the shard's log is missing from the ring
	closed   bool   // nobody is in it any more
	begun    bool   // somebody was let write its first message
	touched  bool   // owned by the shard's follower: grown in this batch
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
	lastTyping  time.Time // when typing was last passed on
	rejectUntil time.Time // until then the client may not write to the room, which is new
}

// epochNow returns the epoch.
func (r *room) epochNow() string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.epoch
}

// open makes the room part of the feed. Entries may be delivered before it ends.
func (r *room) open(ctx context.Context) error {
	head, unfollow, err := r.log.Follow(ctx, r.name)
	if err != nil {
		return err
	}
	r.unfollow = unfollow
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ring.head == 0 || r.ring.head < head.Seq {
		r.ring.restart(head.Seq)
		r.ring.origin = head.Body == nil
	}
	if head.Body != nil {
		r.verified = shared.Cursor{Epoch: r.epoch, Seq: head.Seq, ID: messageID(head.Body)}
	}
	return nil
}

// add takes one entry of the feed. Only the shard's follower calls it.
func (r *room) add(e roomlog.Entry) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !isMessage(e.Body) {
		return false
	}
	return r.ring.add(e.Seq, e.Prev, e.Body)
}

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
	told := r.acked.Load() != 0 || r.owed != 0 // of messages that the feed is about to bring
	return !told && (r.ring.head == 0 || r.ring.origin && r.ring.head == r.ring.base)
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

// noteAcked remembers that the log has seq, which the feed is about to bring.
func (r *room) noteAcked(seq uint64) {
	for {
		known := r.acked.Load()
		if seq <= known || r.acked.CompareAndSwap(known, seq) {
			return
		}
	}
}

// overdue reports that the feed has not brought, since the last look, what the log
// was known to have then.
func (r *room) overdue() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	overdue := r.owed > r.ring.head
	r.owed = max(r.owed, r.acked.Swap(0))
	return overdue
}

// quiet reports that the ring has not grown since the last look, and up to where
// in the shard's log nothing is missing from it.
func (r *room) quiet() (whole uint64, quiet bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	quiet = r.looked == r.ring.head
	r.looked = r.ring.head
	return max(r.ring.head, r.compared), quiet
}

// owes remembers that the log has seq: if the feed has not brought it by the next
// look, it is overdue.
func (r *room) owes(seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owed = max(r.owed, seq)
}

// wholeTo remembers that what the ring lacks up to seq, if anything, is owed.
func (r *room) wholeTo(seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.compared = max(r.compared, seq)
}

// skipTo makes sure that the members get everything up to seq, which the log
// has: if the ring does not reach as far, they read it from the log.
func (r *room) skipTo(seq uint64) {
	r.mu.Lock()
	r.owed = 0
	missing := seq > r.ring.head
	if missing {
		r.ring.restart(seq)
	}
	r.mu.Unlock()
	if missing {
		r.wake()
	}
}

// startOver takes the log's new epoch, empties the ring and closes the members' connections.
func (r *room) startOver() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ring.restart(0)
	r.acked.Store(0)
	r.owed, r.compared, r.tooFar = 0, 0, 0
	r.epoch = r.log.Epoch(r.name)
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
	e, err := r.log.At(ctx, r.name, seq)
	if e.Seq != 0 {
		cursor.ID = messageID(e.Body)
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
	r.presence.Join(c.user, c.displayName())
	return m, r.presence.Count(), r.presence.List()
}

// leave removes a member; lost says that its connection has broken, and that the
// user may come back.
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
