package client

import (
	"slices"
	"time"

	"websockets/shared"
)

const (
	// maxOutbox is how many messages of ours are kept, and maxOutboxBytes how many
	// bytes: a browser gives all the tabs of a site about 5 MB.
	maxOutbox      = 1000
	maxOutboxBytes = 2 << 20
	// messageOverhead is about what a message takes beside its text.
	messageOverhead = 400
	// maxInFlight is how many are on the wire without an ack. The server may want
	// fewer.
	maxInFlight = 32
	// defaultRetryAfter is how long sending pauses when the server refused a message for
	// now without saying for how long.
	defaultRetryAfter = time.Second
)

// outbox holds our messages in the order written, until they stand in their
// room's timeline or the user gives them up. Guarded by Client.mu.
type outbox struct {
	messages []*outgoing
	byID     map[string]*outgoing
	bytes    int    // of all messages
	order    uint64 // of the message written last
	// pausedUntil: nothing is sent before. draining: nor before all that is on the
	// wire is answered, so that what was refused goes first again.
	pausedUntil time.Time
	draining    bool
}

// outgoing is a message of ours on its way.
type outgoing struct {
	id, room, message string

	written time.Time
	order   uint64 // grows in the order written
	state   OutgoingState
	reason  string

	store     Store // nil without one, and when it is struck
	persisted bool  // the store has had it, or there is none

	// sentAt is when it went on the wire of this connection, else zero.
	sentAt time.Time
	// user is who we were when it was written, empty if that was not known yet: it
	// is sent as nobody else. after is where in the room we were when it was first
	// sent, nil if it never was: from there on the log tells whether it arrived.
	user  string
	after *shared.Cursor
	// needsScan: a client before this one sent it, so what lies beyond after has not
	// been looked through.
	needsScan bool
	// uncertain: a part of the log that may hold it is out of our sight.
	uncertain bool
	// echoed: it came back as a new_message, ack says where it is in the log, and
	// also after an ack.
	echoed bool
	ack    shared.AckPayload
}

// isPending reports whether it still has to be sent or acked.
func (m *outgoing) isPending() bool { return m.state == Pending && !m.echoed }

// bytes is about what the message takes in a store.
func (m *outgoing) bytes() int { return len(m.message) + messageOverhead }

// full reports whether there is no room for m.
func (o *outbox) full(m *outgoing) bool {
	return len(o.messages) >= maxOutbox || o.bytes+m.bytes() > maxOutboxBytes
}

// add puts a message behind all others.
func (o *outbox) add(m *outgoing) {
	m.order = o.order + 1
	o.messages = append(o.messages, m)
	o.note(m)
}

// note counts a message in.
func (o *outbox) note(m *outgoing) {
	if o.byID == nil {
		o.byID = map[string]*outgoing{}
	}
	o.byID[m.id] = m
	o.bytes += m.bytes()
	o.order = max(o.order, m.order)
}

// remove takes a message out, here and not in the store.
func (o *outbox) remove(m *outgoing) {
	delete(o.byID, m.id)
	o.bytes -= m.bytes()
	o.messages = slices.DeleteFunc(o.messages, func(n *outgoing) bool { return n == m })
}

// done takes a message out for good: it is in the log, or given up.
func (o *outbox) done(m *outgoing) {
	m.deleteStored()
	o.remove(m)
}

// undecided returns a message that the user must decide on, or nil.
func (o *outbox) undecided(id string) *outgoing {
	if m := o.byID[id]; m != nil && m.state != Pending && m.state != Sent {
		return m
	}
	return nil
}

// needs reports whether messages for this room wait for us to be in it. Those on
// the wire do not: the server has read them before it reads that we leave.
func (o *outbox) needs(room string) bool {
	return slices.ContainsFunc(o.messages, func(m *outgoing) bool {
		return m.room == room && m.state == Pending && m.sentAt.IsZero()
	})
}

func (o *outbox) inFlightCount() (n int) {
	for _, m := range o.messages {
		if !m.sentAt.IsZero() {
			n++
		}
	}
	return n
}

func (o *outbox) oldestInFlight() (oldest time.Time) {
	for _, m := range o.messages {
		if !m.sentAt.IsZero() && (oldest.IsZero() || m.sentAt.Before(oldest)) {
			oldest = m.sentAt
		}
	}
	return oldest
}

// disconnected takes what was on the wire back. Whether it arrived shows when its
// room is synced again. If the server closed because of a message, that was the
// oldest one without an answer: it is not sent again by itself.
func (o *outbox) disconnected(cause error) {
	if causedByMessage(cause) {
		oldest := o.oldestInFlight()
		i := slices.IndexFunc(o.messages, func(m *outgoing) bool { return !m.sentAt.IsZero() && m.sentAt.Equal(oldest) })
		if i >= 0 {
			o.messages[i].setState(Failed, cause.Error())
		}
	}
	for _, m := range o.messages {
		m.sentAt = time.Time{}
	}
	o.pausedUntil, o.draining = time.Time{}, false
}

// flush sends what may be sent: in the order written, except that a room we are
// not in (yet) holds up its own messages only. Call it with mu held.
func (c *Client) flush(now time.Time) {
	o := &c.outbox
	free := c.inFlightLimit() - o.inFlightCount()
	if !c.conn.Ready() || now.Before(o.pausedUntil) || o.draining && o.inFlightCount() > 0 {
		return
	}
	if !o.pausedUntil.IsZero() {
		c.callbacks.notifyChange()
	}
	o.draining, o.pausedUntil = false, time.Time{}
	needScan := o.roomsNeedingScan()
	for _, m := range o.messages {
		if free <= 0 || !c.conn.CanSend() {
			return // the writer pokes us when there is room again
		}
		r := c.findRoom(m.room)
		if !m.isPending() || !m.sentAt.IsZero() || r == nil || r.phase != synced || needScan[m.room] {
			continue
		}
		if m.user != "" && m.user != c.me.User {
			m.setState(Uncertain, "it was written when the server knew you as another user")
			continue
		}
		if !c.firstSend(m, r) {
			continue
		}
		c.sendEvent(shared.SendMessage.Frame(m.id, shared.SendMessagePayload{Room: m.room, Message: m.message}))
		m.sentAt = now
		free--
	}
}

// firstSend notes where in the log the room is before a message goes on the wire
// for the first time, and keeps that: a client that comes after this one has to
// know from where to look for it. It reports whether the message may be sent.
func (c *Client) firstSend(m *outgoing, r *room) bool {
	if m.after != nil {
		return true
	}
	after := *r.cursor
	m.user, m.after = c.me.User, &after
	if err := m.save(); err != nil {
		// What is kept says that it was never sent, and it would be sent again.
		m.after = nil
		m.state, m.reason = Failed, "it could not be kept safe: "+err.Error()
		return false
	}
	m.persisted = true
	return true
}

func (c *Client) inFlightLimit() int {
	if n := c.limits.InFlight; n > 0 {
		return min(n, maxInFlight)
	}
	return maxInFlight
}

// onAck: the server has the message in its log, on disk.
func (c *Client) onAck(id string, place shared.AckPayload) {
	m := c.outbox.byID[id]
	if m == nil || m.sentAt.IsZero() {
		return
	}
	m.sentAt, m.state, m.ack = time.Time{}, Sent, place
	m.deleteStored()
	c.notifyAck(m)
	if r := c.findRoom(m.room); r == nil || r.cursor == nil || r.cursor.Seq >= place.Seq {
		c.outbox.done(m) // its row stands in the timeline
	}
}

// onSendRefused: the server answered a message with an error.
func (c *Client) onSendRefused(id string, e shared.Error, now time.Time) bool {
	m := c.outbox.byID[id]
	if m == nil || m.sentAt.IsZero() {
		return false
	}
	m.sentAt = time.Time{}
	if m.echoed { // the log has it all the same, from an earlier connection
		c.outbox.done(m)
		c.notifyAck(m)
		return true
	}
	pause := time.Duration(e.RetryAfter * float64(time.Second))
	switch {
	case pause > 0:
	case e.Code == shared.CodeNotMember:
		// We thought we were: join again, and do not spin if that does not help.
		if r := c.findRoom(m.room); r != nil && (r.phase == synced || r.phase == joined) {
			r.phase = out
		}
		pause = defaultRetryAfter
	case e.Code == shared.CodeRateLimited, e.Code == shared.CodeUnavailable:
		pause = defaultRetryAfter
	default:
		m.setState(Rejected, e.Message)
		return true
	}
	// It stays where it is, before all that was written later.
	c.outbox.draining = true
	if until := now.Add(pause); until.After(c.outbox.pausedUntil) {
		c.outbox.pausedUntil = until
	}
	return true
}

// notifyAck tells OnAck.
func (c *Client) notifyAck(m *outgoing) {
	if id, place := m.id, m.ack; c.config.OnAck != nil {
		c.callbacks.enqueue(func() { c.config.OnAck(id, place) })
	}
}
