package shared

import (
	"context"
	"strings"
	"testing"
)

// sampleText is a message of typical length: 80 characters.
var sampleText = strings.Repeat("Hello! ", 11) + "Ann"

// sample is an event on the wire, with the work of both ends.
type sample struct {
	name   string
	frame  func() []byte
	decode func(Event) error
}

func sampleOf[T any](t Type[T], id string, payload T) sample {
	return sample{
		name:  t.Name(),
		frame: func() []byte { return t.Frame(id, payload) },
		decode: func(e Event) error {
			_, err := t.Decode(e)
			return err
		},
	}
}

// samples are the three events that carry a message.
func samples() []sample {
	const id = "ZKQ7B4WX2N6M5T3RHJ8LYDPVGC"
	return []sample{
		sampleOf(SendMessage, id, SendMessagePayload{Message: sampleText}),
		sampleOf(Ack, id, AckPayload{Room: "den", Seq: 123456, Sent: noon}),
		sampleOf(NewMessage, "", Message{Seq: 123456, ID: id, Room: "den", User: "g-3fXk29QpLmZ7", From: "Ann", Message: sampleText, Sent: noon}),
	}
}

func BenchmarkFrame(b *testing.B) {
	for _, s := range samples() {
		b.Run("event="+s.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(s.frame())))
			for b.Loop() {
				s.frame()
			}
		})
	}
}

// BenchmarkDecodeEvent measures decoding the envelope, including the strict check.
func BenchmarkDecodeEvent(b *testing.B) {
	for _, s := range samples() {
		b.Run("event="+s.name, func(b *testing.B) {
			frame := s.frame()
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				if _, err := DecodeEvent(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDecode measures decoding the payload.
func BenchmarkDecode(b *testing.B) {
	for _, s := range samples() {
		b.Run("event="+s.name, func(b *testing.B) {
			frame := s.frame()
			e, err := DecodeEvent(frame)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				if err := s.decode(e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCheckStrict(b *testing.B) {
	for _, s := range samples() {
		b.Run("event="+s.name, func(b *testing.B) {
			frame := s.frame()
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				if _, err := checkStrict(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRoute measures finding the handler of a send_message, decoding its payload and
// calling the handler.
func BenchmarkRoute(b *testing.B) {
	handled := 0
	r := everything(ToServer, SendMessage.Name())
	On(r, SendMessage, func(context.Context, any, SendMessagePayload) error { handled++; return nil })
	if err := r.Check(); err != nil {
		b.Fatal(err)
	}
	e, err := DecodeEvent(samples()[0].frame())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Route(b.Context(), nil, e); err != nil {
			b.Fatal(err)
		}
	}
	if handled != b.N {
		b.Fatalf("%d of %d were handled", handled, b.N)
	}
}
