package view

import (
	"strings"
	"testing"
	"time"

	"websockets/wasm/client"
)

// Only the beginning of a long message is shown until the reader asks for the rest, and
// in another room all messages are folded again.
func TestLongMessagesAreFolded(t *testing.T) {
	v := room(1, 3)
	v.Room.Messages[1].Message = "a" + strings.Repeat("\n", maxLines) + "b"
	v.Room.Messages[2].Message = strings.Repeat("a\n", maxLines-1) + "b"
	v.Room.Outgoing = []client.OutgoingMessage{{ID: "mine", Text: strings.Repeat("\n", 4000), Written: noon.Add(time.Hour), State: client.Pending}}
	tl := &Timeline{}
	check := func(what string, want map[string]string) {
		t.Helper()
		for _, e := range tl.show(v) {
			if e.More != want[e.Key] || e.Folded != (e.More == "Show more") {
				t.Errorf("%s, row %s: got %q, folded %v, want %q", what, e.Key, e.More, e.Folded, want[e.Key])
			}
		}
	}
	long := v.Key(v.Room.Messages[1])
	check("at first", map[string]string{long: "Show more", "mine": "Show more"})
	if !tl.ToggleFold(long) || tl.AtEnd {
		t.Errorf("ToggleFold at the end: got at the end %v, want it unfolded and the reader where it begins", tl.AtEnd)
	}
	check("unfolded", map[string]string{long: "Show less", "mine": "Show more"})
	if tl.ToggleFold(long) {
		t.Error("ToggleFold again: got it unfolded, want it folded")
	}
	check("folded again", map[string]string{long: "Show more", "mine": "Show more"})
	tl.ToggleFold(long)
	elsewhere := v
	elsewhere.Room.Name = "elsewhere"
	tl.show(elsewhere)
	check("after another room", map[string]string{long: "Show more", "mine": "Show more"})
}
