package outbox

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"websockets/shared"
)

const (
	// MaxMessages is how many messages an Outbox holds, and MaxBytes how many bytes: a
	// browser gives all tabs of a site about 5 MB.
	MaxMessages = 1000
	MaxBytes    = 2 << 20
	// messageOverhead is about how many bytes a message takes besides its text.
	messageOverhead = 400
)

// Errors of an Outbox. They name the package client, whose users see them.
var (
	ErrFull      = errors.New("client: the outbox is full")
	ErrNoMessage = errors.New("client: no message with this id awaits a decision")
)

// Config configures an Outbox. All functions must be set; they are called by the
// Outbox's methods and must not use it.
type Config struct {
	// Store keeps the messages for a later client; nil means that they end with this
	// one.
	Store Store
	// Position returns up to where a room has been read, nil if it never was, and
	// whether it is synced: we are in it and nothing is missing.
	Position func(room string) (cursor *shared.Cursor, synced bool)
	// CanSend reports whether Send would take a frame. Send passes a frame to the
	// connection and reports whether that took it.
	CanSend func() bool
	Send    func(frame []byte) bool
	// Acked is called once for each message that the server's log has.
	Acked func(id string, ack shared.AckPayload)
}

// Outbox holds the user's messages in the order in which they were written, each
// until its row is in the room's timeline or the user discards it.
//
// It is not safe for concurrent use, and no method blocks.
type Outbox struct {
	config Config

	user  string // who the server says we are, empty before the first welcome
	limit int    // how many messages may be in flight

	messages  []*outgoing
	byID      map[string]*outgoing
	bytes     int    // of all messages
	lastOrder uint64 // of the message written last

	// Nothing is sent before pausedUntil. While draining, nothing is sent before all
	// that is in flight has been answered, so that what was refused goes first again.
	pausedUntil time.Time
	draining    bool
}

// New returns an empty Outbox. What config.Store holds is still to be imported.
func New(config Config) *Outbox {
	return &Outbox{config: config, limit: MaxInFlight, byID: map[string]*outgoing{}}
}

// Welcomed tells who the user is on this connection, and how many messages the
// server allows in flight; 0 means that it does not say.
func (o *Outbox) Welcomed(user string, inFlight int) {
	o.user, o.limit = user, MaxInFlight
	if inFlight > 0 {
		o.limit = min(inFlight, MaxInFlight)
	}
}

// Add puts a message behind all others. ErrFull says that there is no room for it.
//
// Persist must follow; Flush may be called before, so that a message that goes on
// the wire at once is saved only once.
func (o *Outbox) Add(room, text string, now time.Time) (id string, err error) {
	m := &outgoing{
		Message: Message{ID: shared.NewID(), Room: room, Text: text, Written: now, State: Pending},
		user:    o.user, store: o.config.Store,
	}
	if len(o.messages) >= MaxMessages || o.bytes+m.size() > MaxBytes {
		return "", ErrFull
	}
	o.append(m)
	return m.ID, nil
}

// Persist saves a message that was just added, unless Flush has done so. If it
// cannot be saved, it is removed again, and the error wraps ErrFull.
func (o *Outbox) Persist(id string) error {
	m := o.byID[id]
	if m.persisted {
		return nil
	}
	reason := m.Reason // of Flush
	if m.State == Pending {
		err := m.save()
		if err == nil {
			m.persisted = true
			return nil
		}
		reason = err.Error()
	}
	o.remove(m)
	return fmt.Errorf("%w: %s", ErrFull, reason)
}

// Retry sends an undecided message again, after all that is pending now, and
// returns its room. The error is ErrNoMessage.
func (o *Outbox) Retry(id string) (room string, err error) {
	m := o.undecided(id)
	if m == nil {
		return "", ErrNoMessage
	}
	o.remove(m)
	if m.State == Uncertain || o.user != "" && m.user != o.user {
		// It is a new message now: the user has decided about where it may have been.
		m.user, m.after, m.needsScan = o.user, nil, false
	}
	m.uncertain = false
	o.append(m)
	m.setState(Pending, "")
	return m.Room, nil
}

// Discard removes an undecided message. The error is ErrNoMessage.
func (o *Outbox) Discard(id string) error {
	m := o.undecided(id)
	if m == nil {
		return ErrNoMessage
	}
	o.finish(m)
	return nil
}

func (o *Outbox) undecided(id string) *outgoing {
	m := o.byID[id]
	if m != nil && m.State.Undecided() {
		return m
	}
	return nil
}

// append puts a message behind all others.
func (o *Outbox) append(m *outgoing) {
	m.order = o.lastOrder + 1
	o.messages = append(o.messages, m)
	o.index(m)
}

// index counts a message that is or will be in messages.
func (o *Outbox) index(m *outgoing) {
	o.byID[m.ID] = m
	o.bytes += m.size()
	o.lastOrder = max(o.lastOrder, m.order)
}

// remove takes a message out, but leaves it in its store.
func (o *Outbox) remove(m *outgoing) {
	delete(o.byID, m.ID)
	o.bytes -= m.size()
	o.messages = slices.DeleteFunc(o.messages, func(n *outgoing) bool { return n == m })
}

// finish takes a message out for good: it is in the log, or discarded.
func (o *Outbox) finish(m *outgoing) {
	m.deleteStored()
	o.remove(m)
}

// Len returns how many messages there are, in any state.
func (o *Outbox) Len() int { return len(o.messages) }

// Queued returns how many messages still have to be sent or acked.
func (o *Outbox) Queued() (n int) {
	for _, m := range o.messages {
		if m.isPending() {
			n++
		}
	}
	return n
}

// PausedUntil returns until when nothing is sent because the server asked for
// that, zero if it did not.
func (o *Outbox) PausedUntil() time.Time { return o.pausedUntil }

// ForRoom returns the messages of a room that have not come back through the log,
// in the order written.
func (o *Outbox) ForRoom(room string) (messages []Message) {
	for _, m := range o.messages {
		if m.Room == room && !m.echoed {
			messages = append(messages, m.Message)
		}
	}
	return messages
}

// Undecided returns the messages that await the user's decision, in the order
// written.
func (o *Outbox) Undecided() (messages []Message) {
	for _, m := range o.messages {
		if m.State.Undecided() {
			messages = append(messages, m.Message)
		}
	}
	return messages
}

// NeedsRoom reports whether there are messages that can be sent only while we are
// in this room. Those in flight do not count: the server reads them before it reads
// that we leave.
func (o *Outbox) NeedsRoom(room string) bool {
	return slices.ContainsFunc(o.messages, func(m *outgoing) bool {
		return m.Room == room && m.State == Pending && m.sentAt.IsZero()
	})
}

// RejectRoom is called when the server does not let us into a room: what is pending
// for it has nowhere to go.
func (o *Outbox) RejectRoom(room, reason string) {
	for _, m := range o.messages {
		if m.Room == room && m.isPending() {
			m.setState(Rejected, reason)
		}
	}
}

// ForgetRoom is called when a room's timeline is dropped: the messages that are
// acked will not be seen to arrive there.
func (o *Outbox) ForgetRoom(room string) {
	for _, m := range slices.Clone(o.messages) {
		if m.Room == room && m.State == Sent {
			o.finish(m)
		}
	}
}

// Import takes over what another client has left in its store. Its messages go
// before our own and stay in their store until they are done; nobody else may use
// that store any more. Import returns the rooms of the messages.
//
// What that client has sent is looked for in the log before it is sent again.
func (o *Outbox) Import(store Store) (rooms []string) {
	loaded := o.load(store)
	o.messages = append(loaded, o.messages...)
	for _, m := range loaded {
		rooms = append(rooms, m.Room)
	}
	return rooms
}

// load reads the messages of a store in the order written. Invalid ones are logged
// and removed. Those of a newer client, and those beyond MaxMessages, are left in
// the store for another time.
func (o *Outbox) load(store Store) (loaded []*outgoing) {
	for id, value := range store.Load() {
		m, err := parseEntry(id, value)
		switch {
		case errors.Is(err, errNewer):
			logf("message %.64q of the outbox is left for later: %v", id, err)
			continue
		case err == nil && o.byID[id] != nil:
			err = errors.New("it is there twice")
		}
		if err != nil {
			logf("message %.64q of the outbox is dropped: %v", id, err)
			store.Remove(id)
			continue
		}
		m.store = store
		loaded = append(loaded, m)
	}
	slices.SortStableFunc(loaded, func(a, b *outgoing) int {
		return cmp.Or(cmp.Compare(a.order, b.order), a.Written.Compare(b.Written))
	})
	if len(loaded) > MaxMessages {
		logf("%d messages of the outbox are left for later", len(loaded)-MaxMessages)
		loaded = loaded[:MaxMessages]
	}
	for _, m := range loaded {
		o.index(m)
	}
	return loaded
}
