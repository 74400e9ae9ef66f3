package chat

import (
	"crypto/rand"
	"encoding/json"
	"time"

	"websockets/server/presence"
	"websockets/shared"
)

// Servers that share a log tell each other, room by room, what the log does not
// keep: who is there, and who is typing. All of it may be lost; who is where is
// told again every few seconds.

// signal is what one server tells the others that have members in a room.
type signal struct {
	presence.Update
	// Typing is somebody at that server.
	Typing *shared.TypingPayload `json:"typing,omitempty"`
}

// thisServer is this process among the servers on one log.
var thisServer = rand.Text()

// signal tells the others. What cannot be told is lost.
func (r *room) signal(s signal) {
	if !r.log.Shared() {
		return
	}
	s.Server = thisServer
	data, _ := json.Marshal(s) // strings and flags
	_ = r.log.Signal(r.name, data)
}

// tellServers tells everyone who is here.
func (r *room) tellServers() {
	r.mu.RLock()
	update := r.presence.FullUpdate()
	r.mu.RUnlock()
	r.signal(signal{Update: update})
}

// tellClosed tells that nobody is here any more.
func (r *room) tellClosed() {
	r.mu.RLock()
	update := r.presence.FinalUpdate()
	r.mu.RUnlock()
	r.signal(signal{Update: update})
}

// signalled takes what a server has told about a room.
func (m *Manager) signalled(name string, data []byte) {
	var s signal
	if json.Unmarshal(data, &s) != nil || s.Server == "" || s.Server == thisServer {
		return
	}
	m.mu.RLock()
	r := m.rooms[name]
	m.mu.RUnlock()
	if r == nil {
		return
	}
	r.mu.Lock()
	r.presence.Apply(s.Update, time.Now())
	r.mu.Unlock()
	if s.Typing != nil {
		r.offer(textFrame(shared.Typing.Frame("", *s.Typing)), nil)
	}
	if s.Asks {
		r.tellServers()
	}
}

// publishPresence tells the members here who came and went since the last call, and
// the other servers who came to and went from this one. The tick loop calls it.
func (r *room) publishPresence(now time.Time) {
	r.mu.Lock()
	r.presence.Expire(now)
	event := r.presence.TakeChanges(r.name)
	update := r.presence.TakeUpdate()
	if r.log.Shared() && r.presence.FullSyncDue(r.name, now) {
		update = r.presence.FullUpdate()
	}
	r.mu.Unlock()
	if event != nil { // to the members here only: each server tells its own
		r.offer(textFrame(shared.Presence.Frame("", *event)), nil)
	}
	if !update.IsEmpty() {
		r.signal(signal{Update: update})
	}
}

// rename tells the room another name of one of its users.
func (r *room) rename(user, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.presence.Rename(user, name)
}
