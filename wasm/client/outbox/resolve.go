package outbox

import (
	"slices"

	"websockets/shared"
)

// What has become of messages that were in flight when a connection ended is
// written in the log. So everything beyond the place that a room had before a
// message's first send is read before the message is sent again:
//
//	RoomsNeedingScan, ResumeCursor   which rooms to read, and from where
//	MarkUncertain                    a room is joined: does the server send all of it?
//	MatchEcho                        a message comes back: it has arrived
//	ResolveUncertain                 the room is synced: what did not come back is sent
//	                                 again, or is the user's to decide

// RoomsNeedingScan returns the rooms in which messages of an earlier client still
// have to be looked for. Until then nothing is sent there, to keep the order.
func (o *Outbox) RoomsNeedingScan() map[string]bool {
	var rooms map[string]bool
	for _, m := range o.messages {
		if m.needsScan && m.State == Pending {
			if rooms == nil {
				rooms = map[string]bool{}
			}
			rooms[m.Room] = true
		}
	}
	return rooms
}

// ResumeCursor returns where to read a room from: from, where we are there, or
// further back, where the oldest message may be that an earlier client has sent.
// nil means wherever the server likes.
//
// Sequences of two logs cannot be compared. A room that we have read tells which
// log there is now; otherwise it is likely to be the one of the message written
// last.
func (o *Outbox) ResumeCursor(room string, from *shared.Cursor) *shared.Cursor {
	for _, m := range slices.Backward(o.messages) {
		if m.Room != room || !m.needsScan || m.State != Pending {
			continue
		}
		if from == nil || m.after.Epoch == from.Epoch && m.after.Seq < from.Seq {
			from = m.after
		}
	}
	return from
}

// MarkUncertain notes how much of the log will not be seen after a room was joined
// as p says. from is where the join asked to resume, nil if it did not say. Call it
// before MatchEcho for what was missed.
func (o *Outbox) MarkUncertain(p shared.RoomJoinedPayload, from *shared.Cursor) {
	for _, m := range slices.Clone(o.messages) {
		if m.Room != p.Room || m.after == nil || !m.sentAt.IsZero() {
			continue
		}
		if m.needsScan {
			sameLog := from != nil && m.after.Epoch == from.Epoch
			switch {
			case from == nil, sameLog && m.after.Seq < from.Seq, !sameLog && m.after.Epoch == p.Cursor.Epoch:
				continue // not read with this join: there will be another one
			}
			m.needsScan, m.uncertain = false, !sameLog
		}
		switch p.State {
		case shared.StateCurrent, shared.StateRecovered:
		case shared.StateTruncated:
			// What is gone lies before First.
			m.uncertain = m.uncertain || p.Truncated == nil || p.Truncated.First == 0 || m.after.Seq+1 < p.Truncated.First
		case shared.StateReset:
			if m.State == Sent {
				o.finish(m) // acked; its row is gone with the others
				continue
			}
			m.echoed, m.uncertain = false, true
		default:
			m.uncertain = true
		}
	}
}

// MatchEcho finishes a message of ours that came back through the log. While the
// server still owes its answer, the message waits for that: only the ack says that
// it is on disk.
func (o *Outbox) MatchEcho(echo shared.Message) {
	m := o.byID[echo.ID]
	if m == nil || m.Room != echo.Room || m.user != echo.User {
		return
	}
	if m.State == Sent { // and Acked was called
		o.finish(m)
		return
	}
	m.echoed, m.ack = true, shared.AckPayload{Room: echo.Room, Seq: echo.Seq, Sent: echo.Sent}
	if m.sentAt.IsZero() {
		o.finish(m)
		o.config.Acked(m.ID, m.ack)
	}
}

// ResolveUncertain decides about the messages that were sent before, once
// everything that was missed in their room has arrived: what came back is finished;
// what may be in a part of the log that cannot be read becomes Uncertain; the rest
// stays pending, so Flush sends it again.
func (o *Outbox) ResolveUncertain(room string, cursor shared.Cursor) {
	for _, m := range slices.Clone(o.messages) {
		if m.Room != room || m.after == nil || !m.sentAt.IsZero() {
			continue
		}
		switch {
		case m.State == Sent:
			if cursor.Seq >= m.ack.Seq {
				o.finish(m)
			}
		case m.State != Pending:
		case m.echoed:
			o.finish(m)
			o.config.Acked(m.ID, m.ack)
		case m.needsScan && m.after.Epoch == cursor.Epoch: // that part will be read too
		case m.uncertain, m.needsScan:
			m.needsScan = false
			m.setState(Uncertain, "part of the room's history is gone: this message may have been sent")
		case m.user != o.user:
			m.setState(Uncertain, "you are a different user now: this message may have been sent")
		}
	}
}
