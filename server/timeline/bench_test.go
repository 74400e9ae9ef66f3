package timeline

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"websockets/shared"
)

// sampleMessage is a message of typical length: 80 characters.
func sampleMessage() shared.Message {
	return shared.Message{
		ID: "ZKQ7B4WX2N6M5T3RHJ8LYDPVGC", Room: "den", User: "g-3fXk29QpLmZ7", From: "Ann", Message: strings.Repeat("Hello! ", 11) + "Ann",
		Sent: time.Date(2025, 11, 23, 1, 2, 3, 456e6, time.UTC),
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	body := sampleMessage().Encode()
	frame := AppendFrame(nil, 123456, body)
	b.ReportAllocs()
	b.SetBytes(int64(len(frame)))
	for b.Loop() {
		frame = AppendFrame(frame[:0], 123456, body)
	}
}

// BenchmarkRingAdd includes making the ring's chunks and dropping old ones.
func BenchmarkRingAdd(b *testing.B) {
	var total atomic.Int64
	r := ring{total: &total}
	body := sampleMessage().Encode()
	b.ReportAllocs()
	for b.Loop() {
		r.add(r.head+1, body)
	}
}

// BenchmarkRingAfter looks for new messages: for the last one, and for the last hundred.
func BenchmarkRingAfter(b *testing.B) {
	var total atomic.Int64
	r := ring{total: &total}
	body := sampleMessage().Encode()
	for range 1000 {
		r.add(r.head+1, body)
	}
	for _, behind := range []uint64{1, 100} {
		b.Run(fmt.Sprintf("behind=%d", behind), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if frames, _ := r.after(r.head - behind); len(frames) == 0 {
					b.Fatal("there is nothing")
				}
			}
		})
	}
}
