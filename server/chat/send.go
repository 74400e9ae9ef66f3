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

// sendMessage hands a message to the log; the ack goes out when the log has it.
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

// completeSend answers a send when the log has answered. It is called on the log's
// goroutine and does not wait.
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

// completeDuplicate answers a send whose id the log knows: with the first one's ack
// if it is the same message. Reading the log takes a while, so it runs beside;
// its place in the client's window bounds how many do.
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

// ack answers a send that is in the log. Without an id there is nobody to tell.
func (r request) ack(room string, seq uint64, sent time.Time) {
	if r.id == "" {
		r.out.Release()
		return
	}
	r.sendReserved(shared.Ack.Frame(r.id, shared.AckPayload{Room: room, Seq: seq, Sent: sent}))
}

// sendReserved queues an event for which beginSend has reserved a place.
func (c *Client) sendReserved(event []byte) { c.out.SendReserved(wsframe.NewText(event)) }

// beginSend counts an append and reserves a place in the window for its ack. It reports
// false if the append has to be refused.
func (c *Client) beginSend() bool {
	if !c.sends.begin() {
		return false
	}
	c.out.Reserve()
	return true
}

// sends counts the appends of a client that the log has not settled. After one has
// failed, later ones are refused too, until all are settled and the client has had the
// time to hear of it: it sends them again in order.
type sends struct {
	mu          sync.Mutex // guards what follows
	open        int32
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
	s.open++
	return true
}

// end counts an append as settled.
func (s *sends) end(failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	s.failed = (s.failed || failed) && s.open > 0
	if failed {
		s.refuseUntil = time.Now().Add(retryAfter)
	}
}
