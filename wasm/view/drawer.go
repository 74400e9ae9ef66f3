package view

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"websockets/shared"
	"websockets/wasm/client"
)

const (
	// drawerEvents is how many events the drawer keeps, and drawerText how many bytes of
	// each.
	drawerEvents = 100
	drawerText   = 4 << 10
)

// Drawer keeps the last events of the connection, for developers. The page fills it
// only while it is open.
type Drawer struct {
	events  []*DrawerEvent // oldest first
	added   int            // events ever added, for the keys
	dropped int            // older events that were dropped
	missed  int            // events that passed while paused
	paused  bool
}

// DrawerEvent is one event: a row of the drawer.
type DrawerEvent struct {
	Key  string
	Sent bool
	At   time.Time
	Type string // empty if the frame is not an event
	Size int    // bytes of the frame
	Seq  uint64 // of a new_message or ack
	// Trip is the time until the answer. It is valid if Answered is true.
	Trip     time.Duration
	Answered bool

	id   string
	text string // the frame, at most drawerText bytes
}

// Add appends a frame.
func (d *Drawer) Add(f client.Frame) {
	if d.paused {
		d.missed++
		return
	}
	var frame struct {
		Type    string          `json:"type"`
		ID      string          `json:"id"`
		Payload json.RawMessage `json:"payload"`
	}
	_ = json.Unmarshal(f.Text, &frame) // a frame that is not JSON is shown as text
	d.added++
	e := &DrawerEvent{
		Key: strconv.Itoa(d.added), Sent: f.Sent, At: f.At, Type: shared.Clip(frame.Type, shared.MaxIDLength), Size: len(f.Text),
		id: frame.ID, text: shared.Clip(string(f.Text), drawerText),
	}
	if frame.Type == shared.NewMessage.Name() || frame.Type == shared.Ack.Name() {
		var payload struct {
			Seq uint64 `json:"seq"`
		}
		_ = json.Unmarshal(frame.Payload, &payload)
		e.Seq = payload.Seq
	}
	if !f.Sent && frame.ID != "" {
		d.answered(frame.ID, f.At)
	}
	d.events = append(d.events, e)
	if over := len(d.events) - drawerEvents; over > 0 {
		clear(d.events[:over]) // for the garbage collector: the array stays in use
		d.events = d.events[over:]
		d.dropped += over
	}
}

// answered sets the round-trip time of the event with this id. An event that was sent
// again on another connection has the same id: the last one counts.
func (d *Drawer) answered(id string, at time.Time) {
	for i := len(d.events) - 1; i >= 0; i-- {
		if e := d.events[i]; e.Sent && e.id == id {
			if !e.Answered {
				e.Answered, e.Trip = true, at.Sub(e.At)
			}
			return
		}
	}
}

// Clear removes all events and resets the counts.
func (d *Drawer) Clear() {
	d.events, d.dropped, d.missed = nil, 0, 0
}

// Pause pauses or resumes the drawer. While it is paused, events are only counted.
func (d *Drawer) Pause(paused bool) { d.paused = paused }

// Paused reports whether the drawer is paused.
func (d *Drawer) Paused() bool { return d.paused }

// Events lists the events whose type contains filter, oldest first.
func (d *Drawer) Events(filter string) []*DrawerEvent {
	filter = strings.ToLower(strings.TrimSpace(filter))
	var list []*DrawerEvent
	for _, e := range d.events {
		if strings.Contains(e.Type, filter) {
			list = append(list, e)
		}
	}
	return list
}

// Event returns the event with this key, nil if it was dropped.
func (d *Drawer) Event(key string) *DrawerEvent {
	for _, e := range d.events {
		if e.Key == key {
			return e
		}
	}
	return nil
}

// Summary counts the events: shown of all that are kept, and those that were dropped
// or missed.
func (d *Drawer) Summary(shown int) string {
	text := strconv.Itoa(shown)
	if shown != len(d.events) {
		text += " of " + strconv.Itoa(len(d.events))
	}
	if d.dropped > 0 {
		text += ", " + strconv.Itoa(d.dropped) + " older dropped"
	}
	if d.missed > 0 {
		text += ", " + strconv.Itoa(d.missed) + " missed while paused"
	}
	return text
}

// Direction returns the direction as an arrow and as a word.
func (e *DrawerEvent) Direction() (sign, word string) {
	if e.Sent {
		return "→", "sent"
	}
	return "←", "received"
}

// Name returns the event's type, or a placeholder if the frame is not an event.
func (e *DrawerEvent) Name() string {
	if e.Type == "" {
		return "not an event"
	}
	return e.Type
}

// Clock returns the time of the event, with milliseconds.
func (e *DrawerEvent) Clock() string { return e.At.Format("15:04:05.000") }

// SizeText returns the frame's size.
func (e *DrawerEvent) SizeText() string { return size(e.Size) }

// SeqText returns the sequence, empty if there is none.
func (e *DrawerEvent) SeqText() string {
	if e.Seq == 0 {
		return ""
	}
	return "seq " + strconv.FormatUint(e.Seq, 10)
}

// RoundTripText returns the time until the answer, empty if there is none yet.
func (e *DrawerEvent) RoundTripText() string {
	switch {
	case !e.Answered:
		return ""
	case e.Trip < time.Millisecond:
		return "<1 ms"
	}
	return strconv.FormatInt(e.Trip.Milliseconds(), 10) + " ms"
}

// Pretty returns the event's JSON with indentation. A long event is cut off.
func (e *DrawerEvent) Pretty() string {
	text := indent(e.text)
	if e.Size > drawerText {
		text += "\n" + size(e.Size) + " in all"
	}
	return text
}

// size formats a number of bytes.
func size(bytes int) string {
	switch {
	case bytes < 1000:
		return strconv.Itoa(bytes) + " B"
	case bytes < 10_000:
		return strconv.Itoa(bytes/1000) + "." + strconv.Itoa(bytes%1000/100) + " KB"
	case bytes < 1000_000:
		return strconv.Itoa(bytes/1000) + " KB"
	}
	return strconv.Itoa(bytes/1000_000) + "." + strconv.Itoa(bytes%1000_000/100_000) + " MB"
}

// indent indents JSON. Unlike json.Indent it accepts JSON that is cut off, and leaves
// other text nearly unchanged.
func indent(text string) string {
	var b strings.Builder
	depth, quoted := 0, false
	line := func() {
		b.WriteByte('\n')
		for range min(depth, shared.MaxNesting) {
			b.WriteString("  ")
		}
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quoted:
			b.WriteByte(c)
			if c == '\\' && i+1 < len(text) {
				i++
				b.WriteByte(text[i])
			} else if c == '"' {
				quoted = false
			}
		case c == '"':
			quoted = true
			b.WriteByte(c)
		case (c == '{' || c == '[') && i+1 < len(text) && text[i+1] == c+2: // empty; the pairs are two apart
			b.WriteString(text[i : i+2])
			i++
		case c == '{', c == '[':
			b.WriteByte(c)
			depth++
			line()
		case c == '}', c == ']':
			depth = max(0, depth-1)
			line()
			b.WriteByte(c)
		case c == ',':
			b.WriteByte(c)
			line()
		case c == ':':
			b.WriteString(": ")
		case c == ' ', c == '\t', c == '\n', c == '\r':
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
