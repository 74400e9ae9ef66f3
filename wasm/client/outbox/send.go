package outbox

import (
	"time"

	"websockets/shared"
)

const (
	// MaxInFlight is how many messages are on the wire without an answer. The server
	// may allow fewer.
	MaxInFlight = 32
	// defaultRetryAfter is how long sending pauses when the server refuses a message
	// for now without saying for how long.
	defaultRetryAfter = time.Second
)

// Flush sends what may be sent, in the order written. A room that is not synced
// holds up its own messages only. Flush reports whether it has ended a pause.
//
// It stops when the connection takes no more frames; call it again when that has
// changed.
func (o *Outbox) Flush(now time.Time) (resumed bool) {
	inFlight := o.inFlight()
	if now.Before(o.pausedUntil) || o.draining && inFlight > 0 {
		return false
	}
	resumed = !o.pausedUntil.IsZero()
	o.draining, o.pausedUntil = false, time.Time{}
	needScan := o.RoomsNeedingScan()
	for _, m := range o.messages {
		if !m.isPending() || !m.sentAt.IsZero() || needScan[m.Room] {
			continue
		}
		cursor, synced := o.config.Position(m.Room)
		if !synced {
			continue
		}
		if inFlight >= o.limit || !o.config.CanSend() {
			break
		}
		if m.user != "" && m.user != o.user {
			m.setState(Uncertain, "you were a different user when you wrote it")
			continue
		}
		if !o.prepare(m, *cursor) {
			continue
		}
		frame := shared.SendMessage.Frame(m.ID, shared.SendMessagePayload{Room: m.Room, Message: m.Text})
		if !o.config.Send(frame) {
			break
		}
		m.sentAt = now
		inFlight++
	}
	return resumed
}

// prepare notes and saves where in the log the room is before a message is sent for
// the first time: a later client has to know from where to look for it. It reports
// whether the message may be sent.
func (o *Outbox) prepare(m *outgoing, cursor shared.Cursor) bool {
	if m.after != nil {
		return true
	}
	m.user, m.after = o.user, &cursor
	err := m.save()
	if err != nil {
		// The store says that it was never sent: a later client would send it again.
		m.after = nil
		m.State, m.Reason = Failed, "it could not be saved: "+err.Error()
		return false
	}
	m.persisted = true
	return true
}

func (o *Outbox) inFlight() (n int) {
	for _, m := range o.messages {
		if !m.sentAt.IsZero() {
			n++
		}
	}
	return n
}

// OldestInFlight returns when the oldest message was sent that has no answer yet,
// or zero.
func (o *Outbox) OldestInFlight() time.Time {
	m := o.oldestInFlight()
	if m == nil {
		return time.Time{}
	}
	return m.sentAt
}

func (o *Outbox) oldestInFlight() (oldest *outgoing) {
	for _, m := range o.messages {
		if !m.sentAt.IsZero() && (oldest == nil || m.sentAt.Before(oldest.sentAt)) {
			oldest = m
		}
	}
	return oldest
}

// Ack handles the server's ack: the message is in its log, on disk. Acks for
// anything else are ignored.
func (o *Outbox) Ack(id string, ack shared.AckPayload) {
	m := o.byID[id]
	if m == nil || m.sentAt.IsZero() {
		return
	}
	m.sentAt, m.State, m.ack = time.Time{}, Sent, ack
	m.deleteStored()
	o.config.Acked(id, ack)
	cursor, _ := o.config.Position(m.Room)
	if cursor == nil || cursor.Seq >= ack.Seq {
		o.finish(m) // its row is in the timeline
	}
}

// Refuse handles the server's error for a message. ok is false if id is no message
// in flight. rejoin names the room that must be joined again before the message can
// be sent, empty mostly.
func (o *Outbox) Refuse(id string, e shared.Error, now time.Time) (rejoin string, ok bool) {
	m := o.byID[id]
	if m == nil || m.sentAt.IsZero() {
		return "", false
	}
	m.sentAt = time.Time{}
	if m.echoed { // the log has it nevertheless, from an earlier connection
		o.finish(m)
		o.config.Acked(id, m.ack)
		return "", true
	}
	pause := time.Duration(e.RetryAfter * float64(time.Second))
	if pause <= 0 {
		pause = defaultRetryAfter
		switch e.Code {
		case shared.CodeNotMember:
			rejoin = m.Room
		case shared.CodeRateLimited, shared.CodeUnavailable:
		default:
			m.setState(Rejected, e.Message)
			return "", true
		}
	}
	// It keeps its place, before all that was written later.
	o.draining = true
	until := now.Add(pause)
	if until.After(o.pausedUntil) {
		o.pausedUntil = until
	}
	return rejoin, true
}

// Disconnected takes back what was in flight. Whether it has arrived shows when its
// room is synced again. failure, if not empty, says that the server has closed the
// connection because of a message: the oldest one in flight, which then is not sent
// again by itself.
func (o *Outbox) Disconnected(failure string) {
	oldest := o.oldestInFlight()
	if failure != "" && oldest != nil {
		oldest.setState(Failed, failure)
	}
	for _, m := range o.messages {
		m.sentAt = time.Time{}
	}
	o.pausedUntil, o.draining = time.Time{}, false
}
