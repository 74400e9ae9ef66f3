package client

import (
	"slices"
	"time"

	"websockets/shared"
	"websockets/wasm/client/conn"
)

const (
	// maxLeftRooms is how many rooms are remembered after leaving them, so that a
	// return shows them at once and fetches only what was missed.
	maxLeftRooms = 16
	// rejoinAfter is when a join without an answer is asked for again.
	rejoinAfter = conn.AckTimeout
	// readMarkInterval and typingInterval are how often at most a room's read mark and typing
	// are sent, so that they leave the rate limit to messages.
	readMarkInterval = time.Second
	typingInterval   = 3 * time.Second
)

// pendingRequest is a join, a change or a leave on the wire.
type pendingRequest struct {
	room  *room
	at    time.Time
	leave bool
	// leaves is the room that a change leaves, was its phase before.
	leaves *room
	was    phase
	// after is where a join begins.
	after *shared.Cursor
	// before: it asks for the history before this sequence instead.
	before uint64
}

// ChangeRoom makes name the current room: it leaves the one that was and joins
// this one. It does not block; without a connection it is done as soon as there
// is one. Messages for the old room that are not acked yet are still sent. The
// error is an *shared.Error if name is not a room's.
func (c *Client) ChangeRoom(name string) error {
	if err := shared.ValidateRoom(name); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if name != c.current {
		if old := c.findRoom(c.current); old != nil {
			c.setUndesired(old)
		}
		c.current = name
	}
	c.setDesired(name)
	return nil
}

// JoinRoom joins a further room beside the current one; it becomes the current
// one if there is none. Otherwise like ChangeRoom.
func (c *Client) JoinRoom(name string) error {
	if err := shared.ValidateRoom(name); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == "" {
		c.current = name
	}
	c.setDesired(name)
	return nil
}

// LeaveRoom leaves a room, after its messages that wait have been sent.
// Otherwise like ChangeRoom.
func (c *Client) LeaveRoom(name string) error {
	if err := shared.ValidateRoom(name); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == name {
		c.current = ""
	}
	if r := c.findRoom(name); r != nil {
		c.setUndesired(r)
	}
	c.reconcileNow()
	return nil
}

func (c *Client) setDesired(name string) {
	r := c.getOrCreateRoom(name)
	r.desired = true
	r.refused, r.retryAt = nil, time.Time{}
	c.reconcileNow()
}

func (c *Client) setUndesired(r *room) {
	r.desired, r.leftAt = false, time.Now()
	r.window, r.wasReset = nil, false
	if r.phase == out {
		c.onLeft(r)
	}
}

// reconcileNow asks for what has just been wished; tick would only do it later.
func (c *Client) reconcileNow() {
	if c.conn.Ready() {
		c.reconcile(time.Now(), func(time.Time) {})
	}
	c.callbacks.notifyChange()
}

// reconcile brings the server's idea of where we are in line with ours: it joins
// the rooms that are wanted, or that messages wait for, and leaves the others,
// tells what was read, and sends what may be sent. After a reconnect, and after
// whatever went wrong, this is what repairs it. Call it with mu held, welcomed.
func (c *Client) reconcile(now time.Time, wakeAt func(time.Time)) {
	if r := c.findRoom(c.current); r != nil && c.serverCurrent != r.name && r.mayRequest(now, wakeAt) {
		c.requestChange(r, now)
	}
	needScan := c.outbox.RoomsNeedingScan()
	for _, r := range c.rooms {
		needed := r.desired || c.outbox.NeedsRoom(r.name)
		switch r.phase {
		case out:
			if needed && r.mayRequest(now, wakeAt) {
				c.requestJoin(r, now)
			}
		case joining:
			if late := r.requestedAt.Add(rejoinAfter); now.Before(late) {
				wakeAt(late)
			} else if !c.isRequesting(r) {
				c.requestJoin(r, now) // the address asked, and nothing was said
			}
		case joined, synced:
			// In a room we are in the server does not go back: we leave and return.
			if !needed || r.phase == synced && needScan[r.name] {
				c.requestLeave(r, now)
			}
		}
		if r.phase == synced && r.readSeq > r.reportedSeq {
			c.sendReadMark(r, now, wakeAt)
		}
	}
	c.flush(now)
	if c.outbox.PausedUntil().After(now) {
		wakeAt(c.outbox.PausedUntil())
	}
}

func (c *Client) requestChange(r *room, now time.Time) {
	if old := c.findRoom(c.serverCurrent); old != nil {
		c.flushReadMark(old, now)
	}
	id := shared.NewID()
	after := c.outbox.ResumeCursor(r.name, r.cursor)
	if !c.sendEvent(shared.ChangeRoom.Frame(id, shared.JoinPayload{Name: r.name, After: after})) {
		return
	}
	a := &pendingRequest{room: r, at: now, after: after}
	if old := c.findRoom(c.serverCurrent); old != nil {
		a.leaves, a.was = old, old.phase
		old.phase = leaving
	}
	c.requests[id], c.serverCurrent = a, r.name
	if r.phase == out || r.phase == leaving {
		r.phase, r.requestedAt = joining, now
	}
}

func (c *Client) requestJoin(r *room, now time.Time) {
	id, after := shared.NewID(), c.outbox.ResumeCursor(r.name, r.cursor)
	if c.sendEvent(shared.JoinRoom.Frame(id, shared.JoinPayload{Name: r.name, After: after})) {
		c.requests[id] = &pendingRequest{room: r, at: now, after: after}
		r.phase, r.requestedAt = joining, now
	}
}

func (c *Client) requestLeave(r *room, now time.Time) {
	c.flushReadMark(r, now)
	id := shared.NewID()
	if c.sendEvent(shared.LeaveRoom.Frame(id, shared.LeavePayload{Name: r.name})) {
		c.requests[id] = &pendingRequest{room: r, at: now, leave: true}
		r.phase = leaving
		if c.serverCurrent == r.name {
			c.serverCurrent = ""
		}
	}
}

// backfill asks for history when a room was joined near its end, where a message of
// the outbox was to be looked for: it shows as much as any other. If the
// connection ends before the answer, the next one asks again.
func (c *Client) backfill(r *room) {
	want := shared.JoinBacklog - len(r.messages)
	if !r.more || want <= 0 {
		r.needsBackfill = false
		return
	}
	id, before := shared.NewID(), r.oldest()
	if c.sendEvent(shared.LoadHistory.Frame(id, shared.LoadHistoryPayload{Room: r.name, Before: before, Limit: want})) {
		c.requests[id] = &pendingRequest{room: r, at: time.Now(), before: before}
	}
}

// takeRequest returns what the event being routed answers, and forgets it.
func (c *Client) takeRequest() *pendingRequest {
	a := c.requests[c.answering]
	delete(c.requests, c.answering)
	return a
}

func (c *Client) isRequesting(r *room) bool {
	for _, a := range c.requests {
		if a.room == r && a.before == 0 {
			return true
		}
	}
	return false
}

// requestFailed: the server answered a request with an error.
func (c *Client) requestFailed(a *pendingRequest, e shared.Error, now time.Time) {
	if a.leaves != nil && a.leaves.phase == leaving {
		a.leaves.phase = a.was // a refused change leaves nothing
	}
	switch {
	case a.before != 0: // the user can still ask for it
	case a.leave && a.room.phase == leaving:
		c.onLeft(a.room) // we were not in it
	case !a.leave && a.room.phase == joining:
		if c.serverCurrent == a.room.name {
			c.serverCurrent = ""
			if a.leaves != nil {
				c.serverCurrent = a.leaves.name
			}
		}
		c.onJoinRefused(a.room, e, now)
	}
}

// onJoinRefused: the server does not let us into a room, now or at all. Messages that
// were written for it have nowhere to go.
func (c *Client) onJoinRefused(r *room, e shared.Error, now time.Time) {
	r.phase, r.refused = out, &e
	if e.RetryAfter > 0 {
		r.retryAt = now.Add(time.Duration(e.RetryAfter * float64(time.Second)))
		return
	}
	c.outbox.RejectRoom(r.name, e.Message)
}

// onLeft: nothing of the room arrives any more. Of the rooms that we left the
// latest are remembered.
func (c *Client) onLeft(r *room) {
	r.phase, r.typing = out, nil
	var left []*room
	for _, r := range c.rooms {
		if r.phase == out && !r.desired && !c.outbox.NeedsRoom(r.name) {
			left = append(left, r)
		}
	}
	if len(left) <= maxLeftRooms {
		return
	}
	oldest := slices.MinFunc(left, func(a, b *room) int { return a.leftAt.Compare(b.leftAt) })
	c.rooms = slices.DeleteFunc(c.rooms, func(r *room) bool { return r == oldest })
	c.outbox.ForgetRoom(oldest.name)
}

// findRoom returns the room, or nil.
func (c *Client) findRoom(name string) *room {
	for _, r := range c.rooms {
		if r.name == name {
			return r
		}
	}
	return nil
}

// getOrCreateRoom returns the room, which it makes if need be.
func (c *Client) getOrCreateRoom(name string) *room {
	r := c.findRoom(name)
	if r == nil {
		r = &room{name: name, leftAt: time.Now()}
		c.rooms = append(c.rooms, r)
	}
	return r
}

// Typing tells the room that the user is writing, at most every 3 s; empty means
// the current room. Without a connection it does nothing.
func (c *Client) Typing(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if name == "" {
		name = c.current
	}
	r := c.findRoom(name)
	if now := time.Now(); r != nil && r.phase == synced && !now.Before(r.typedAt.Add(typingInterval)) {
		if c.sendEvent(shared.StartTyping.Frame("", shared.RoomPayload{Room: r.name})) {
			r.typedAt = now
		}
	}
}

func (c *Client) expireTyping(now time.Time, wakeAt func(time.Time)) {
	for _, r := range c.rooms {
		for user, t := range r.typing {
			if now.Before(t.until) {
				wakeAt(t.until)
				continue
			}
			delete(r.typing, user)
			c.callbacks.notifyChange()
		}
	}
}
