package outbox

import (
	"time"

	"websockets/shared"
)

// Message is one of the user's messages on its way to the server.
type Message struct {
	ID      string
	Room    string
	Text    string
	Written time.Time
	State   State
	// Reason says, for people, why the message was not sent: set in Failed, Rejected
	// and Uncertain.
	Reason string
}

// State is how far a message has come. The texts must not change: stored outboxes
// and the page's style sheet have them.
type State string

const (
	Pending   State = "pending"  // not acked yet: it will be sent, or is on the wire
	Sent      State = "sent"     // acked; its row in the timeline follows in a moment
	Failed    State = "failed"   // the server closed the connection because of it
	Rejected  State = "rejected" // the server refused it
	Uncertain State = "unsure"   // it may have been sent, and the part of the log that could tell is gone
)

// Undecided reports whether the user must decide: Retry or Discard.
func (s State) Undecided() bool { return s == Failed || s == Rejected || s == Uncertain }

// outgoing is a Message with what the Outbox knows about it.
//
//   - sentAt is set only while the message waits for its answer on the current
//     connection. At most one answer comes: an ack or an error.
//   - after is set, and saved, before the message goes on the wire for the first
//     time, and stays. A message without it was never sent.
//   - Once store is nil after it was not, the message is removed from the store.
type outgoing struct {
	Message
	order uint64 // grows in the order written

	store     Store // nil without one, and once the message is removed from it
	persisted bool  // it has been saved, or imported

	sentAt time.Time
	// user is who the user was when they wrote it, empty if that was not known yet.
	// It is sent as no other user. after is where in the log the room was before the
	// first send: beyond it the log tells whether the message has arrived.
	user  string
	after *shared.Cursor
	// needsScan says that an earlier client has sent it, and that the log beyond after
	// has not been read yet.
	needsScan bool
	// uncertain says that a part of the log that may hold it cannot be read.
	uncertain bool
	// echoed says that it came back as a new_message. ack is its place in the log; it
	// is set after an ack too.
	echoed bool
	ack    shared.AckPayload
}

// isPending reports whether it still has to be sent or acked.
func (m *outgoing) isPending() bool { return m.State == Pending && !m.echoed }

// size is about how many bytes the message takes in a store.
func (m *outgoing) size() int { return len(m.Text) + messageOverhead }
