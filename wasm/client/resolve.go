package client

import (
	"slices"

	"websockets/shared"
)

// What became of the messages that were on the wire of a connection that is
// gone: the log says so. Everything beyond the cursor at a message's first send
// is read before the message is sent again.

// roomsNeedingScan names the rooms in which messages of an earlier client are still to be
// looked for. Nothing is sent there until then, so that order holds.
func (o *outbox) roomsNeedingScan() map[string]bool {
	var rooms map[string]bool
	for _, m := range o.messages {
		if m.needsScan && m.state == Pending {
			if rooms == nil {
				rooms = map[string]bool{}
			}
			rooms[m.room] = true
		}
	}
	return rooms
}

// resumeCursor returns where to read a room from: where we are, or further back, where
// the oldest message may be that an earlier client has sent. nil means as the
// server likes.
//
// Sequences of two logs do not compare. A room that we have read tells which log
// there is now; else it is likely to be the one of the message written last.
func (c *Client) resumeCursor(r *room) *shared.Cursor {
	from := r.cursor
	for _, m := range slices.Backward(c.outbox.messages) {
		if m.room != r.name || !m.needsScan || m.state != Pending {
			continue
		}
		if from == nil || m.after.Epoch == from.Epoch && m.after.Seq < from.Seq {
			from = m.after
		}
	}
	return from
}

// matchEcho strikes a message of ours that came back through the log. While the
// server still owes its answer we wait for that: it says that the message is on
// disk.
func (c *Client) matchEcho(n shared.Message) {
	m := c.outbox.byID[n.ID]
	if m == nil || m.room != n.Room || m.user != n.User {
		return
	}
	if m.state == Sent { // and told
		c.outbox.done(m)
		return
	}
	m.echoed, m.ack = true, shared.AckPayload{Room: n.Room, Seq: n.Seq, Sent: n.Sent}
	if m.sentAt.IsZero() {
		c.outbox.done(m)
		c.notifyAck(m)
	}
}

// rejoined notes how much of the log the room lost sight of. from is where the
// join asked to begin, nil if it did not say. Call it before what was missed
// arrives.
func (c *Client) rejoined(r *room, p shared.RoomJoinedPayload, from *shared.Cursor) {
	for _, m := range slices.Clone(c.outbox.messages) {
		if m.room != r.name || m.after == nil || !m.sentAt.IsZero() {
			continue
		}
		if m.needsScan {
			sameLog := from != nil && m.after.Epoch == from.Epoch
			switch {
			case from == nil, sameLog && m.after.Seq < from.Seq, !sameLog && m.after.Epoch == p.Cursor.Epoch:
				continue // not read with this join: reconcile asks again
			}
			m.needsScan, m.uncertain = false, !sameLog
		}
		switch p.State {
		case shared.StateCurrent, shared.StateRecovered:
		case shared.StateTruncated:
			// What has gone lies before First.
			m.uncertain = m.uncertain || p.Truncated == nil || p.Truncated.First == 0 || m.after.Seq+1 < p.Truncated.First
		case shared.StateReset:
			if m.state == Sent {
				c.outbox.done(m) // acked; its row went with the others
				continue
			}
			m.echoed, m.uncertain = false, true
		default:
			m.uncertain = true
		}
	}
}

// resolveUncertain decides on the messages that were sent before, once everything that
// was missed in their room has arrived: what was found is struck, what may be
// out of sight is the user's to decide on, the rest is sent again.
func (c *Client) resolveUncertain(r *room) {
	for _, m := range slices.Clone(c.outbox.messages) {
		if m.room != r.name || m.after == nil || !m.sentAt.IsZero() {
			continue
		}
		switch {
		case m.state == Sent:
			if r.cursor.Seq >= m.ack.Seq {
				c.outbox.done(m)
			}
		case m.state != Pending:
		case m.echoed:
			c.outbox.done(m)
			c.notifyAck(m)
		case m.needsScan && m.after.Epoch == r.cursor.Epoch: // reconcile asks for that part too
		case m.uncertain, m.needsScan:
			m.needsScan = false
			m.setState(Uncertain, "part of the room's log is gone: this message may have been sent")
		case m.user != c.me.User:
			m.setState(Uncertain, "the server knows us as another user now: this message may have been sent")
		}
	}
}
