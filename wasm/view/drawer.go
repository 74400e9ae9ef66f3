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
	// drawerEvents is how many events the drawer keeps, drawerText how many bytes of
	// the text of each.
	drawerEvents = 100
	drawerText   = 4 << 10
)

// Drawer keeps the last events of the connection, for a developer. It is filled
// only while it is open: closed, it costs nothing and keeps nothing.
type Drawer struct {
	events []*DrawerEvent // oldest first
	added  int            // ever, for the keys
	gone   int            // fell out at the other end
	missed int            // went past while paused
	paused bool
}

// DrawerEvent is one event as a row of the drawer.
type DrawerEvent struct {
	Key  string
	Sent bool
	At   time.Time
	Type string // empty if the frame is no event
	Size int    // bytes of the frame
	Seq  uint64 // of a new_message or an ack
	// Trip is how long the answer took, once there is one. It is Answered then.
	Trip     time.Duration
	Answered bool

	id   string
	text string // up to drawerText bytes
}

// Add puts a frame at the end.
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
	_ = json.Unmarshal(f.Text, &frame) // what cannot be read is shown as it is
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
		clear(d.events[:over]) // for the collector: the array goes on being used
		d.events = d.events[over:]
		d.gone += over
	}
}

// answered finds the question. One that was sent again on another connection has
// the same id: the last one counts.
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

// Clear takes all events out, and begins to count what is lost anew.
func (d *Drawer) Clear() {
	d.events, d.gone, d.missed = nil, 0, 0
}

// Pause stops the drawer, or lets it go on. What passes meanwhile is counted and
// not kept.
func (d *Drawer) Pause(paused bool) { d.paused = paused }

// Paused reports whether it stands still.
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

// Event returns the event of a key, nil if it has gone.
func (d *Drawer) Event(key string) *DrawerEvent {
	for _, e := range d.events {
		if e.Key == key {
			return e
		}
	}
	return nil
}

// Words says how many there are, and how many there are not; shown is how many
// the filter lets through.
func (d *Drawer) Summary(shown int) string {
	words := strconv.Itoa(shown)
	if shown != len(d.events) {
		words += " of " + strconv.Itoa(len(d.events))
	}
	if d.gone > 0 {
		words += ", " + strconv.Itoa(d.gone) + " older dropped"
	}
	if d.missed > 0 {
		words += ", " + strconv.Itoa(d.missed) + " missed while paused"
	}
	return words
}

// Way returns the direction as a sign and as a word.
func (e *DrawerEvent) Direction() (sign, word string) {
	if e.Sent {
		return "→", "sent"
	}
	return "←", "received"
}

// Name is the type, or what stands for it.
func (e *DrawerEvent) Name() string {
	if e.Type == "" {
		return "not an event"
	}
	return e.Type
}

// Clock is when it was, to the millisecond.
func (e *DrawerEvent) Clock() string { return e.At.Format("15:04:05.000") }

// SizeText is the frame's size.
func (e *DrawerEvent) SizeText() string { return size(e.Size) }

// SeqText names the sequence, empty if there is none.
func (e *DrawerEvent) SeqText() string {
	if e.Seq == 0 {
		return ""
	}
	return "seq " + strconv.FormatUint(e.Seq, 10)
}

// RoundTripText is how long the answer took, empty while there is none.
func (e *DrawerEvent) RoundTripText() string {
	switch {
	case !e.Answered:
		return ""
	case e.Trip < time.Millisecond:
		return "<1 ms"
	}
	return strconv.FormatInt(e.Trip.Milliseconds(), 10) + " ms"
}

// Pretty is the event's JSON with a line for each value. Of one that was too long
// to be kept it is the beginning.
func (e *DrawerEvent) Pretty() string {
	text := indent(e.text)
	if e.Size > drawerText {
		text += "\n" + size(e.Size) + " in all"
	}
	return text
}

// size says a number of bytes.
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

// indent lays JSON out. Unlike json.Indent it takes text that is cut off, and what
// is no JSON it leaves as it is, more or less.
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
