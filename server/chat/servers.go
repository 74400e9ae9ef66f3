package chat

import (
	"crypto/rand"
	"encoding/json"

	"websockets/server/wsframe"
	"websockets/shared"
)

// Servers that share a log tell each other, room by room, what the log does not
// keep: who is there, and who is typing. All of it may be lost; who is where is
// told again every tellEvery ticks.

// signal is what one server tells the others that have members in a room.
type signal struct {
	// Server is who tells.
	Server string `json:"server"`
	// Came and Went are users at that server. All says that Came is everyone there.
	Came []shared.Member `json:"came,omitempty"`
	Went []string        `json:"went,omitempty"`
	All  bool            `json:"all,omitempty"`
	// Away are those that the server has lost and who may be on their way to
	// another one: it has nobody in the room any more, so it cannot tell later.
	Away []string `json:"away,omitempty"`
	// Asks wants the others to tell who is at theirs.
	Asks bool `json:"asks,omitempty"`
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
	here := r.presence.present()
	r.mu.RUnlock()
	r.signal(signal{Came: here, All: true, Asks: asks})
}

// tellClosed tells that nobody is here any more.
func (r *room) tellClosed() {
	var away []string
	r.mu.RLock()
	for _, m := range r.presence.present() {
		away = append(away, m.User)
	}
	r.mu.RUnlock()
	r.signal(signal{All: true, Away: away})
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
	r.presence.elsewhere(s, m.now.Load())
	r.mu.Unlock()
	if s.Typing != nil {
		r.offer(wsframe.NewText(shared.Typing.Frame("", *s.Typing)), nil)
	}
	if s.Asks {
		r.tellServers(false)
	}
}
