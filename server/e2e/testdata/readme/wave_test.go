package chat

import (
	"testing"
	"testing/synctest"

	"websockets/server/servertest"
	"websockets/shared"
)

// TestWave is for the event that README adds.
func TestWave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c, other := s.join("x"), s.join("x")
		servertest.TakeAnswer(c, shared.Ack, servertest.Send(c, shared.Wave, shared.RoomPayload{}))
		want := shared.WavedPayload{Room: "x", User: c.Welcome.User}
		if got := servertest.TakeEvent(other, shared.Waved); got != want {
			t.Errorf("waved: got %+v, want %+v", got, want)
		}
		c.TakeRefusal(servertest.Send(c, shared.Wave, shared.RoomPayload{Room: "y"}), shared.CodeNotMember)
	})
}
