package chat

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"websockets/server/servertest"
	"websockets/shared"
)

// Every event that carries an id gets exactly one answer with that id: the one that the
// catalogue names, or error. The events are the golden frames, which are about the room
// lobby.
func TestEveryEventWithAnIDIsAnswered(t *testing.T) {
	t.Parallel()
	for _, spec := range shared.Catalogue() {
		if spec.Direction != shared.ToServer {
			continue
		}
		if _, ok := shared.Find(shared.ToClient, spec.Answer); !ok {
			t.Errorf("%s: got the answer %q, want an event to the client", spec.Name, spec.Answer)
		}
		for name, payload := range goldenPayloads(t, spec) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { checkAnswers(t, spec, payload) })
			})
		}
	}
}

// goldenPayloads returns the payloads of the event's golden frames, by file.
func goldenPayloads(t *testing.T, spec shared.Spec) map[string]json.RawMessage {
	t.Helper()
	payloads := map[string]json.RawMessage{}
	for _, special := range []string{"", "-*"} {
		files, err := filepath.Glob("../../shared/testdata/to_server_" + spec.Name + special + ".json")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			frame, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			event, err := shared.DecodeEvent(frame)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			payloads[filepath.Base(file)] = event.Payload
		}
	}
	if len(payloads) == 0 {
		t.Errorf("%s: got no golden frame, want one", spec.Name)
	}
	return payloads
}

// checkAnswers sends the event, then again, and then with a payload that is refused.
func checkAnswers(t *testing.T, spec shared.Spec, payload json.RawMessage) {
	var c *servertest.Conn
	if spec.Name == shared.Authenticate.Name() || spec.Name == shared.RefreshToken.Name() {
		token := tokenFor(t, "ann", time.Hour, nil)
		payload = json.RawMessage(fmt.Sprintf(`{"token":%q}`, token)) // that of the golden frame is not valid
		c = serveInBubble(t, withTokens(t)).join("lobby", token)
	} else {
		c = serveInBubble(t).join("lobby") // a guest, who may set a name
	}
	servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.JoinRoom, shared.JoinPayload{Name: "go-team_2"}))
	ask := func(id string, payload json.RawMessage) shared.Event {
		t.Helper()
		frame, err := json.Marshal(shared.Event{Type: spec.Name, Payload: payload, ID: id})
		if err != nil {
			t.Fatal(err)
		}
		write(c, frame)
		write(c, shared.Ping.Frame("after-"+id, shared.Empty{}))
		servertest.TakeAnswer(c, shared.Pong, "after-"+id)
		time.Sleep(time.Second) // in the bubble's time: an answer may wait for the log
		c.Barrier()
		answer := c.Take("the answer to "+string(frame), func(e shared.Event) bool { return e.ID == id })
		c.None("a second answer to "+string(frame), func(e shared.Event) bool { return e.ID == id })
		return answer
	}
	if answer := ask("first", payload); answer.Type != spec.Answer {
		t.Errorf("answer to %s %s: got %s %s, want %s", spec.Name, payload, answer.Type, answer.Payload, spec.Answer)
	}
	if answer := ask("second", payload); answer.Type != spec.Answer && answer.Type != shared.Failed.Name() {
		t.Errorf("answer to %s again: got %s, want %s or error", spec.Name, answer.Type, spec.Answer)
	}
	if answer := ask("third", json.RawMessage("7")); answer.Type != shared.Failed.Name() {
		t.Errorf("answer to %s with a payload that is no object: got %s, want error", spec.Name, answer.Type)
	}
}
