package timeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"websockets/server/eventlog"
	"websockets/server/wsframe"
	"websockets/shared"
)

// A record of the log is a durable event of the catalogue, encoded by its handler,
// once, without its sequence. The sequence is known when the log has the record; it
// is spliced in when the frame is made, with no second pass over the JSON.
//
// A new_message is stored as its payload alone, {"id":…}; every other type as the
// event, {"type":…,"payload":{…}}.

var (
	messageStart = []byte(`{"id":"`)
	typedStart   = []byte(`{"type":"`)
	payloadStart = []byte(`","payload":`)
	seqStart     = []byte(`"payload":{"seq":`)
	newMessage   = []byte(shared.NewMessage.Name())
)

// IsMessage reports whether a record's body is a chat message's.
func IsMessage(body []byte) bool { return bytes.HasPrefix(body, messageStart) }

// split returns a record's type and payload, a JSON object that is not empty. It
// reports false for a body that is no record of ours.
func split(body []byte) (name, payload []byte, ok bool) {
	if IsMessage(body) {
		return newMessage, body, true
	}
	rest, ok := bytes.CutPrefix(body, typedStart)
	if !ok {
		return nil, nil, false
	}
	name, payload, ok = bytes.Cut(rest, payloadStart)
	payload, whole := bytes.CutSuffix(payload, []byte("}"))
	return name, payload, ok && whole && bytes.HasPrefix(payload, []byte(`{"`))
}

// Message decodes a chat message.
func Message(r eventlog.Record) (m shared.Message, err error) {
	if !IsMessage(r.Body) {
		return m, fmt.Errorf("record %d of %s is not a message", r.Seq, r.Room)
	}
	err = json.Unmarshal(r.Body, &m)
	m.Seq = r.Seq
	return m, err
}

// Event returns a record as the event that clients get, without its sequence. It
// reports false for a body that is no record of ours.
func Event(r eventlog.Record) (e shared.Event, ok bool) {
	name, payload, ok := split(r.Body)
	return shared.Event{Type: string(name), Payload: payload}, ok
}

// id returns the id in a record's body or in a frame, which is the first field of
// the payload beside the sequence.
func id(encoded []byte) string {
	_, rest, _ := bytes.Cut(encoded, []byte(`"id":"`))
	text, _, _ := bytes.Cut(rest, []byte{'"'})
	return string(text)
}

// CursorOf returns the cursor of a reader whose last record is r.
func CursorOf(epoch string, r eventlog.Record) shared.Cursor {
	return shared.Cursor{Epoch: epoch, Seq: r.Seq, ID: id(r.Body)}
}

// FrameSeq returns the sequence in a frame of a timeline.
func FrameSeq(frame []byte) uint64 {
	_, rest, _ := bytes.Cut(frame, seqStart)
	digits, _, _ := bytes.Cut(rest, []byte{','})
	seq, _ := strconv.ParseUint(string(digits), 10, 64)
	return seq
}

// maxFrameLength is how long a record's frame may become.
func maxFrameLength(body []byte) int {
	const message, digits, end = len(`{"type":"new_message","payload":{"seq":`), 20, 2
	return wsframe.MaxHeader + message + digits + len(body) + end
}

// AppendFrame appends a record's frame to dst: the event with its sequence as the
// payload's first field. A body that is no record of ours adds nothing.
func AppendFrame(dst []byte, seq uint64, body []byte) []byte {
	name, payload, ok := split(body)
	if !ok {
		return dst
	}
	var number [20]byte
	digits := strconv.AppendUint(number[:0], seq, 10)
	// The payload's { becomes the comma after the sequence.
	length := len(typedStart) + len(name) + len(`","payload":{"seq":`) + len(digits) + len(payload) + len(`}`)
	dst = wsframe.AppendHeader(dst, wsframe.Text, length)
	dst = append(dst, typedStart...)
	dst = append(dst, name...)
	dst = append(dst, `","payload":{"seq":`...)
	dst = append(dst, digits...)
	dst = append(dst, ',')
	dst = append(dst, payload[1:]...)
	return append(dst, '}')
}
