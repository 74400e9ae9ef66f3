package client

import (
	"testing"
	"testing/synctest"
	"time"

	"websockets/shared"
)

func TestFrameObserver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		var seen []string
		h.SetFrameObserver(func(f Frame) {
			e, err := shared.DecodeEvent(f.Text)
			if err != nil || time.Since(f.At) != 0 {
				t.Errorf("frame: got %s at %v (%v), want an event at %v", f.Text, f.At, err, time.Now())
			}
			if f.Sent {
				e.Type = "> " + e.Type
			}
			seen = append(seen, e.Type+" "+e.ID)
		})
		if err := h.SendRaw(shared.Event{Type: "ping", ID: "mine"}); err != nil {
			t.Fatal(err)
		}
		id, _ := expect(p, shared.Ping)
		reply(p, shared.Pong, id, shared.Empty{})
		synctest.Wait()
		if len(seen) != 2 || seen[0] != "> ping mine" || seen[1] != "pong mine" {
			t.Errorf("seen: got %q, want the ping and the pong", seen)
		}
		h.SetFrameObserver(nil)
		p.message("general", 1, "you", "x")
		synctest.Wait()
		if len(seen) != 2 {
			t.Errorf("seen after the observer was removed: got %q, want the same two", seen)
		}
	})
}
