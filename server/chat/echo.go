//go:build conformance

package chat

import (
	"bytes"
	"net/http"

	"websockets/server/identity"
	"websockets/server/wsframe"
)

// ServeEcho sends every text frame back. It is made of what ServeWS is made of, so
// that a conformance suite finds the faults of that. It is in no other build.
func (m *Manager) ServeEcho(w http.ResponseWriter, r *http.Request) {
	from := addressOf(r)
	address, _, why := m.shares.dialled(from, m.now.Load())
	if why != "" {
		http.Error(w, why, http.StatusTooManyRequests)
		return
	}
	conn, err := m.upgrader.Upgrade(w, r, nil)
	if err != nil {
		m.shares.leave(m.now.Load(), address)
		return
	}
	c := m.newClient(conn, identity.Session{User: "echo"}, "Echo", firstRoom{from: from, address: address})
	if c == nil {
		return
	}
	c.handle = func(frame []byte) { c.enqueue(outgoing{frame: wsframe.NewText(bytes.Clone(frame))}) }
	m.run(c)
}
