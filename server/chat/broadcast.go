package chat

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"time"

	"websockets/server/presence"
	"websockets/server/wsframe"
	"websockets/shared"
)

// Servers that share a log send each other what the log does not keep: events for the
// members of a room, and who is in it. Any of it may be lost.

// serverID names this process among those servers.
var serverID = rand.Text()

// peerMessage is what one server sends to the others that have members in a room.
type peerMessage struct {
	presence.Update
	// Event is an event for the members, encoded as for a client.
	Event json.RawMessage `json:"event,omitempty"`
	// Typing is sent by version 0.1.0 instead of an Event. It is only read.
	Typing *shared.TypingPayload `json:"typing,omitempty"`
}

// event returns the event for the members, nil if there is none or it is not allowed.
func (p peerMessage) event() []byte {
	switch {
	case p.Typing != nil:
		return shared.Typing.Frame("", *p.Typing)
	case isBroadcast(p.Event):
		return p.Event
	}
	return nil
}

// isBroadcast reports whether servers may send each other an event: it goes to clients,
// is not an answer, and is not durable. The log delivers durable events to every server.
func isBroadcast(event []byte) bool {
	e, err := shared.DecodeEvent(event)
	if err != nil || e.ID != "" {
		return false
	}
	spec, known := shared.Find(shared.ToClient, e.Type)
	return known && !spec.Durable
}

// broadcast sends an event, as shared.Type.Frame encodes it, to the room's members on
// every server, except to one client. It never waits, and the event may be lost: events
// that must not be lost belong in the log.
func (r *room) broadcast(event []byte, except *Client) {
	r.offer(wsframe.NewText(event), except)
	r.signalPeers(peerMessage{Event: event})
}

// signalPeers sends a message to the other servers that have members in the room.
func (r *room) signalPeers(p peerMessage) {
	if !r.log.Shared() {
		return
	}
	p.Server = serverID
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false) // keep the event as it was encoded
	if encoder.Encode(p) == nil {
		_ = r.log.Signal(r.name, encoded.Bytes()) // it may be lost
	}
}

// onPeerMessage handles a message that a server sent about the room. The log calls it.
func (r *room) onPeerMessage(data []byte) {
	var p peerMessage
	if json.Unmarshal(data, &p) != nil || p.Server == "" || p.Server == serverID {
		return
	}
	r.mu.Lock()
	r.presence.Apply(p.Update, time.Now())
	r.mu.Unlock()
	if event := p.event(); event != nil {
		r.offer(wsframe.NewText(event), nil)
	}
	if p.Asks {
		r.sendFullPresence()
	}
}
