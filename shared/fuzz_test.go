package shared

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// FuzzEvent: no frame makes the decoder panic. A frame that it accepts is valid JSON
// without duplicate keys, and the event is the same after encoding and decoding it again.
// The same holds for its payload if an event type accepts it.
func FuzzEvent(f *testing.F) {
	for _, g := range goldens() {
		f.Add(g.read(f))
	}
	for _, frame := range []string{
		`{"type":"ping","TYPE":"ping"}`,
		inPayload(`[{"a":1,"\u0041":"\ud83d\ude80"},-0.5e+3,null]`),
		inPayload(`"\ud83d"`),
		inPayload(nested("[", "", "]", 31)),
		inPayload("{" + manyKeys(9) + "}"),
		"{\"type\":\"\xff\"}",
	} {
		f.Add([]byte(frame))
	}
	all := goldens()
	f.Fuzz(func(t *testing.T, frame []byte) {
		eventAlike(t, frame)
		if !compare(t, frame) {
			return
		}
		event, err := DecodeEvent(frame)
		if err != nil {
			t.Fatal(err)
		}
		written := encode(event)
		again, err := DecodeEvent(written)
		if err != nil {
			t.Fatalf("%q, decoded again: got %v, want no error", written, err)
		}
		if again.Type != event.Type || again.ID != event.ID || compact(t, again.Payload) != compact(t, event.Payload) {
			t.Errorf("decoded again: got %+v, want %+v", again, event)
		}
		for _, g := range all {
			framed, ok := g.reframe(event)
			if !ok {
				continue
			}
			again, err := DecodeEvent([]byte(framed))
			if err != nil {
				t.Fatalf("%s, framed as %q and decoded: got %v, want no error", g.spec.Name, framed, err)
			}
			if twice, ok := g.reframe(again); !ok || twice != framed || !utf8.ValidString(framed) {
				t.Errorf("%s, framed twice: got %q, want %q", g.spec.Name, twice, framed)
			}
		}
	})
}

func compact(t *testing.T, payload json.RawMessage) string {
	if payload == nil {
		return ""
	}
	var b bytes.Buffer
	if err := json.Compact(&b, payload); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
