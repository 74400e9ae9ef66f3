package servertest

import (
	"bytes"
	"fmt"
	"strconv"

	"websockets/shared"
)

// IsEvent reports whether a frame of the server is an event of this type. It does
// not decode it.
func IsEvent(frame []byte, name string) bool {
	rest, ok := bytes.CutPrefix(frame, []byte(`{"type":"`))
	return ok && bytes.HasPrefix(rest, []byte(name)) && rest[len(name)] == '"'
}

// Decode decodes a frame, which has to be of this type.
func Decode[P any](event shared.Type[P], frame []byte) (payload P, err error) {
	e, err := shared.DecodeEvent(frame)
	if err == nil && e.Type != event.Name() {
		err = fmt.Errorf("got %s, want %s", frame, event.Name())
	}
	if err == nil {
		payload, err = event.Decode(e)
	}
	return payload, err
}

// Stored is a message's place in the log, as an ack or a new_message tells it.
type Stored struct {
	Seq uint64
	ID  string
}

// Message is what a new_message brings.
type Message struct {
	Stored
	Room, Text string
}

// MessageIn reads a new_message. It scans the frame instead of decoding it, since
// a test reads a million of them; the text is as it was encoded.
func MessageIn(frame []byte) (m Message, ok bool) {
	if !IsEvent(frame, shared.NewMessage.Name()) {
		return m, false
	}
	m.Stored = storedIn(frame)
	m.Room, m.Text = Between(frame, `"room":"`, `"`), Between(frame, `"message":"`, `"`)
	return m, true
}

// AckIn reads an ack the same way.
func AckIn(frame []byte) (m Stored, ok bool) {
	if !IsEvent(frame, shared.Ack.Name()) {
		return m, false
	}
	return storedIn(frame), true
}

func storedIn(frame []byte) (m Stored) {
	m.Seq, _ = strconv.ParseUint(Between(frame, `"seq":`, `,`), 10, 64)
	m.ID = Between(frame, `"id":"`, `"`)
	return m
}

// Between returns what stands between the first of these texts and the next of
// the other.
func Between(text []byte, before, behind string) string {
	_, rest, _ := bytes.Cut(text, []byte(before))
	found, _, _ := bytes.Cut(rest, []byte(behind))
	return string(found)
}
