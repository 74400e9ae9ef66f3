//go:build perf

package chat

import (
	"testing"
	"time"

	"websockets/server/delivery"
	"websockets/server/servertest"
	"websockets/shared"
)

// TestPerfPresence: the others in a room are told within two ticks who has come,
// left or vanished.
func TestPerfPresence(t *testing.T) {
	s := serve(t)
	c := s.join("x")
	news(c, 1) // its own coming
	var slowest time.Duration
	told := func(count int, begun time.Time) {
		news(c, count)
		slowest = max(slowest, time.Since(begun))
	}
	begun := time.Now()
	other := s.join("x")
	told(2, begun)
	begun = time.Now()
	servertest.Send(other, shared.ChangeRoom, shared.JoinPayload{Name: "y"})
	told(1, begun)
	third := s.join("x")
	news(c, 2)
	begun = time.Now()
	_ = third.WS.NetConn().Close()
	told(1, begun)
	servertest.Report(t, servertest.Figure{
		Name: "who comes and goes is told", Got: servertest.Milliseconds(slowest), Aim: servertest.Milliseconds(2 * delivery.Tick), Unit: "ms",
		Fails: 4, // the time is that of the server's ticks; a busy machine adds seconds at most
	})
}

// TestPerfShutdown: a server with a client that does not read ends in less than 5 s.
func TestPerfShutdown(t *testing.T) {
	s := serve(t)
	stuck := s.dial(servertest.DialOptions{Room: "x", SmallWindow: true})
	servertest.TakeEvent(stuck, shared.Synced)
	s.put("x", long(0, slowMessages)...)
	s.standsStill(s.clientOf(stuck))
	begun := time.Now()
	s.shutdown()
	servertest.Report(t, servertest.Figure{
		Name: "shutdown with a client that does not read", Got: servertest.Milliseconds(time.Since(begun)), Aim: 5000, Unit: "ms",
		Fails: 2, // its parts are time-outs, of 4 s in all
	})
}
