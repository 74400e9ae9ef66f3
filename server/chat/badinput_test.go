package chat

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/delivery"
	"websockets/server/servertest"
	"websockets/shared"
)

// An invalid event is answered with an error and the connection stays open. Nothing is
// stored, and others notice nothing.
func TestInvalidEventsAreAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c, bystander := s.join("x"), s.join("x")
		message := func(text string) string {
			return string(shared.SendMessage.Frame("id", shared.SendMessagePayload{Message: text}))
		}
		for _, test := range []struct {
			name, frame string
			id          string // what the answer carries
			code        string
		}{
			{"unknown type", `{"type":"nonsense","payload":{},"id":"id"}`, "id", shared.CodeUnknownType},
			{"a server's type", `{"type":"new_message","payload":{"message":"hi"},"id":"id"}`, "id", shared.CodeUnknownType},
			{"a type in capitals", `{"type":"PING","id":"id"}`, "id", shared.CodeUnknownType},
			{"no type", `{"payload":{},"id":"id"}`, "id", shared.CodeBadJSON},
			{"type is a number", `{"type":7}`, "", shared.CodeBadJSON},
			{"payload is a list", `{"type":"send_message","payload":[],"id":"id"}`, "id", shared.CodeBadPayload},
			{"payload is text", `{"type":"send_message","payload":"hi","id":"id"}`, "id", shared.CodeBadPayload},
			{"message is a number", `{"type":"send_message","payload":{"message":5},"id":"id"}`, "id", shared.CodeBadPayload},
			{"seq is negative", `{"type":"mark_read","payload":{"room":"x","seq":-1},"id":"id"}`, "id", shared.CodeBadPayload},
			{"no payload", `{"type":"send_message","id":"id"}`, "id", shared.CodeBadMessage},
			{"empty message", message(""), "id", shared.CodeBadMessage},
			{"blank message", message(" \n\t"), "id", shared.CodeBadMessage},
			{"5,000 characters", message(strings.Repeat("é", 5000)), "id", shared.CodeBadMessage},
			{"a frame of 64 KiB", message(strings.Repeat("x", shared.MaxFrameBytes-len(message("")))), "id", shared.CodeBadMessage},
			{"half a surrogate pair", `{"type":"send_message","payload":{"message":"\ud800"},"id":"id"}`, "", shared.CodeBadJSON},
			{"room ../x", `{"type":"change_room","payload":{"name":"../x"},"id":"id"}`, "id", shared.CodeBadRoom},
			{"room *", `{"type":"change_room","payload":{"name":"*"},"id":"id"}`, "id", shared.CodeBadRoom},
			{"room >", `{"type":"join_room","payload":{"name":">"},"id":"id"}`, "id", shared.CodeBadRoom},
			{"room a.b", `{"type":"join_room","payload":{"name":"a.b"},"id":"id"}`, "id", shared.CodeBadRoom},
			{"no room", `{"type":"change_room","payload":{},"id":"id"}`, "id", shared.CodeBadRoom},
			{"to room *", `{"type":"send_message","payload":{"room":"*","message":"hi"},"id":"id"}`, "id", shared.CodeBadRoom},
			{"after is text", `{"type":"change_room","payload":{"name":"y","after":"zzz"},"id":"id"}`, "id", shared.CodeBadPayload},
			{"not a member", `{"type":"send_message","payload":{"room":"y","message":"hi"},"id":"id"}`, "id", shared.CodeNotMember},
			{"leaving a room not joined", `{"type":"leave_room","payload":{"name":"y"},"id":"id"}`, "id", shared.CodeNotMember},
			{"history of a room not joined", `{"type":"load_history","payload":{"room":"y"},"id":"id"}`, "id", shared.CodeNotMember},
			{"typing in a room not joined", `{"type":"typing","payload":{"room":"y"},"id":"id"}`, "id", shared.CodeNotMember},
			{"a mark in a room not joined", `{"type":"mark_read","payload":{"room":"y","seq":1},"id":"id"}`, "id", shared.CodeNotMember},
			{"history both ways", `{"type":"load_history","payload":{"before":1,"after":1},"id":"id"}`, "id", shared.CodeBadPayload},
			{"history of 201", `{"type":"load_history","payload":{"limit":201},"id":"id"}`, "id", shared.CodeBadPayload},
			{"no name", `{"type":"set_name","payload":{"name":""},"id":"id"}`, "id", shared.CodeBadName},
			{"a name of 33", `{"type":"set_name","payload":{"name":"` + strings.Repeat("n", 33) + `"},"id":"id"}`, "id", shared.CodeBadName},
			{"a name with a line end", `{"type":"set_name","payload":{"name":"a\nb"},"id":"id"}`, "id", shared.CodeBadName},
			{"a token", `{"type":"authenticate","payload":{"token":"t"},"id":"id"}`, "id", shared.CodeUnsupported},
			{"nested 10,000 deep", `{"type":"ping","payload":` + strings.Repeat(`{"a":`, 10_000) + `1` + strings.Repeat(`}`, 10_000) + `}`, "", shared.CodeBadJSON},
			{"nested and not ended", strings.Repeat(`[`, 10_000), "", shared.CodeBadJSON},
			{"a key twice", `{"type":"ping","type":"ping"}`, "", shared.CodeBadJSON},
			{"a key twice in the payload", `{"type":"send_message","payload":{"message":"a","message":"b"},"id":"id"}`, "", shared.CodeBadJSON},
			{"trailing data", `{"type":"ping"} x`, "", shared.CodeBadJSON},
			{"two events", `{"type":"ping"}{"type":"ping"}`, "", shared.CodeBadJSON},
			{"not JSON", `hello`, "", shared.CodeBadJSON},
			{"nothing", ``, "", shared.CodeBadJSON},
			{"a list", `[]`, "", shared.CodeBadJSON},
			{"null", `null`, "", shared.CodeBadJSON},
			{"half an event", `{"type":"ping"`, "", shared.CodeBadJSON},
			{"a malformed id", `{"type":"ping","id":"a b"}`, "", shared.CodeBadID},
			{"an id of 65", `{"type":"ping","id":"` + strings.Repeat("i", 65) + `"}`, "", shared.CodeBadID},
			{"id is a number", `{"type":"ping","id":7}`, "", shared.CodeBadJSON},
		} {
			write(c, test.frame)
			e := takeNext(c)
			refusal := servertest.Payload(c, shared.Failed, e)
			if refusal.Code != test.code || e.ID != test.id || refusal.Message == "" || len(refusal.Message) > 300 {
				t.Errorf("%s: answered %+v with id %q, want %s with id %q", test.name, refusal, e.ID, test.code, test.id)
			}
			c.Barrier()
			c.None(test.name+": something after the answer", notPresence)
		}
		c.Say("still here")
		if got := textsOf(bystander.TakeMessages(1)); !slices.Equal(got, []string{"still here"}) {
			t.Errorf("the bystander's messages: got %q, want one", got)
		}
		bystander.Barrier()
		bystander.None("an event", notPresence)
		if got := textsOf(s.stored("x")); !slices.Equal(got, []string{"still here"}) {
			t.Errorf("stored: got %.200q, want one", got)
		}
	})
}

func TestLongestMessageIsAccepted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.join("x")
		longest := strings.Repeat("𝒳", shared.MaxMessageLength) // 4 bytes each
		c.Say(longest)
		if m := c.TakeMessages(1)[0]; m.Message != longest {
			t.Errorf("%d bytes came back, want %d", len(m.Message), len(longest))
		}
	})
}

func TestInvalidRoomInURLIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		for _, room := range []string{"../x", "*", ">", "A", strings.Repeat("x", 65)} {
			c := s.dial(servertest.DialOptions{Room: room})
			if refusal := servertest.Payload(c, shared.Failed, takeNext(c)); refusal.Code != shared.CodeBadRoom {
				t.Errorf("room %q: got %+v, want %s", room, refusal, shared.CodeBadRoom)
			}
			c.TakeRefusal(servertest.Send(c, shared.SendMessage, shared.SendMessagePayload{Message: "?"}), shared.CodeNotMember)
			servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.ChangeRoom, shared.JoinPayload{Name: "x"}))
			c.Say("here")
		}
	})
}

// fragments sends a text message in fragments of n bytes.
func fragments(c *servertest.Conn, data []byte, n int) error {
	opcode := byte(websocket.TextMessage)
	for len(data) > 0 {
		part := data[:min(n, len(data))]
		data = data[len(part):]
		final := byte(0)
		if len(data) == 0 {
			final = 0x80
		}
		header := binary.BigEndian.AppendUint16([]byte{final | opcode, 0x80 | 126}, uint16(len(part)))
		frame := append(append(header, 0, 0, 0, 0), part...) // a mask of zeros changes nothing
		if _, err := c.WS.NetConn().Write(frame); err != nil {
			return err
		}
		opcode = 0
	}
	return nil
}

func TestFragmentedEventIsAccepted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := serveInBubble(t).join("x")
		if err := fragments(c, shared.Ping.Frame("in-pieces", shared.Empty{}), 7); err != nil {
			t.Fatal(err)
		}
		servertest.TakeAnswer(c, shared.Pong, "in-pieces")
	})
}

// A message has to be complete in time, even if fragments keep coming.
func TestIncompleteMessageTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		half, drip := s.join("x"), s.join("x")
		begun := time.Now()
		if _, err := half.WS.NetConn().Write([]byte{0x81, 0x80 | 100, 0, 0, 0, 0, '{', '"', 't'}); err != nil {
			t.Fatal(err)
		}
		// Another sends a fragment of one byte now and then, and never ends.
		if _, err := drip.WS.NetConn().Write([]byte{0x01, 0x80 | 1, 0, 0, 0, 0, '{'}); err != nil {
			t.Fatal(err)
		}
		var dripping sync.WaitGroup
		dripping.Go(func() {
			drops := time.NewTicker(delivery.Tick / 4)
			defer drops.Stop()
			for range drops.C {
				if _, err := drip.WS.NetConn().Write([]byte{0x00, 0x80 | 1, 0, 0, 0, 0, ' '}); err != nil {
					return // the connection is closed below
				}
			}
		})
		for _, c := range []*servertest.Conn{half, drip} {
			c.AwaitClose(shared.ClosePolicy)
			if took := time.Since(begun); took != messageWait+delivery.Tick {
				t.Errorf("closed after %v, want at the first tick after %v", took, messageWait)
			}
		}
		_ = drip.WS.Close()
		dripping.Wait()
		s.join("x").Say("others are not affected")
	})
}

// Whatever one client sends, the others' messages are delivered.
func TestGarbageDoesNotAffectOtherClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		a, b := s.join("x"), s.join("x")
		for i := range 20 {
			bad := s.dial(servertest.DialOptions{Room: "x"})
			if _, err := bad.WS.NetConn().Write([]byte(fmt.Sprint("GET / HTTP/1.1\r\n", strings.Repeat("\xff", i), "\r\n\r\n"))); err != nil {
				t.Fatal(err)
			}
			a.Say(fmt.Sprint(i))
			if got := b.TakeMessages(1)[0].Message; got != fmt.Sprint(i) {
				t.Errorf("message: got %q, want %d", got, i)
			}
			bad.AwaitClose(websocket.CloseProtocolError)
		}
	})
}
