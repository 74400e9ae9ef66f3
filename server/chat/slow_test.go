package chat

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"websockets/server/delivery"
	"websockets/server/servertest"
	"websockets/server/timeline"
	"websockets/shared"
)

// long are texts of 16 KB, the most a message can have.
func long(first, n int) (list []string) {
	padding := strings.Repeat("𝒳", shared.MaxMessageLength-20)
	for i := range n {
		list = append(list, fmt.Sprint(first+i, " ", padding))
	}
	return list
}

// slowMessages is how many of the longest messages are more, by far, than a room's
// ring and the kernel hold for a connection with a small window: 2 MB.
const slowMessages = 120

// awaitFrame reads, without decoding them, frames up to one of this type, which has
// to contain text. The frames are large, and decoding them would be most of what a
// test does.
func awaitFrame(c *servertest.Conn, event, text string) {
	c.T.Helper()
	for {
		frame, err := c.Next()
		if err != nil {
			c.T.Fatalf("waiting for %s with %.30q: %v", event, text, err)
		}
		if !servertest.IsEvent(frame, event) {
			continue
		}
		if !bytes.Contains(frame, []byte(text)) {
			c.T.Fatalf("%s: got %.200q, want one with %.30q", event, frame, text)
		}
		return
	}
}

// standsStill waits until a write to the client does not get on.
func (s *testServer) standsStill(c *Client) {
	s.t.Helper()
	servertest.Eventually(s.t, "a write to the slow reader to stand still", func() bool { return c.out.Stalled() > 0 })
}

// A reader that has stopped delays nobody, costs no memory and misses nothing.
func TestSlowReaderDelaysNobodyAndMissesNothing(t *testing.T) {
	t.Parallel()
	s := serve(t)
	a, b := s.join("x"), s.join("x")
	slow := s.dial(servertest.DialOptions{Room: "x", SmallWindow: true})
	servertest.TakeEvent(slow, shared.Synced)
	here := s.clientOf(slow)
	all := long(0, slowMessages)

	// Two members talk in turn; each waits for what the other said, so a message
	// that is delayed delays everything.
	for i, text := range all {
		from, to := a, b
		if i%2 == 1 {
			from, to = b, a
		}
		here.out.NoteActivity() // it is not to be closed as silent, however long this takes
		write(from, `{"type":"send_message","payload":{"message":"`+text+`"}}`)
		awaitFrame(to, "new_message", text)
		awaitFrame(from, "new_message", text)
	}
	s.standsStill(here)
	if ring := s.manager.rooms.memory.Bytes(); ring > timeline.MaxRing {
		t.Errorf("bytes in the room's ring: got %d, want at most %d", ring, timeline.MaxRing)
	}

	// The same connection, reading again.
	for _, text := range all {
		awaitFrame(slow, "new_message", text)
	}
	slow.Barrier()
	slow.None("a message again", isMessageEvent)
}

// A slow reader is told which messages have expired, in their place. They are never left
// out silently.
func TestSlowReaderIsToldOfExpiredMessages(t *testing.T) {
	t.Parallel()
	s := serve(t, func(with *setup) { with.log.MaxRoomMessages = 10 })
	slow := s.dial(servertest.DialOptions{Room: "x", SmallWindow: true})
	servertest.TakeEvent(slow, shared.Synced)
	const messages = slowMessages
	for i := 0; i < messages; i += 20 {
		s.put("x", long(i, 20)...)
	}
	next, told, gone := 0, false, 0
	for next < messages {
		e := takeNext(slow)
		switch e.Type {
		case shared.RoomJoined.Name():
			joined := servertest.Payload(slow, shared.RoomJoined, e)
			told = told || joined.State == shared.StateTruncated
		case shared.NewMessage.Name():
			var i int
			if _, err := fmt.Sscan(servertest.Payload(slow, shared.NewMessage, e).Message, &i); err != nil {
				t.Fatal(err)
			}
			if i != next && !told {
				t.Fatalf("message after %d: got %d and no word of a gap, want %d", next-1, i, next)
			}
			gone += i - next
			next, told = i+1, false
		}
	}
	if gone == 0 {
		t.Error("messages that were gone: got none, want some")
	}
}

// While a member does not read, others join and leave.
func TestSlowReaderDoesNotDelayJoining(t *testing.T) {
	t.Parallel()
	s := serve(t)
	slow := s.dial(servertest.DialOptions{Room: "x", SmallWindow: true})
	servertest.TakeEvent(slow, shared.Synced)
	s.put("x", long(0, slowMessages)...)
	s.standsStill(s.clientOf(slow))
	for range 5 {
		c := s.join("x")
		c.Say("hello")
		c.Leave()
	}
}

// A write that stalls is interrupted, so that only one frame is kept in memory, and
// started again.
func TestStalledWriteIsInterrupted(t *testing.T) {
	t.Parallel()
	s := serve(t)
	slow := s.dial(servertest.DialOptions{Room: "x", SmallWindow: true})
	servertest.TakeEvent(slow, shared.Synced)
	here := s.clientOf(slow)
	all := long(0, slowMessages)
	s.put("x", all...)
	s.standsStill(here)
	servertest.Eventually(t, "the write to be begun again", func() bool { return here.out.Stalled() == 0 })
	for _, text := range all {
		awaitFrame(slow, "new_message", text)
	}
}

// A TLS connection cannot be used after an interrupted write, so its writes are not
// interrupted. A client that reads on in time gets everything on the same connection.
func TestSlowReaderOverTLSMissesNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, func(with *setup) { with.tls = true })
	dialer := websocket.Dialer{TLSClientConfig: s.http.Client().Transport.(*http.Transport).TLSClientConfig}
	slow := s.dial(servertest.DialOptions{Room: "x", Dialer: dialer, SmallWindow: true})
	servertest.TakeEvent(slow, shared.Synced)
	here := s.clientOf(slow)
	all := long(0, slowMessages)
	s.put("x", all...)
	servertest.Eventually(t, "a write to stand still for longer than one without TLS may", func() bool {
		return here.out.Stalled() > 3*delivery.Tick
	})
	for _, text := range all {
		awaitFrame(slow, "new_message", text)
	}
	slow.Barrier()
}

// Synced comes after all missed messages, however many they are.
func TestSyncedFollowsMissedMessages(t *testing.T) {
	t.Parallel()
	s := serve(t)
	all := long(0, shared.JoinBacklog) // much more than one write takes
	s.put("x", all...)
	for _, from := range []string{"the log", "the ring"} { // the second finds the ring of the first
		c := s.dial(servertest.DialOptions{Room: "x"})
		servertest.TakeEvent(c, shared.RoomJoined)
		for _, text := range all {
			if m := servertest.Payload(c, shared.NewMessage, takeNext(c)); m.Message != text {
				t.Fatalf("from %s: got message %.10q, want %.10q", from, m.Message, text)
			}
		}
		servertest.Payload(c, shared.Synced, takeNext(c))
	}
}
