package roomsync

import (
	"slices"
	"time"

	"websockets/shared"
)

const (
	// TypingTimeout is how long somebody counts as typing after they typed.
	TypingTimeout = 5 * time.Second
	// TypingInterval is how often a room is told at most that we type, so that the rate
	// limit is left to messages.
	TypingInterval = 3 * time.Second
)

// Phase is how far a connection has got in joining a room.
type Phase string

const (
	Out     Phase = ""
	Joining Phase = "joining" // requested
	Joined  Phase = "joined"  // what was missed is arriving
	Synced  Phase = "synced"  // nothing is missing
	Leaving Phase = "leaving" // requested; messages still arrive, in order
)

// Room is what the client knows of one room, over all connections. Rooms makes and
// keeps it.
type Room struct {
	name string

	desired bool // the user wants to be in it
	leftAt  time.Time

	// On the current connection:
	phase       Phase
	requestedAt time.Time     // when joining began
	refused     *shared.Error // why the server does not let us in
	retryAt     time.Time     // when to request it again then; zero means not on this connection

	timeline timeline
	mark     readMark
	// firstJoin says that it was joined without a cursor and is not synced yet: how
	// much is unread shows then.
	firstJoin bool
	// needsBackfill says that it was joined so near its end that there is little to
	// show.
	needsBackfill bool

	topic   *shared.TopicPayload // the last change that is known; not changed in place
	count   int
	members []shared.Member   // not changed in place: views share them
	typing  map[string]typist // by user
	typedAt time.Time         // when the room was last told that we type
}

type typist struct {
	member shared.Member
	until  time.Time
}

// Name returns the room's name.
func (r *Room) Name() string { return r.name }

// Phase returns how far the current connection has got in joining the room.
func (r *Room) Phase() Phase { return r.phase }

// Cursor returns up to where the room has been read, nil before the first join.
func (r *Room) Cursor() *shared.Cursor { return r.timeline.cursor }

// ClearRefusal makes the room be requested again although the server refused it.
func (r *Room) ClearRefusal() { r.refused, r.retryAt = nil, time.Time{} }

// ResetTyping makes the room be told at once when the user types again: a message
// was sent, and the next one is another.
func (r *Room) ResetTyping() { r.typedAt = time.Time{} }

// mayRequest reports whether the room may be requested now.
func (r *Room) mayRequest(now time.Time, wakeAt func(time.Time)) bool {
	switch {
	case r.refused == nil:
		return true
	case r.retryAt.IsZero():
		return false
	case now.Before(r.retryAt):
		wakeAt(r.retryAt)
		return false
	}
	return true
}

// join continues where the server does.
func (r *Room) join(p shared.RoomJoinedPayload) {
	isFirst := r.timeline.cursor == nil
	begins := r.timeline.join(p)
	if !begins {
		return
	}
	if !isFirst {
		r.mark.reset()
	}
	r.firstJoin = true
	r.needsBackfill = isFirst && p.State != shared.StateNew && p.State != shared.StateReset
}

// Add handles a new_message and reports whether it is one that we did not have.
func (r *Room) Add(m shared.Message) bool {
	added := r.timeline.add(m)
	if added {
		delete(r.typing, m.User)
	}
	return added
}

// ChangeTopic handles a topic_changed. One that was missed may come after room_joined
// has named a later one.
func (r *Room) ChangeTopic(p shared.TopicPayload) {
	r.timeline.pass(p.Seq, p.ID)
	if r.topic == nil || p.Seq > r.topic.Seq {
		r.topic = &p
	}
}

// joinTopic takes the topic that room_joined names, unless a topic_changed that was
// faster has named a later one of the same log.
func (r *Room) joinTopic(p shared.RoomJoinedPayload) {
	sameLog := r.timeline.cursor != nil && r.timeline.cursor.Epoch == p.Cursor.Epoch
	if sameLog && r.topic != nil && (p.Topic == nil || p.Topic.Seq < r.topic.Seq) {
		return
	}
	r.topic = p.Topic
}

// UpdatePresence handles a presence event.
func (r *Room) UpdatePresence(p shared.PresencePayload) {
	gone := map[string]bool{} // from the list; those who joined are put at its end
	for _, user := range p.Left {
		gone[user] = true
		delete(r.typing, user)
	}
	for _, m := range p.Joined {
		gone[m.User] = true
	}
	members := slices.DeleteFunc(slices.Clone(r.members), func(m shared.Member) bool { return gone[m.User] })
	members = append(members, p.Joined...)
	r.count, r.members = p.Count, members[:min(len(members), shared.MaxListedMembers)]
}

// ShowTyping handles a typing event of another user.
func (r *Room) ShowTyping(m shared.Member, now time.Time) {
	if len(r.typing) >= shared.MaxListedMembers {
		return
	}
	if r.typing == nil {
		r.typing = map[string]typist{}
	}
	r.typing[m.User] = typist{m, now.Add(TypingTimeout)}
}

func (r *Room) expireTyping(now time.Time, wakeAt func(time.Time)) (changed bool) {
	for user, t := range r.typing {
		if now.Before(t.until) {
			wakeAt(t.until)
			continue
		}
		delete(r.typing, user)
		changed = true
	}
	return changed
}

// unread counts the messages of others after the read mark, up to
// shared.MaxUnread+1.
func (r *Room) unread(me string) int { return r.mark.unread(r.timeline.messages, me) }
