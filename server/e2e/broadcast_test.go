package e2e

import (
	"testing"

	"websockets/server/servertest"
	"websockets/shared"
)

// TestABroadcastReachesEveryServer: an event that the log does not keep gets to a
// room's members on both servers, the same bytes to each. Neither its sender nor
// another room gets it.
func TestABroadcastReachesEveryServer(t *testing.T) {
	t.Parallel()
	nats := servertest.StartNATS(t, 1)
	a, b := serveOn(t, nats.URL()), serveOn(t, nats.URL())
	join := func(server *servertest.Process, room string) *servertest.Conn {
		c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: room})
		servertest.TakeEvent(c, shared.Synced)
		return c
	}
	sender, beside := join(a, "x"), join(a, "x")
	remote, outside := join(b, "x"), join(b, "y")
	isTyping := func(e shared.Event) bool { return e.Type == shared.Typing.Name() }

	const name = "<Ann & Bob>" // which encoding/json would escape by itself
	servertest.TakeAnswer(sender, shared.Ack, servertest.Send(sender, shared.SetName, shared.SetNamePayload{Name: name}))
	servertest.Send(sender, shared.StartTyping, shared.RoomPayload{})
	here, there := beside.Take("typing on the same server", isTyping), remote.Take("typing on the other server", isTyping)
	if string(there.Payload) != string(here.Payload) {
		t.Errorf("typing on the other server: got %s, want %s", there.Payload, here.Payload)
	}
	want := shared.TypingPayload{Room: "x", User: sender.Welcome.User, Name: name}
	if got := servertest.Payload(remote, shared.Typing, there); got != want {
		t.Errorf("typing: got %+v, want %+v", got, want)
	}
	outside.Barrier()
	outside.None("typing in another room", isTyping)

	// What comes back is the first that the sender gets.
	servertest.Send(remote, shared.StartTyping, shared.RoomPayload{})
	if got := servertest.TakeEvent(sender, shared.Typing); got.User != remote.Welcome.User {
		t.Errorf("typing: got that of %s, want that of %s alone", got.User, remote.Welcome.User)
	}
}
