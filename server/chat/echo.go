//go:build conformance

package chat

import (
	"bytes"
	"net/http"
	"time"

	"websockets/server/identity"
	"websockets/server/quota"
)

// ServeEcho sends every text frame back. It is made of what ServeWS is made of, so
// that a conformance suite finds the faults of that. It is in no other build.
func (m *Manager) ServeEcho(w http.ResponseWriter, r *http.Request) {
	from := quota.AddressOf(r.RemoteAddr)
	addrQuota, err := m.quotas.AcquireAddress(from, time.Now())
	if err != nil {
		refuse(w, err)
		return
	}
	conn, err := m.upgrader.Upgrade(w, r, nil)
	if err != nil {
		m.quotas.Release(time.Now(), addrQuota)
		return
	}
	c := m.newClient(conn, identity.Session{User: "echo"}, "Echo", firstRoom{from: from, addrQuota: addrQuota})
	if c == nil {
		return
	}
	c.handle = func(frame []byte) { c.enqueue(outgoing{frame: textFrame(bytes.Clone(frame))}) }
	m.run(c)
}
