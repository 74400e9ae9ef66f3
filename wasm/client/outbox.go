package client

import (
	"errors"
	"slices"
	"time"

	"websockets/shared"
)

const (
	// maxOutbox is how many messages of ours are kept.
	maxOutbox = 1000
	// maxInFlight is how many are on the wire without an ack. The server may want
	// fewer.
	maxInFlight = 32
	// defaultPause is how long sending pauses when the server refused a message for
	// now without saying for how long.
	defaultPause = time.Second
)

// outbox holds our messages in the order written, until they stand in their
// room's timeline or the user gives them up. Guarded by Client.mu.
type outbox struct {
	messages []*outgoing
	byID     map[string]*outgoing
	// pausedUntil: nothing is sent before. settling: nor before all that is on the
	// wire is answered, so that what was refused goes first again.
	pausedUntil time.Time
	settling    bool
}

// outgoing is a message of ours on its way.
type outgoing struct {
	id, room, message string

	written time.Time
	state   PendingState
	reason  string

	// asked is when it went on the wire of this connection, else zero.
	asked time.Time
	// user is who we were when it was first sent, empty if it never was, and after
	// where in the room: from there on the log tells whether it arrived.
	user  string
	after shared.Cursor
	// doubt: a part of the log that may hold it is out of our sight.
	doubt bool
	// seen: it came back as a new_message; place says where it is in the log, and
	// also after an ack.
	seen  bool
	place shared.AckPayload
}

// waits reports whether it still has to be sent or acked.
func (m *outgoing) waits() bool { return m.state == Waiting && !m.seen }

func (o *outbox) add(m *outgoing) bool {
	if len(o.messages) >= maxOutbox {
		return false
	}
	if o.byID == nil {
		o.byID = map[string]*outgoing{}
	}
	o.messages = append(o.messages, m)
	o.byID[m.id] = m
	return true
}

func (o *outbox) remove(m *outgoing) {
	delete(o.byID, m.id)
	o.messages = slices.DeleteFunc(o.messages, func(n *outgoing) bool { return n == m })
}

// undecided returns a message that the user must decide on, or nil.
func (o *outbox) undecided(id string) *outgoing {
	if m := o.byID[id]; m != nil && m.state != Waiting && m.state != Sent {
		return m
	}
	return nil
}

// needs reports whether messages for this room wait for us to be in it. Those on
// the wire do not: the server has read them before it reads that we leave.
func (o *outbox) needs(room string) bool {
	return slices.ContainsFunc(o.messages, func(m *outgoing) bool {
		return m.room == room && m.state == Waiting && m.asked.IsZero()
	})
}

func (o *outbox) onWire() (n int) {
	for _, m := range o.messages {
		if !m.asked.IsZero() {
			n++
		}
	}
	return n
}

func (o *outbox) oldestOnWire() (oldest time.Time) {
	for _, m := range o.messages {
		if !m.asked.IsZero() && (oldest.IsZero() || m.asked.Before(oldest)) {
			oldest = m.asked
		}
	}
	return oldest
}

// disconnected takes what was on the wire back. Whether it arrived shows when its
// room is synced again. If the server closed because of a message, that was the
// oldest one without an answer: it is not sent again by itself.
func (o *outbox) disconnected(cause error) {
	var closed *CloseError
	if errors.As(cause, &closed) {
		switch closed.Code {
		case shared.CloseUnsupportedData, shared.CloseInvalidText, shared.ClosePolicy, shared.CloseTooBig:
			oldest := o.oldestOnWire()
			i := slices.IndexFunc(o.messages, func(m *outgoing) bool { return !m.asked.IsZero() && m.asked.Equal(oldest) })
			if i >= 0 {
				o.messages[i].state, o.messages[i].reason = Failed, closed.Error()
			}
		}
	}
	for _, m := range o.messages {
		m.asked = time.Time{}
	}
	o.pausedUntil, o.settling = time.Time{}, false
}

// flush sends what may be sent: in the order written, except that a room we are
// not in (yet) holds up its own messages only. Call it with mu held.
func (c *Client) flush(now time.Time) {
	o := &c.outbox
	free := c.inFlight() - o.onWire()
	if !c.welcomed || now.Before(o.pausedUntil) || o.settling && o.onWire() > 0 {
		return
	}
	if !o.pausedUntil.IsZero() {
		c.change()
	}
	o.settling, o.pausedUntil = false, time.Time{}
	for _, m := range o.messages {
		if free <= 0 {
			return
		}
		r := c.findRoom(m.room)
		if !m.waits() || !m.asked.IsZero() || r == nil || r.phase != synced {
			continue
		}
		frame := shared.SendMessage.Frame(m.id, shared.SendMessagePayload{Room: m.room, Message: m.message})
		if !c.sendEvent(frame) {
			return // the writer pokes us when there is room again
		}
		m.asked = now
		if m.user == "" {
			m.user, m.after = c.me.User, *r.cursor
		}
		free--
	}
}

func (c *Client) inFlight() int {
	if n := c.limits.InFlight; n > 0 {
		return min(n, maxInFlight)
	}
	return maxInFlight
}

// acked: the server has the message in its log, on disk.
func (c *Client) acked(id string, place shared.AckPayload) {
	m := c.outbox.byID[id]
	if m == nil || m.asked.IsZero() {
		return
	}
	m.asked, m.state, m.place = time.Time{}, Sent, place
	c.sent(m)
	if r := c.findRoom(m.room); r == nil || r.cursor == nil || r.cursor.Seq >= place.Seq {
		c.outbox.remove(m) // its row stands in the timeline
	}
}

// refused: the server answered a message with an error.
func (c *Client) refused(id string, e shared.Error, now time.Time) bool {
	m := c.outbox.byID[id]
	if m == nil || m.asked.IsZero() {
		return false
	}
	m.asked = time.Time{}
	if m.seen { // the log has it all the same, from an earlier connection
		c.outbox.remove(m)
		c.sent(m)
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
		pause = defaultPause
	case e.Code == shared.CodeRateLimited, e.Code == shared.CodeUnavailable:
		pause = defaultPause
	default:
		m.state, m.reason = Rejected, e.Message
		return true
	}
	// It stays where it is, before all that was written later.
	c.outbox.settling = true
	if until := now.Add(pause); until.After(c.outbox.pausedUntil) {
		c.outbox.pausedUntil = until
	}
	return true
}

// recognise strikes a message of ours that came back through the log. While the
// server still owes its answer we wait for that: it says that the message is on
// disk.
func (c *Client) recognise(n shared.Message) {
	m := c.outbox.byID[n.ID]
	if m == nil || m.room != n.Room || m.user != n.User {
		return
	}
	if m.state == Sent { // and told
		c.outbox.remove(m)
		return
	}
	m.seen, m.place = true, shared.AckPayload{Room: n.Room, Seq: n.Seq, Sent: n.Sent}
	if m.asked.IsZero() {
		c.outbox.remove(m)
		c.sent(m)
	}
}

// rejoined notes how much of the log the room lost sight of. Call it before what
// was missed arrives.
func (c *Client) rejoined(r *room, state string) {
	for _, m := range slices.Clone(c.outbox.messages) {
		if m.room != r.name || m.user == "" || !m.asked.IsZero() {
			continue
		}
		switch {
		case state == shared.StateReset && m.state == Sent:
			c.outbox.remove(m) // acked; its row went with the others
		case state == shared.StateReset:
			m.seen, m.doubt = false, true
		case state != shared.StateCurrent && state != shared.StateRecovered:
			m.doubt = true
		}
	}
}

// resolve decides on the messages that were sent before, once everything that
// was missed in their room has arrived: what was found is struck, what may be
// out of sight is the user's to decide on, the rest is sent again.
func (c *Client) resolve(r *room) {
	for _, m := range slices.Clone(c.outbox.messages) {
		if m.room != r.name || m.user == "" || !m.asked.IsZero() {
			continue
		}
		switch {
		case m.state == Sent:
			if r.cursor.Seq >= m.place.Seq {
				c.outbox.remove(m)
			}
		case m.state != Waiting:
		case m.seen:
			c.outbox.remove(m)
			c.sent(m)
		case m.doubt:
			m.state = Unsure
			m.reason = "part of the room's log is gone: this message may have been sent"
		case m.user != c.me.User:
			m.state = Unsure
			m.reason = "the server knows us as another user now: this message may have been sent"
		}
	}
}

// sent tells OnAck.
func (c *Client) sent(m *outgoing) {
	if id, place := m.id, m.place; c.config.OnAck != nil {
		c.tell(func() { c.config.OnAck(id, place) })
	}
}
