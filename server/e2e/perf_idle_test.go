//go:build perf

package e2e

import (
	"context"
	"testing"
	"time"

	"websockets/server/servertest"
)

// TestPerfIdleConnection: a connection that has nothing to say takes a few kilobytes
// of the server's memory, when the server has given back what it took to greet a
// crowd. Two more, and somebody has made each reader's stack larger, or keeps
// something that only a busy connection needs.
func TestPerfIdleConnection(t *testing.T) {
	const clients, aim = 3000, 8 << 10
	needFiles(t, clients+500)
	s := newStorm(t, 1, clients)
	s.front = make(chan struct{}, 100) // more at once leave a fragmented heap
	before := s.server.Memory()
	s.all("connecting", (*stormClient).come)
	least := s.server.Memory()
	calm, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_ = servertest.TryEventually(calm, "the server to give memory back", func() bool {
		least = min(least, s.server.Memory())
		return least <= before+clients*aim
	})
	servertest.Report(t, servertest.Figure{
		Name: "memory of an idle connection", Got: float64(least-before) / clients / 1024, Aim: aim / 1024, Unit: "KiB",
		Fails: 2, // it is memory, not time: noise is some percent
	})
}
