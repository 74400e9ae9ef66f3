//go:build conformance

package chat

import (
	"bytes"
	"net/http"

	"websockets/server/identity"
)

// ServeEcho sends every text frame back. It is made of what ServeWS is made of, so
// that a conformance suite finds the faults of that. It is in no other build.
func (m *Manager) ServeEcho(w http.ResponseWriter, r *http.Request) {
	conn, err := m.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := m.newClient(conn, identity.Session{User: "echo"}, "Echo", addressOf(r))
	if c == nil {
		return
	}
	c.handle = func(frame []byte) { c.enqueue(outgoing{frame: textFrame(bytes.Clone(frame))}) }
	m.run(c)
}
