package wsframe

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"websockets/shared"
)

// RFC 6455, 5.2: the length is in the header's second byte, or after it in two
// bytes or in eight.
func TestFrameHeaders(t *testing.T) {
	t.Parallel()
	for length, header := range map[int]string{
		0:     "8100",
		1:     "8101",
		125:   "817d",
		126:   "817e007e",
		127:   "817e007f",
		65535: "817effff",
		65536: "817f0000000000010000",
	} {
		payload := bytes.Repeat([]byte{'x'}, length)
		frame := NewText(payload)
		head := frame[:len(frame)-length]
		if hex.EncodeToString(head) != header || !bytes.Equal(frame[len(head):], payload) {
			t.Errorf("the header of %d bytes is %x, want %s", length, head, header)
		}
		if n := Length(append(frame, "the next"...)); n != len(frame) {
			t.Errorf("Length of a frame of %d bytes: got %d, want %d", length, n, len(frame))
		}
	}
	for opcode, header := range map[byte]string{Ping: "8902", Pong: "8a02", Close: "8802"} {
		if got := hex.EncodeToString(New(opcode, []byte("hi"))[:2]); got != header {
			t.Errorf("opcode %x: %s, want %s", opcode, got, header)
		}
	}
}

func TestCloseFramesFitAControlFrame(t *testing.T) {
	t.Parallel()
	if got := NewClose(shared.CloseRestart, "why"); !bytes.Equal(got, []byte("\x88\x05\x03\xf4why")) {
		t.Errorf("close frame: got % x, want 88 05, the code and the reason", got)
	}
	if got := NewClose(shared.CloseNormal, strings.Repeat("x", 500)); got[1] != 125 || len(got) != 127 {
		t.Errorf("close frame: got %d bytes and %d in the header, want 127 and 125", len(got), got[1])
	}
}
