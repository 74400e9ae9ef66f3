package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"slices"
	"time"

	"websockets/shared"
)

// Store keeps an outbox beyond the life of its client: for the page that is opened
// again after its tab was closed. It holds one short text for each message, under
// the message's id. So a change of one message is one small write, however many
// there are, and what Send has taken is stored before Send returns.
//
// Only one client uses a store at a time. The methods are called with the client's
// lock held: they must neither block nor use the Client.
type Store interface {
	// Load returns everything that is stored.
	Load() map[string]string
	// Save stores a value and replaces the one that has this key. After an error the
	// old one is still there.
	Save(key, value string) error
	// Remove deletes a key. It is not an error if there is no such key.
	Remove(key string)
}

// entryVersion must be raised when older clients could not read an entry any more.
const entryVersion = 1

// entry is what a store has of a message. Clients of other versions read it too.
type entry struct {
	Version int            `json:"v"`
	Order   uint64         `json:"order"` // in which they were written
	Room    string         `json:"room"`
	Message string         `json:"message"`
	Written time.Time      `json:"written"`
	User    string         `json:"user,omitempty"`
	After   *shared.Cursor `json:"after,omitempty"`
	State   State          `json:"state"`
	Reason  string         `json:"reason,omitempty"`
}

// save stores the message as it is now, if there is a store.
func (m *outgoing) save() error {
	if m.store == nil {
		return nil
	}
	value, err := shared.EncodeJSON(entry{
		Version: entryVersion, Order: m.order, Room: m.Room, Message: m.Text, Written: m.Written,
		User: m.user, After: m.after, State: m.State, Reason: m.Reason,
	})
	if err != nil {
		return err
	}
	return m.store.Save(m.ID, string(value))
}

// deleteStored removes the message from the store for good.
func (m *outgoing) deleteStored() {
	if m.store != nil {
		m.store.Remove(m.ID)
		m.store = nil
	}
}

// setState sets the state and saves the message. If that fails, a later client will
// find it in the state before.
func (m *outgoing) setState(s State, reason string) {
	m.State, m.Reason = s, reason
	err := m.save()
	if err != nil {
		logf("message %s of the outbox is %s, but stored as it was before: %v", m.ID, s, err)
	}
}

func logf(format string, args ...any) { log.Printf("client: "+format, args...) }

var errNewer = errors.New("a newer version of this page wrote it")

// parseEntry reads what a store has under an id. It may be anything.
func parseEntry(id, value string) (*outgoing, error) {
	var version struct {
		V int `json:"v"`
	}
	err := json.Unmarshal([]byte(value), &version)
	if err != nil {
		return nil, err
	}
	if version.V > entryVersion {
		return nil, errNewer
	}
	var e entry
	err = json.Unmarshal([]byte(value), &e)
	if err != nil {
		return nil, err
	}
	// It must be an event that could be sent.
	frame := shared.SendMessage.Frame(id, shared.SendMessagePayload{Room: e.Room, Message: e.Message})
	event, err := shared.DecodeEvent(frame)
	if err == nil {
		_, err = shared.SendMessage.Decode(event)
	}
	switch {
	case err != nil:
		return nil, err
	case e.Version != entryVersion:
		return nil, fmt.Errorf("unknown version %d", e.Version)
	case id == "" || e.Room == "":
		return nil, errors.New("it has no id or no room")
	case !slices.Contains([]State{Pending, Failed, Rejected, Uncertain}, e.State):
		return nil, fmt.Errorf("unknown state %.20q", e.State)
	case e.After != nil && (e.After.Epoch == "" || e.User == ""):
		return nil, errors.New("it was sent, but by whom or where in the log is missing")
	}
	return &outgoing{
		Message: Message{ID: id, Room: e.Room, Text: e.Message, Written: e.Written, State: e.State, Reason: e.Reason},
		order:   e.Order, user: e.User, after: e.After,
		persisted: true, needsScan: e.After != nil,
	}, nil
}
