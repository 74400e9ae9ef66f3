package chat

import (
	"crypto/rand"
	"encoding/json"

	"websockets/server/presence"
	"websockets/shared"
)

// Servers that share a log tell each other, room by room, what the log does not
// keep: who is there, and who is typing. All of it may be lost; who is where is
// told again every presence.FullSyncTicks.

// signal is what one server tells the others that have members in a room.
type signal struct {
	presence.Update
	// Typing is somebody at that server.
	Typing *shared.TypingPayload `json:"typing,omitempty"`
}

// thisServer is this process among the servers on one log.
var thisServer = rand.Text()

// maxTold is how many users one signal names: with it, it stays under NATS's
// limit of 1 MiB.
const maxTold = 4000

// signal tells the others. What cannot be told is lost.
func (r *room) signal(s signal) {
	if !r.log.Shared() {
		return
	}
	s.Server = thisServer
	if len(s.Came) > maxTold { // not everyone, then
		s.Came, s.All = s.Came[:maxTold], false
	}
	s.Went = s.Went[:min(len(s.Went), maxTold)]
	s.Away = s.Away[:min(len(s.Away), maxTold)]
	data, _ := json.Marshal(s) // strings and flags
	_ = r.log.Signal(r.name, data)
}

// tellServers tells everyone who is here.
func (r *room) tellServers(asks bool) {
	r.mu.RLock()
	here := r.presence.Local()
	r.mu.RUnlock()
	r.signal(signal{Update: presence.Update{Came: here, All: true, Asks: asks}})
}

// tellClosed tells that nobody is here any more.
func (r *room) tellClosed() {
	var away []string
	r.mu.RLock()
	for _, m := range r.presence.Local() {
		away = append(away, m.User)
	}
	r.mu.RUnlock()
	r.signal(signal{Update: presence.Update{All: true, Away: away}})
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
	r.presence.Apply(s.Update, m.now.Load())
	r.mu.Unlock()
	if s.Typing != nil {
		r.offer(textFrame(shared.Typing.Frame("", *s.Typing)), nil)
	}
	if s.Asks {
		r.tellServers(false)
	}
}

// tellPresence sends every member, and the servers that share the log, what has
// changed since the last call.
func (r *room) tellPresence(now int64) {
	r.mu.Lock()
	r.presence.Expire(now)
	news := r.presence.Changes(r.name)
	came, went := r.presence.LocalChanges()
	r.mu.Unlock()
	if news != nil {
		r.offer(textFrame(shared.Presence.Frame("", *news)), nil)
	}
	switch {
	case !r.log.Shared():
	case now%presence.FullSyncTicks == int64(r.name[0])%presence.FullSyncTicks: // not every room in the same tick
		r.tellServers(false)
	case len(came)+len(went) > 0:
		r.signal(signal{Update: presence.Update{Came: came, Went: went}})
	}
}

// rename tells the room another name of one of its users.
func (r *room) rename(user, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.presence.Rename(user, name)
}
