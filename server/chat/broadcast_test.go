package chat

import (
	"encoding/json"
	"testing"
	"testing/synctest"

	"websockets/shared"
)

// An event of another server reaches the room's members as it was encoded, if it goes to
// clients and is not durable. Anything else is dropped.
func TestEventsFromOtherServers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.join("x")
		send := s.fromPeer

		const payload = `{"room":"x","user":"u7","name":"<Zoë & Ann>"}`
		for name, message := range map[string]string{
			"as an event":           `{"server":"s2","event":{"type":"typing","payload":` + payload + `}}`,
			"from version 0.1.0":    `{"server":"s1","typing":` + payload + `}`,
			"with what comes later": `{"server":"s3","event":{"type":"typing","payload":` + payload + `},"later":{"a":[1]}}`,
		} {
			send("x", message)
			if e := c.Take("typing, "+name, isTyping); string(e.Payload) != payload {
				t.Errorf("typing, %s: got %s, want %s", name, e.Payload, payload)
			}
		}

		typing := `{"type":"typing","payload":` + payload + `}`
		for name, message := range map[string]string{
			"no server":               `{"event":` + typing + `}`,
			"its own":                 `{"server":"` + serverID + `","event":` + typing + `}`,
			"not JSON":                `{"server":"s2","event":` + typing,
			"not an object":           `["s2",` + typing + `]`,
			"a text":                  `{"server":"s2","event":"typing"}`,
			"no event":                `{"server":"s2","event":null}`,
			"a type twice":            `{"server":"s2","event":{"type":"typing","type":"typing","payload":` + payload + `}}`,
			"an answer":               `{"server":"s2","event":{"type":"ack","payload":{},"id":"a1"}}`,
			"a durable event":         `{"server":"s2","event":{"type":"new_message","payload":{"seq":1,"id":"m1","room":"x","user":"u7","from":"Zoë","message":"hi","sent":"2026-01-02T03:04:05Z"}}}`,
			"an event to the server":  `{"server":"s2","event":{"type":"send_message","payload":{"message":"hi"}}}`,
			"an event of no type":     `{"server":"s2","event":{"type":"nonsense","payload":{}}}`,
			"typing as text":          `{"server":"s1","typing":"u7"}`,
			"presence of the unknown": `{"server":"s2","came":[7]}`,
		} {
			send("x", message)
			c.Barrier()
			c.None("an event: "+name, notPresence)
			c.Forget()
		}
		send("y", `{"server":"s2","event":`+typing+`}`)
		c.Barrier()
		c.None("an event for a room that is not open", isTyping)
	})
}

func isTyping(e shared.Event) bool { return e.Type == shared.Typing.Name() }

// Servers of other versions read these keys.
func TestPeerMessageJSON(t *testing.T) {
	p := peerMessage{Event: shared.Typing.Frame("", shared.TypingPayload{Room: "x", User: "u7", Name: "Zoë"})}
	p.Server = "s2"
	const want = `{"server":"s2","event":{"type":"typing","payload":{"room":"x","user":"u7","name":"Zoë"}}}`
	if got, err := json.Marshal(p); err != nil || string(got) != want {
		t.Errorf("encoded: got %s, %v, want %s", got, err, want)
	}
}

// Presence counts users of other servers and tells who joins and leaves there.
func TestMembersAreToldOfUsersOnOtherServers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.join("x")
		news(c, 1) // its own coming
		s.fromPeer("x", `{"server":"s2","came":[{"user":"u7","name":"Zoë"},{"user":"u8","name":"Ann"}],"all":true}`)
		if joined, left := news(c, 3); len(joined) != 2 || len(left) > 0 {
			t.Errorf("presence: got joined %q, left %q, want u7 and u8 to join", joined, left)
		}
		s.fromPeer("x", `{"server":"s2","went":["u7"]}`)
		s.fromPeer("x", `{"server":"s2","all":true,"away":["u8"]}`)
		if joined, left := news(c, 1); len(joined) > 0 || len(left) != 2 {
			t.Errorf("presence: got joined %q, left %q, want u7 and u8 to leave", joined, left)
		}
		if _, joined := s.joined("x"); joined.Count != 2 {
			t.Errorf("users: got %d, want the two that are here", joined.Count)
		}
	})
}

// fromPeer hands a message of another server to a room, if it is open.
func (s *testServer) fromPeer(room, message string) {
	open := s.manager.rooms
	open.mu.Lock()
	r := open.byName[room]
	open.mu.Unlock()
	if r != nil {
		r.onPeerMessage([]byte(message))
	}
}
