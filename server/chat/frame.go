package chat

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strconv"

	"websockets/server/eventlog"
	"websockets/shared"
)

// WebSocket opcodes (RFC 6455, 5.2) of the frames we write.
const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
)

// appendHeader adds the header of an unfragmented, unmasked frame.
func appendHeader(dst []byte, opcode byte, length int) []byte {
	dst = append(dst, 0x80|opcode)
	switch {
	case length < 126:
		return append(dst, byte(length))
	case length <= 0xFFFF:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 127), uint64(length))
	}
}

// frameOf returns payload as one frame.
func frameOf(opcode byte, payload []byte) []byte {
	return append(appendHeader(make([]byte, 0, 10+len(payload)), opcode, len(payload)), payload...)
}

// textFrame returns an event, as shared.Type.Frame encodes it, as one frame.
func textFrame(event []byte) []byte { return frameOf(opText, event) }

// closeFrame returns a close frame; a reason is at most 123 bytes.
func closeFrame(code int, reason string) []byte {
	payload := binary.BigEndian.AppendUint16(nil, uint16(code))
	return frameOf(opClose, append(payload, reason[:min(len(reason), 123)]...))
}

// frameLength returns the length of the first of frames, header included.
func frameLength(frames []byte) int {
	switch n := int(frames[1]); n {
	case 126:
		return 4 + int(binary.BigEndian.Uint16(frames[2:]))
	case 127:
		return 10 + int(binary.BigEndian.Uint64(frames[2:]))
	default:
		return 2 + n
	}
}

// A message is encoded by its handler, once, as the JSON of a shared.Message
// without its sequence, and stored so. The sequence is known when the log has
// it, and is spliced in when the frame is made: no second pass over the JSON.

const (
	messageStart = `{"type":"new_message","payload":{"seq":`
	messageEnd   = `}`
	bodyStart    = `{"id":"`
)

// isMessage reports whether a log record looks like one of ours.
func isMessage(body []byte) bool { return bytes.HasPrefix(body, []byte(bodyStart)) }

// messageID returns the id in a message's log record, or in its frame.
func messageID(encoded []byte) string {
	_, rest, _ := bytes.Cut(encoded, []byte(`"id":"`))
	id, _, _ := bytes.Cut(rest, []byte{'"'})
	return string(id)
}

// frameSeq returns the sequence in a message's frame.
func frameSeq(frame []byte) uint64 {
	_, rest, _ := bytes.Cut(frame, []byte(messageStart))
	digits, _, _ := bytes.Cut(rest, []byte{','})
	seq, _ := strconv.ParseUint(string(digits), 10, 64)
	return seq
}

// messageFrameLength is how much appendMessageFrame adds, at most.
func messageFrameLength(body []byte) int { return 10 + len(messageStart) + 20 + len(body) + 1 }

// appendMessageFrame adds the new_message frame of a log record.
func appendMessageFrame(dst []byte, seq uint64, body []byte) []byte {
	var number [20]byte
	digits := strconv.AppendUint(number[:0], seq, 10)
	// The record's { becomes the comma after the sequence.
	dst = appendHeader(dst, opText, len(messageStart)+len(digits)+len(body)+len(messageEnd))
	dst = append(dst, messageStart...)
	dst = append(dst, digits...)
	dst = append(dst, ',')
	dst = append(dst, body[1:]...)
	return append(dst, messageEnd...)
}

// decodeMessage reads a log record.
func decodeMessage(r eventlog.Record) (m shared.Message, err error) {
	err = json.Unmarshal(r.Body, &m)
	m.Seq = r.Seq
	return m, err
}
