//go:build perf && unix

package e2e

import (
	"testing"
	"time"

	"websockets/server/servertest"
)

// TestPerfIdleConnection: a connection that has nothing to say takes a few
// kilobytes of the server's memory, when the server has given back what it took to
// greet a crowd. Two more, and somebody has made each reader's stack larger,
// or keeps something that only a busy connection needs.
func TestPerfIdleConnection(t *testing.T) {
	const clients, limit = 3000, 8 << 10
	s := &storm{
		t: t, server: servertest.Start(t, "--rate", "0", "--fsync", "interval"),
		rooms: []string{"idle"}, front: make(chan struct{}, 100),
	}
	before := memory(t, s.server)
	for range clients {
		c := &stormClient{storm: s}
		s.clients = append(s.clients, c)
		t.Cleanup(c.cut)
	}
	s.all("connecting", (*stormClient).come)
	each := int64(0)
	for begin := time.Now(); time.Since(begin) < patience; {
		if each = (memory(t, s.server) - before) / clients; each <= limit {
			break
		}
	}
	t.Logf("%d bytes for each of %d connections", each, clients)
	if each > limit {
		t.Errorf("a connection takes %d bytes, want at most %d", each, limit)
	}
}
