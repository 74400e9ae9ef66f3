package chat

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"websockets/server/eventlog"
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
		frame := textFrame(payload)
		head := frame[:len(frame)-length]
		if hex.EncodeToString(head) != header || !bytes.Equal(frame[len(head):], payload) {
			t.Errorf("the header of %d bytes is %x, want %s", length, head, header)
		}
		if n := frameLength(append(frame, "the next"...)); n != len(frame) {
			t.Errorf("frameLength of a frame of %d bytes: got %d, want %d", length, n, len(frame))
		}
	}
	for opcode, header := range map[byte]string{opPing: "8902", opPong: "8a02", opClose: "8802"} {
		if got := hex.EncodeToString(frameOf(opcode, []byte("hi"))[:2]); got != header {
			t.Errorf("opcode %x: %s, want %s", opcode, got, header)
		}
	}
}

func TestCloseFramesFitAControlFrame(t *testing.T) {
	t.Parallel()
	if got := closeFrame(shared.CloseRestart, "why"); !bytes.Equal(got, []byte("\x88\x05\x03\xf4why")) {
		t.Errorf("close frame: got % x, want 88 05, the code and the reason", got)
	}
	if got := closeFrame(shared.CloseNormal, strings.Repeat("x", 500)); got[1] != 125 || len(got) != 127 {
		t.Errorf("close frame: got %d bytes and %d in the header, want 127 and 125", len(got), got[1])
	}
}

// The frame that is made from a log record without reading its JSON is the one
// that encoding the message with its sequence would make.
func TestMessageFrames(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"hi", `"id":"not-this-one" <&>`, strings.Repeat("x", 40), strings.Repeat("𝒳", 4096), strings.Repeat("\x01", 4096)} {
		for _, seq := range []uint64{1, 9, 10, 1<<64 - 1} {
			// Every length around where the header grows.
			for pad := range 12 {
				m := shared.Message{
					ID: "the-id", Room: "room", User: "user", From: "From", Message: text + strings.Repeat("p", pad),
					Sent: time.Date(2025, 11, 23, 1, 2, 3, 456e6, time.UTC),
				}
				body := m.Encode()
				if !isMessage(body) {
					t.Fatalf("isMessage(%.100q): got false, want true", body)
				}
				got := appendMessageFrame([]byte("before"), seq, body)
				m.Seq = seq
				want := append([]byte("before"), textFrame(shared.NewMessage.Frame("", m))...)
				if !bytes.Equal(got, want) {
					t.Fatalf("got %.300q\nwant %.300q", got, want)
				}
				frame := got[len("before"):]
				if len(frame) > messageFrameLength(body) {
					t.Errorf("bytes of the frame: got %d, want at most %d", len(frame), messageFrameLength(body))
				}
				if frameSeq(frame) != seq || messageID(frame) != "the-id" || messageID(body) != "the-id" || frameLength(frame) != len(frame) {
					t.Errorf("frame: got sequence %d, id %q and length %d, want %d, the-id and %d", frameSeq(frame), messageID(frame), frameLength(frame), seq, len(frame))
				}
				read, err := decodeMessage(eventlog.Record{Room: "room", Seq: seq, Body: body})
				if err != nil || fmt.Sprint(read) != fmt.Sprint(m) {
					t.Errorf("read %v, %v, want %v", read, err, m)
				}
			}
		}
	}
}
