package chat

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"websockets/server/eventlog"
	"websockets/server/timeline"
	"websockets/server/wsframe"
	"websockets/shared"
)

// sendMessage appends a message to the room's log. The ack is sent when it is stored.
func (m *Manager) sendMessage(ctx context.Context, r request, p shared.SendMessagePayload) error {
	here := r.find(p.Room)
	if here == nil {
		return notMember(p.Room)
	}
	if err := r.checkNewRoom(here); err != nil {
		return err
	}
	if !r.beginSend() {
		return tryAgain("an earlier message could not be stored: send again from that one on")
	}
	id := r.id
	if id == "" {
		id = rand.Text()
	}
	message := shared.Message{
		ID: id, Room: here.room.name, User: r.user, From: r.displayName(),
		Message: p.Message, Sent: time.Now().UTC().Truncate(time.Millisecond),
	}
	err := m.appends.append(ctx, message.Room, message.User, id, message.Encode(), func(receipt eventlog.Receipt, err error) {
		m.completeSend(r, here.room, message, receipt, err)
	})
	if err != nil {
		r.sends.end(true)
		r.out.Release()
		return r.unavailable(err)
	}
	return nil
}

// completeSend answers a send with the outcome of its append. The log calls it, so it
// must not wait.
func (m *Manager) completeSend(r request, room *room, message shared.Message, receipt eventlog.Receipt, err error) {
	r.sends.end(err != nil)
	switch {
	case err != nil:
		r.sendReserved(shared.Failed.Frame(r.id, *r.unavailable(err)))
	case receipt.Duplicate:
		m.appends.begin()
		go m.completeDuplicate(r, room, message, receipt)
	default:
		r.ack(room.name, receipt.Seq, message.Sent)
	}
}

// completeDuplicate answers a send whose id the log knows: with the ack of the first
// message if that is the same, else with an error. It reads the log, so it runs on a
// goroutine of its own; the client's window bounds how many do.
func (m *Manager) completeDuplicate(r request, room *room, message shared.Message, receipt eventlog.Receipt) {
	defer m.appends.end()
	place, err := m.log.Locate(m.ctx, room.name, receipt.Seq)
	var first shared.Message
	known := err == nil && place.State == eventlog.Present
	isMessage := known && timeline.IsMessage(place.Record.Body)
	if isMessage {
		first, err = timeline.Message(place.Record)
	}
	switch {
	case err != nil:
		r.sendReserved(shared.Failed.Frame(r.id, *r.unavailable(err)))
	case known && (!isMessage || first.Message != message.Message):
		r.sendReserved(shared.Failed.Frame(r.id, *idReused(r.id)))
	default:
		r.ack(room.name, receipt.Seq, first.Sent)
	}
}

// ack acks a send that is stored. Without an id it gets none.
func (r request) ack(room string, seq uint64, sent time.Time) {
	if r.id == "" {
		r.out.Release()
		return
	}
	r.sendReserved(shared.Ack.Frame(r.id, shared.AckPayload{Room: room, Seq: seq, Sent: sent}))
}

// sendReserved queues an answer for which beginSend has reserved a place.
func (c *Client) sendReserved(event []byte) { c.out.SendReserved(wsframe.NewText(event)) }

// beginSend counts an append and reserves a place in the window for its answer. It
// reports false if the append must be refused.
func (c *Client) beginSend() bool {
	if !c.sends.begin() {
		return false
	}
	c.out.Reserve()
	return true
}

// sends counts the appends of a client that are in flight. After one has failed, later
// ones are refused until none is in flight and the client has had time to hear of the
// failure. So the client sends them again in order.
type sends struct {
	mu          sync.Mutex // guards what follows
	inFlight    int32
	failed      bool
	refuseUntil time.Time
}

// begin counts an append, or reports false if an earlier one has failed.
func (s *sends) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed || !s.refuseUntil.IsZero() && time.Now().Before(s.refuseUntil) {
		return false
	}
	s.inFlight++
	return true
}

// end counts an append that has an outcome.
func (s *sends) end(failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
	s.failed = (s.failed || failed) && s.inFlight > 0
	if failed {
		s.refuseUntil = time.Now().Add(retryAfter)
	}
}
