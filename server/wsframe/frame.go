package wsframe

import "encoding/binary"

// Opcodes of the frames that a server writes.
const (
	Text  = 0x1
	Close = 0x8
	Ping  = 0x9
	Pong  = 0xA
)

// MaxHeader is the largest length of a header.
const MaxHeader = 10

// AppendHeader appends the header of a frame whose payload has length bytes.
func AppendHeader(dst []byte, opcode byte, length int) []byte {
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

// New returns payload as one frame.
func New(opcode byte, payload []byte) []byte {
	return append(AppendHeader(make([]byte, 0, MaxHeader+len(payload)), opcode, len(payload)), payload...)
}

// NewText returns an event, as shared.Type.Frame encodes it, as one frame.
func NewText(event []byte) []byte { return New(Text, event) }

// NewClose returns a close frame. A reason that is longer than the 123 bytes that
// fit is cut off.
func NewClose(code int, reason string) []byte {
	payload := binary.BigEndian.AppendUint16(nil, uint16(code))
	return New(Close, append(payload, reason[:min(len(reason), 123)]...))
}

// Length returns the length of the first of frames, header included.
func Length(frames []byte) int {
	switch n := int(frames[1]); n {
	case 126:
		return 4 + int(binary.BigEndian.Uint16(frames[2:]))
	case 127:
		return 10 + int(binary.BigEndian.Uint64(frames[2:]))
	default:
		return 2 + n
	}
}
