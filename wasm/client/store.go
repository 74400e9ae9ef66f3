package client

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"slices"
	"time"

	"websockets/shared"
)

// Store keeps an outbox for the time after this client: for the page that is
// opened again when the tab was closed. It holds one short text for each message,
// by the message's id, so that a change of one is one small write however many
// wait, and nothing has to be gathered: what Send has taken is in the store
// before Send returns.
//
// One client uses a store at a time. Its methods are called with the client's
// lock held: they neither block nor use the Client.
type Store interface {
	// Load returns all that is kept.
	Load() map[string]string
	// Save keeps a value in place of the one that was kept under this key. After an
	// error that one is still there.
	Save(key, value string) error
	// Remove forgets a key; one that is not there is no mistake.
	Remove(key string)
}

// entryVersion is raised when an older client could not read an entry any more.
const entryVersion = 1

// entry is what the store keeps of a message.
type entry struct {
	Version int            `json:"v"`
	Order   uint64         `json:"order"` // in which they were written
	Room    string         `json:"room"`
	Message string         `json:"message"`
	Written time.Time      `json:"written"`
	User    string         `json:"user,omitempty"`
	After   *shared.Cursor `json:"after,omitempty"`
	State   OutgoingState  `json:"state"`
	Reason  string         `json:"reason,omitempty"`
}

// save keeps the message as it is now, if there is a store.
func (m *outgoing) save() error {
	if m.store == nil {
		return nil
	}
	value, err := shared.EncodeJSON(entry{
		Version: entryVersion, Order: m.order, Room: m.room, Message: m.message, Written: m.written,
		User: m.user, After: m.after, State: m.state, Reason: m.reason,
	})
	if err != nil {
		return err
	}
	return m.store.Save(m.id, string(value))
}

// deleteStored takes the message out of the store for good.
func (m *outgoing) deleteStored() {
	if m.store != nil {
		m.store.Remove(m.id)
		m.store = nil
	}
}

// setState sets the state and keeps that. If the store has no room for it, a
// client that comes after this one goes on from the state before.
func (m *outgoing) setState(s OutgoingState, reason string) {
	m.state, m.reason = s, reason
	if err := m.save(); err != nil {
		log.Printf("client: the outbox keeps message %s as it was: %v", m.id, err)
	}
}

// ImportOutbox takes over what another client has left in its store, such as the one of
// a tab that was closed. Its messages go before our own and stay in their store
// until they are done; nobody else may use it any more. What was sent before is
// looked for in the log before it is sent again.
func (c *Client) ImportOutbox(store Store) {
	c.mu.Lock()
	defer c.mu.Unlock()
	loaded := c.load(store)
	for _, m := range loaded {
		c.getOrCreateRoom(m.room)
	}
	c.outbox.messages = append(loaded, c.outbox.messages...)
	c.callbacks.notifyChange()
}

// load reads a store's messages, in the order written. What is broken is logged
// and dropped; what a newer client wrote, and what is too much, stays for
// another time.
func (c *Client) load(store Store) (loaded []*outgoing) {
	for id, value := range store.Load() {
		m, err := parseEntry(id, value)
		switch {
		case errors.Is(err, errNewer):
			log.Printf("client: message %.64q of the outbox is left for later: %v", id, err)
			continue
		case err == nil && c.outbox.byID[id] != nil:
			err = errors.New("it is there twice")
		}
		if err != nil {
			log.Printf("client: message %.64q of the outbox is dropped: %v", id, err)
			store.Remove(id)
			continue
		}
		m.store = store
		loaded = append(loaded, m)
	}
	slices.SortStableFunc(loaded, func(a, b *outgoing) int {
		return cmp.Or(cmp.Compare(a.order, b.order), a.written.Compare(b.written))
	})
	if len(loaded) > maxOutbox {
		log.Printf("client: %d messages of the outbox are left for later", len(loaded)-maxOutbox)
		loaded = loaded[:maxOutbox]
	}
	for _, m := range loaded {
		c.outbox.note(m)
	}
	return loaded
}

var errNewer = errors.New("a newer version of this page wrote it")

// parseEntry reads what a store has kept. It may be anything.
func parseEntry(id, value string) (*outgoing, error) {
	var version struct {
		V int `json:"v"`
	}
	if err := json.Unmarshal([]byte(value), &version); err != nil {
		return nil, err
	}
	if version.V > entryVersion {
		return nil, errNewer
	}
	var e entry
	if err := json.Unmarshal([]byte(value), &e); err != nil {
		return nil, err
	}
	// It must be an event that could be sent.
	sent, err := shared.DecodeEvent(shared.SendMessage.Frame(id, shared.SendMessagePayload{Room: e.Room, Message: e.Message}))
	if err == nil {
		_, err = shared.SendMessage.Decode(sent)
	}
	switch {
	case err != nil:
		return nil, err
	case e.Version != entryVersion:
		return nil, fmt.Errorf("it is of version %d", e.Version)
	case id == "" || e.Room == "":
		return nil, errors.New("it has no id or no room")
	case !slices.Contains([]OutgoingState{Pending, Failed, Rejected, Uncertain}, e.State):
		return nil, fmt.Errorf("there is no state %.20q", e.State)
	case e.After != nil && (e.After.Epoch == "" || e.User == ""):
		return nil, errors.New("it was sent, but not where in the log or by whom")
	}
	return &outgoing{
		id: id, room: e.Room, message: e.Message, written: e.Written, order: e.Order,
		user: e.User, after: e.After, state: e.State, reason: e.Reason,
		persisted: true, needsScan: e.After != nil,
	}, nil
}
