package bench

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// sender is a member that sends. Its goroutine alone writes messages.
type sender struct {
	member *member
	place  int      // among the senders of its room
	frame  template // owned by send
	slots  []slot   // of the messages under way, by number
	wake   chan struct{}

	due  atomic.Int64  // how many messages are due by now
	sent atomic.Uint32 // how many were begun
}

// slot is a message under way.
type slot struct {
	number  atomic.Uint32
	due     time.Duration
	pending atomic.Int32  // how many have still to get it, its ack counted as one
	seq     atomic.Uint64 // its sequence, as the first one was told
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

// poke lets send look again. It never waits.
func (s *sender) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// send sends until the load ends: what is due, as far as there are free slots.
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
			return // the reader knows why
		}
		r.seen.sent.add(s.member.index, r.now()-due)
	}
}

// settled takes one off what a message waits for.
func (s *sender) settled(number uint32) {
	slot, r := s.slot(number), s.member.run
	due := slot.due
	if slot.pending.Add(-1) > 0 {
		return
	}
	r.seen.complete.add(s.member.index, r.now()-due)
	r.settle()
	s.poke()
}

// unacked returns the numbers of the messages that were not acked. It is asked
// when no more acks come.
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
