package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"websockets/shared"
	"websockets/wasm/client"
)

// fill gives the drawer n events of a type.
func fill(d *Drawer, n int, eventType string) {
	for range n {
		d.Add(client.Frame{Text: fmt.Appendf(nil, `{"type":%q}`, eventType)})
	}
}

func TestDrawerKeepsTheLastHundred(t *testing.T) {
	d := &Drawer{}
	if got := d.Summary(0); got != "0" {
		t.Errorf("words of an empty drawer: got %q, want 0", got)
	}
	fill(d, 60, "presence")
	fill(d, 63, "new_message")
	if got := len(d.Events("")); got != drawerEvents {
		t.Errorf("events: got %d, want %d", got, drawerEvents)
	}
	events := d.Events("")
	if events[0].Key != "24" || events[99].Key != "123" || d.Event("23") != nil || d.Event("24") != events[0] {
		t.Errorf("events: got %s to %s, want 24 to 123", events[0].Key, events[99].Key)
	}
	some := d.Events(" Message ")
	if len(some) != 63 || some[0].Type != "new_message" {
		t.Errorf("events that match the filter: got %d, want 63", len(some))
	}
	if got := d.Summary(len(some)); got != "63 of 100, 23 older dropped" {
		t.Errorf("words with a filter: got %q, want 63 of 100", got)
	}
	d.Pause(true)
	fill(d, 5, "late")
	if got := d.Summary(100); got != "100, 23 older dropped, 5 missed while paused" || !d.Paused() {
		t.Errorf("words of a paused drawer: got %q, want 5 missed", got)
	}
	d.Pause(false)
	d.Clear()
	fill(d, 1, "first")
	if got := d.Events(""); len(got) != 1 || got[0].Key != "124" || d.Summary(1) != "1" {
		t.Errorf("cleared: got %d events, %q, want 1", len(got), d.Summary(1))
	}
}

func TestDrawerMatchesAnswers(t *testing.T) {
	d := &Drawer{}
	now := time.Now()
	add := func(sent bool, after time.Duration, text string) *DrawerEvent {
		d.Add(client.Frame{Sent: sent, At: now.Add(after), Text: []byte(text)})
		events := d.Events("")
		return events[len(events)-1]
	}
	first := add(true, 0, `{"type":"send_message","payload":{"message":"x"},"id":"a"}`)
	other := add(true, 1, `{"type":"ping","id":"b"}`)
	again := add(true, time.Second, `{"type":"send_message","payload":{"message":"x"},"id":"a"}`)
	message := add(false, time.Second+time.Millisecond, `{"type":"new_message","payload":{"seq":7,"id":"a"}}`)
	ack := add(false, time.Second+12*time.Millisecond, `{"type":"ack","payload":{"room":"r","seq":7},"id":"a"}`)
	add(false, time.Minute, `{"type":"ack","payload":{"seq":8},"id":"a"}`) // nobody asked twice
	pong := add(false, 400*time.Microsecond, `{"type":"pong","id":"b"}`)
	for name, c := range map[string]struct {
		e              *DrawerEvent
		trip, seq, way string
	}{
		"first":   {first, "", "", "→"},
		"again":   {again, "12 ms", "", "→"},
		"other":   {other, "<1 ms", "", "→"},
		"message": {message, "", "seq 7", "←"},
		"ack":     {ack, "", "seq 7", "←"},
		"pong":    {pong, "", "", "←"},
	} {
		sign, word := c.e.Direction()
		if c.e.RoundTripText() != c.trip || c.e.SeqText() != c.seq || sign != c.way || (word == "sent") != c.e.Sent {
			t.Errorf("%s: got %q %q %s %s, want %q %q %s", name, c.e.RoundTripText(), c.e.SeqText(), sign, word, c.trip, c.seq, c.way)
		}
	}
}

func TestDrawerPrettyPrints(t *testing.T) {
	// As the standard library does it, for every frame that there can be.
	for _, text := range []string{
		`{"type":"ping"}`,
		`{"type":"x","payload":{},"list":[],"a":[1,[2,{"b":null}],"c,:{}[]\"\\"],"id":"i"}`,
		"{ \"type\" :\n\t\"x\" , \"payload\" : { \"a\" : [ 1 , 2 ] } }",
		`{"type":"new_message","payload":{"message":"a \"quoted\" <b>&amp; ünï 🎉\n"}}`,
	} {
		var compact, want bytes.Buffer
		if err := json.Compact(&compact, []byte(text)); err != nil {
			t.Fatal(err)
		}
		_ = json.Indent(&want, compact.Bytes(), "", "  ")
		d := &Drawer{}
		d.Add(client.Frame{Text: []byte(text)})
		if got := d.Events("")[0].Pretty(); got != want.String() {
			t.Errorf("%s\n got %s\nwant %s", text, got, want.String())
		}
	}
}

func TestDrawerIsBounded(t *testing.T) {
	for name, c := range map[string]struct{ text, size, name string }{
		"a page of history": {`{"type":"history","payload":{"messages":["` + strings.Repeat("ä", 600_000) + `"]}}`, "1.2 MB", "history"},
		"a message":         {`{"type":"new_message","payload":{"message":"` + strings.Repeat("x", 12_000) + `"}}`, "12 KB", "new_message"},
		"nothing but depth": {strings.Repeat("[{", 100_000), "200 KB", "not an event"},
		"the end of a text": {strings.Repeat(`"\`, 4000), "8.0 KB", "not an event"},
	} {
		d := &Drawer{}
		d.Add(client.Frame{Text: []byte(c.text)})
		e := d.Events("")[0]
		pretty := e.Pretty()
		if most := drawerText * (2*shared.MaxNesting + 4); len(pretty) > most || len(e.text) > drawerText+8 {
			t.Errorf("%s: got %d bytes kept, %d shown, want at most %d and %d", name, len(e.text), len(pretty), drawerText+8, most)
		}
		if e.SizeText() != c.size || e.Name() != c.name || !strings.HasSuffix(pretty, "…\n"+c.size+" in all") || !utf8.ValidString(pretty) {
			t.Errorf("%s: got %s %s …%s, want %s %s", name, e.Name(), e.SizeText(), pretty[len(pretty)-40:], c.name, c.size)
		}
	}
	for n, want := range map[int]string{0: "0 B", 999: "999 B", 1000: "1.0 KB", 9999: "9.9 KB", 10_000: "10 KB", 999_999: "999 KB", 1_048_576: "1.0 MB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d): got %q, want %q", n, got, want)
		}
	}
}
