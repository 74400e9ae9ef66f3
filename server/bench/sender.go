package bench

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// sender is a member that sends. Only its goroutine writes messages.
type sender struct {
	member *member
	place  int      // index among the senders of its room
	frame  template // owned by send
	slots  []slot   // messages in flight, by number modulo the length
	wake   chan struct{}

	due  atomic.Int64  // messages due so far
	sent atomic.Uint32 // messages sent so far, including one being written
}

// slot is a message in flight.
type slot struct {
	number  atomic.Uint32
	due     time.Duration
	pending atomic.Int32  // outstanding deliveries, plus one for the ack
	seq     atomic.Uint64 // its sequence, 0 until the first delivery or the ack
	acked   atomic.Bool
}

func newSender(m *member) *sender {
	r := m.run
	s := &sender{member: m, place: len(m.room.senders), wake: make(chan struct{}, 1), frame: newTemplate(r.id, m.index, r.Size)}
	inFlight := r.InFlight
	if r.Rate > 0 {
		inFlight = min(max(allInFlight/r.Senders, 64), maxInFlight)
	} else {
		s.due.Store(math.MaxInt64)
	}
	s.slots = make([]slot, inFlight)
	return s
}

func (s *sender) slot(number uint32) *slot { return &s.slots[number%uint32(len(s.slots))] }

// wakeUp makes send check again whether a message is due. It does not block.
func (s *sender) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// send sends the messages that are due until the load ends. It waits while all slots
// are taken.
func (s *sender) send() {
	r := s.member.run
	for number := uint32(0); ; number++ {
		slot := s.slot(number)
		for s.due.Load() <= int64(number) || slot.pending.Load() > 0 {
			select {
			case <-s.wake:
			case <-r.load.Done():
				return
			}
		}
		if r.load.Err() != nil {
			return
		}
		due := r.now()
		if r.Rate > 0 {
			due = r.dueAt(int64(number)*int64(r.Senders) + int64(s.member.index))
		}
		slot.number.Store(number)
		slot.due = due
		slot.seq.Store(0)
		slot.acked.Store(false)
		slot.pending.Store(int32(s.member.room.readers) + 1)
		s.sent.Store(number + 1)
		r.inFlight.Add(1)
		if err := s.member.conn.WriteMessage(websocket.TextMessage, s.frame.fill(number, due)); err != nil {
			return // the reader reports the error
		}
		r.seen.sent.add(s.member.index, r.now()-due)
	}
}

// confirm counts a delivery or the ack of a message.
func (s *sender) confirm(number uint32) {
	slot, r := s.slot(number), s.member.run
	due := slot.due
	if slot.pending.Add(-1) > 0 {
		return
	}
	r.seen.complete.add(s.member.index, r.now()-due)
	r.complete()
	s.wakeUp()
}

// unacked returns the numbers of the messages without an ack. Call it when no more
// acks arrive.
func (s *sender) unacked() map[uint32]bool {
	numbers := map[uint32]bool{}
	sent := s.sent.Load()
	for i := range uint32(min(len(s.slots), int(sent))) {
		if number := sent - 1 - i; s.slot(number).pending.Load() > 0 && !s.slot(number).acked.Load() {
			numbers[number] = true
		}
	}
	return numbers
}
