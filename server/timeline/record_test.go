package timeline

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"websockets/server/eventlog"
	"websockets/server/wsframe"
	"websockets/shared"
)

// A record becomes a frame without its JSON being parsed. The frame is the same as if the
// message had been encoded with its sequence.
func TestMessageFrames(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"hi", `"id":"not-this-one" <&>`, strings.Repeat("x", 40), strings.Repeat("𝒳", 4096), strings.Repeat("\x01", 4096)} {
		for _, seq := range []uint64{1, 9, 10, 1<<64 - 1} {
			// Cover every length around the points where the header grows.
			for pad := range 12 {
				m := shared.Message{
					ID: "the-id", Room: "room", User: "user", From: "From", Message: text + strings.Repeat("p", pad),
					Sent: time.Date(2025, 11, 23, 1, 2, 3, 456e6, time.UTC),
				}
				body := m.Encode()
				if !IsMessage(body) {
					t.Fatalf("IsMessage(%.100q): got false, want true", body)
				}
				got := AppendFrame([]byte("before"), seq, body)
				m.Seq = seq
				want := append([]byte("before"), wsframe.NewText(shared.NewMessage.Frame("", m))...)
				if !bytes.Equal(got, want) {
					t.Fatalf("got %.300q\nwant %.300q", got, want)
				}
				frame := got[len("before"):]
				if len(frame) > maxFrameLength(body) {
					t.Errorf("bytes of the frame: got %d, want at most %d", len(frame), maxFrameLength(body))
				}
				if FrameSeq(frame) != seq || id(frame) != "the-id" || id(body) != "the-id" || wsframe.Length(frame) != len(frame) {
					t.Errorf("frame: got sequence %d, id %q and length %d, want %d, the-id and %d", FrameSeq(frame), id(frame), wsframe.Length(frame), seq, len(frame))
				}
				read, err := Message(eventlog.Record{Room: "room", Seq: seq, Body: body})
				if err != nil || fmt.Sprint(read) != fmt.Sprint(m) {
					t.Errorf("read %v, %v, want %v", read, err, m)
				}
			}
		}
	}
}
