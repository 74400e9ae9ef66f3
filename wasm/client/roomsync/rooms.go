package roomsync

import (
	"errors"
	"slices"
	"time"

	"websockets/shared"
	"websockets/wasm/client/outbox"
)

const (
	// MaxLeftRooms is how many rooms are remembered after they were left, so that a
	// return shows them at once and loads only what was missed.
	MaxLeftRooms = 16
	// rejoinAfter is when a join that got no answer is requested again.
	rejoinAfter = 10 * time.Second
)

// ErrNoRoom names the package client, whose users see it.
var ErrNoRoom = errors.New("client: not in a room")

// Rooms keeps the rooms that the client is in, and some that it has left, in line
// with the server.
//
// It is not safe for concurrent use, and no method blocks.
type Rooms struct {
	outbox *outbox.Outbox
	send   func(frame []byte) bool // reports false if the connection does not take it

	me      string  // the user that the server knows us as
	rooms   []*Room // those we are in and some that we have left
	current string  // the current room's name, empty without one
	list    roomList

	// On the current connection:
	serverCurrent string         // the room that we last asked the server to make the current one
	dialCursor    *shared.Cursor // where the connection's address resumes serverCurrent
	requests      requests
}

// New returns Rooms with one room, which the user wants to be in. It asks box which
// rooms its messages need. send passes a frame to the connection and reports whether
// that took it.
func New(room string, box *outbox.Outbox, send func(frame []byte) bool) *Rooms {
	rs := &Rooms{outbox: box, send: send, current: room}
	rs.GetOrCreate(room).desired = true
	return rs
}

// Current returns the current room's name, empty if there is none.
func (rs *Rooms) Current() string { return rs.current }

// Len returns how many rooms are known.
func (rs *Rooms) Len() int { return len(rs.rooms) }

// Find returns the room, or nil.
func (rs *Rooms) Find(name string) *Room {
	for _, r := range rs.rooms {
		if r.name == name {
			return r
		}
	}
	return nil
}

// GetOrCreate returns the room, and makes it if there is none.
func (rs *Rooms) GetOrCreate(name string) *Room {
	r := rs.Find(name)
	if r == nil {
		r = &Room{name: name, leftAt: time.Now()}
		rs.rooms = append(rs.rooms, r)
	}
	return r
}

// What the user wants. Reconcile requests it.

// Change makes a room the current one, in place of the one that is.
func (rs *Rooms) Change(name string) {
	if name != rs.current {
		rs.setUndesired(rs.current)
		rs.current = name
	}
	rs.setDesired(name)
}

// Join adds a room beside the current one. It becomes the current one if there is
// none.
func (rs *Rooms) Join(name string) {
	if rs.current == "" {
		rs.current = name
	}
	rs.setDesired(name)
}

// Leave leaves a room.
func (rs *Rooms) Leave(name string) {
	if rs.current == name {
		rs.current = ""
	}
	rs.setUndesired(name)
}

func (rs *Rooms) setDesired(name string) {
	r := rs.GetOrCreate(name)
	r.desired = true
	r.ClearRefusal()
}

func (rs *Rooms) setUndesired(name string) {
	r := rs.Find(name)
	if r == nil {
		return
	}
	r.desired, r.leftAt = false, time.Now()
	r.timeline.window, r.timeline.wasReset = nil, false
	if r.phase == Out {
		rs.onLeft(r)
	}
}

// Typing tells the room that the user is typing, at most once per TypingInterval. It
// does nothing unless the room is synced.
func (rs *Rooms) Typing(name string, now time.Time) {
	r := rs.Find(name)
	if r == nil || r.phase != Synced || now.Before(r.typedAt.Add(TypingInterval)) {
		return
	}
	if rs.send(shared.StartTyping.Frame("", shared.RoomPayload{Room: r.name})) {
		r.typedAt = now
	}
}

// The life of a connection.

// Address returns what the next connection's address requests: the current room,
// empty if there is none, and where to resume it, nil if the server may choose.
func (rs *Rooms) Address() (room string, after *shared.Cursor) {
	rs.serverCurrent, rs.dialCursor = rs.current, nil
	r := rs.Find(rs.current)
	if r == nil {
		return "", nil
	}
	rs.dialCursor = rs.outbox.ResumeCursor(r.name, r.timeline.cursor)
	return r.name, rs.dialCursor
}

// Connected begins a connection that was dialled with Address.
func (rs *Rooms) Connected(now time.Time) {
	rs.requests = requests{}
	r := rs.Find(rs.serverCurrent)
	if r != nil {
		r.phase, r.requestedAt = Joining, now
	}
}

// Welcomed tells who the user is on this connection.
func (rs *Rooms) Welcomed(user string) { rs.me = user }

// Disconnected takes back everything that was true of the connection only.
func (rs *Rooms) Disconnected() {
	rs.requests = nil
	for _, r := range rs.rooms {
		r.phase, r.typing = Out, nil
		r.ClearRefusal()
	}
}

// Reconcile brings the server's idea of where we are in line with ours: it joins the
// rooms that are desired or that messages wait for, leaves the others, and reports
// what was read. After a reconnect, and after whatever went wrong, this is what
// repairs it. It passes to wakeAt when something is due next.
//
// The server must have welcomed us on this connection.
func (rs *Rooms) Reconcile(now time.Time, wakeAt func(time.Time)) {
	current := rs.Find(rs.current)
	if current != nil && rs.serverCurrent != current.name && current.mayRequest(now, wakeAt) {
		rs.requestChange(current, now)
	}
	needScan := rs.outbox.RoomsNeedingScan()
	for _, r := range rs.rooms {
		needed := r.desired || rs.outbox.NeedsRoom(r.name)
		switch r.phase {
		case Out:
			if needed && r.mayRequest(now, wakeAt) {
				rs.requestJoin(r, now)
			}
		case Joining:
			late := r.requestedAt.Add(rejoinAfter)
			if now.Before(late) {
				wakeAt(late)
			} else if !rs.requests.include(r) {
				rs.requestJoin(r, now) // the address requested it, and no answer came
			}
		case Joined, Synced:
			// In a room that we are in, the server does not go back: to read what lies
			// further back, we leave and return.
			if !needed || r.phase == Synced && needScan[r.name] {
				rs.requestLeave(r, now)
			}
		}
		rs.sendReadMark(r, now, wakeAt)
	}
}

// ExpireTyping forgets who has stopped typing. It reports whether anybody has, and
// passes to wakeAt when it is due next.
func (rs *Rooms) ExpireTyping(now time.Time, wakeAt func(time.Time)) (changed bool) {
	for _, r := range rs.rooms {
		if r.expireTyping(now, wakeAt) {
			changed = true
		}
	}
	return changed
}

func (rs *Rooms) requestChange(r *Room, now time.Time) {
	old := rs.Find(rs.serverCurrent)
	if old != nil {
		rs.flushReadMark(old, now)
	}
	id, after := shared.NewID(), rs.outbox.ResumeCursor(r.name, r.timeline.cursor)
	if !rs.send(shared.ChangeRoom.Frame(id, shared.JoinPayload{Name: r.name, After: after})) {
		return
	}
	request := &pendingRequest{room: r, sentAt: now, after: after}
	if old != nil {
		request.leaves, request.leavesPhase = old, old.phase
		old.phase = Leaving
	}
	rs.requests[id], rs.serverCurrent = request, r.name
	if r.phase == Out || r.phase == Leaving {
		r.phase, r.requestedAt = Joining, now
	}
}

func (rs *Rooms) requestJoin(r *Room, now time.Time) {
	id, after := shared.NewID(), rs.outbox.ResumeCursor(r.name, r.timeline.cursor)
	if rs.send(shared.JoinRoom.Frame(id, shared.JoinPayload{Name: r.name, After: after})) {
		rs.requests[id] = &pendingRequest{room: r, sentAt: now, after: after}
		r.phase, r.requestedAt = Joining, now
	}
}

func (rs *Rooms) requestLeave(r *Room, now time.Time) {
	rs.flushReadMark(r, now)
	id := shared.NewID()
	if !rs.send(shared.LeaveRoom.Frame(id, shared.LeavePayload{Name: r.name})) {
		return
	}
	rs.requests[id] = &pendingRequest{room: r, sentAt: now, isLeave: true}
	r.phase = Leaving
	if rs.serverCurrent == r.name {
		rs.serverCurrent = ""
	}
}

// backfill requests history for a room that was joined near its end, where a message
// of the outbox was to be looked for: it is to show as much as any other. If the
// connection ends before the answer, the next one requests it again.
func (rs *Rooms) backfill(r *Room) {
	missing := shared.JoinBacklog - len(r.timeline.messages)
	if !r.timeline.more || missing <= 0 {
		r.needsBackfill = false
		return
	}
	id, before := shared.NewID(), r.timeline.oldest()
	if rs.send(shared.LoadHistory.Frame(id, shared.LoadHistoryPayload{Room: r.name, Before: before, Limit: missing})) {
		rs.requests[id] = &pendingRequest{room: r, sentAt: time.Now(), historyBefore: before}
	}
}

// OldestRequest returns when the oldest request was sent that has no answer yet, or
// zero.
func (rs *Rooms) OldestRequest() time.Time { return rs.requests.oldest() }

// What the server says. id is that of the event, which names the request that it
// answers.

// Joined handles room_joined. If the server resumes the room, Joined returns what
// the outbox has to know: the payload, with the state reset if the log is another
// one, and where the join asked to resume. Otherwise resumed is nil.
func (rs *Rooms) Joined(id string, p shared.RoomJoinedPayload) (resumed *shared.RoomJoinedPayload, from *shared.Cursor) {
	r := rs.GetOrCreate(p.Room)
	from = rs.dialCursor
	request := rs.requests.take(id)
	if request != nil {
		from = request.after
		left := request.leaves
		if left != nil && left.phase == Leaving && !rs.requests.include(left) {
			rs.onLeft(left) // unless we have requested to come back meanwhile
		}
	}
	r.ClearRefusal()
	r.count, r.members = p.Count, p.Members
	r.joinTopic(p)
	was := r.phase
	isIn := was == Joined || was == Synced
	if isIn && (p.State == shared.StateCurrent || p.State == shared.StateRecovered || p.State == shared.StateNew) {
		return nil, nil // we are in it already: it became the current room
	}
	if cursor := r.timeline.cursor; cursor != nil && cursor.Epoch != p.Cursor.Epoch {
		p.State = shared.StateReset // sequences of two logs cannot be compared
	}
	r.join(p)
	// In a room that we are in, truncated says that a range is gone that was still to be
	// read. The room just continues behind it.
	continues := isIn && p.State == shared.StateTruncated
	if !continues && was != Leaving {
		r.phase = Joined
	}
	if continues && was == Synced {
		return nil, nil // what we sent is answered on this connection
	}
	return &p, from
}

// Synced handles synced: everything that was missed has arrived. It returns the
// room, or nil if that is of no interest any more.
func (rs *Rooms) Synced(p shared.SyncedPayload) *Room {
	r := rs.Find(p.Room)
	if r == nil || r.phase != Joined {
		return nil
	}
	r.phase = Synced
	r.timeline.advance(p.Cursor)
	if r.firstJoin {
		r.firstJoin, r.mark.estimated = false, true
		r.mark.setUnread(rs.list.unread(r.name), r.timeline.messages, r.timeline.cursor.Seq, rs.me)
	}
	if r.needsBackfill {
		rs.backfill(r)
	}
	return r
}

// Left handles left. It reports whether anything has changed.
func (rs *Rooms) Left(id string, p shared.LeavePayload) bool {
	rs.requests.take(id)
	r := rs.Find(p.Name)
	if r == nil || r.phase == Joining { // joining: we have requested to come back meanwhile
		return false
	}
	rs.onLeft(r)
	return true
}

// History handles history if it answers backfill, and reports whether that has
// changed the room. Other pages are for the calls that wait for them.
func (rs *Rooms) History(id string, p shared.HistoryPayload) bool {
	request := rs.requests.take(id)
	if request == nil {
		return false
	}
	// If the user has loaded older messages, or the log was reset, the page is of no use.
	r := request.room
	if !r.needsBackfill || request.historyBefore == 0 || r.timeline.oldest() < request.historyBefore {
		return false
	}
	r.timeline.prepend(p)
	r.needsBackfill = false
	return true
}

// RequestFailed handles an error if it answers a request of ours, and reports
// whether it does.
func (rs *Rooms) RequestFailed(id string, e shared.Error, now time.Time) bool {
	request := rs.requests.take(id)
	if request == nil {
		return false
	}
	r, left := request.room, request.leaves
	if left != nil && left.phase == Leaving {
		left.phase = request.leavesPhase // a refused change leaves nothing
	}
	switch {
	case request.historyBefore != 0: // the user can still load it
	case request.isLeave && r.phase == Leaving:
		rs.onLeft(r) // we were not in it
	case !request.isLeave && r.phase == Joining:
		if rs.serverCurrent == r.name {
			rs.serverCurrent = ""
			if left != nil {
				rs.serverCurrent = left.name
			}
		}
		rs.onJoinRefused(r, e, now)
	}
	return true
}

// AddressFailed handles an error that answers no event. If the room that the address
// requested has not been joined, it is about that.
func (rs *Rooms) AddressFailed(e shared.Error, now time.Time) {
	r := rs.Find(rs.serverCurrent)
	if r != nil && r.phase == Joining && !rs.requests.include(r) {
		rs.serverCurrent = ""
		rs.onJoinRefused(r, e, now)
	}
}

// NotMember handles the server's word that we are not in a room that we thought we
// were in: Reconcile joins it again.
func (rs *Rooms) NotMember(name string) {
	r := rs.Find(name)
	if r != nil && (r.phase == Synced || r.phase == Joined) {
		r.phase = Out
	}
}

// onJoinRefused: the server does not let us into a room, for now or at all.
func (rs *Rooms) onJoinRefused(r *Room, e shared.Error, now time.Time) {
	r.phase, r.refused = Out, &e
	if e.RetryAfter > 0 {
		r.retryAt = now.Add(time.Duration(e.RetryAfter * float64(time.Second)))
		return
	}
	rs.outbox.RejectRoom(r.name, e.Message)
}

// onLeft: nothing of the room arrives any more. Of the rooms that we have left, the
// latest are remembered.
func (rs *Rooms) onLeft(r *Room) {
	r.phase, r.typing = Out, nil
	var left []*Room
	for _, r := range rs.rooms {
		if r.phase == Out && !r.desired && !rs.outbox.NeedsRoom(r.name) {
			left = append(left, r)
		}
	}
	if len(left) <= MaxLeftRooms {
		return
	}
	oldest := slices.MinFunc(left, func(a, b *Room) int { return a.leftAt.Compare(b.leftAt) })
	rs.rooms = slices.DeleteFunc(rs.rooms, func(r *Room) bool { return r == oldest })
	rs.outbox.ForgetRoom(oldest.name)
}
