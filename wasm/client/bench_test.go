package client

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"websockets/shared"
	"websockets/wasm/client/roomsync"
)

// frames makes the frames of a room's messages, one after the other.
type frames struct {
	head, tail string
	seq        uint64
}

func newFrames(room string) *frames {
	const mark = 987654321
	text := string(shared.NewMessage.Frame("", shared.Message{
		Seq: mark, ID: "Ab3dEf6hIj9lMn2p", Room: room, User: "u-0123456789abcdef", From: "Somebody",
		Message: "a line of a long conversation about nothing in particular", Sent: time.UnixMilli(1_790_000_000_123).UTC(),
	}))
	var f frames
	for i := range text {
		if n, found := len(strconv.Itoa(mark)), text[i:]; len(found) > n && found[:n] == strconv.Itoa(mark) {
			f.head, f.tail = text[:i], found[n:]
		}
	}
	return &f
}

// next returns the next frame in memory of its own, like a frame that was read.
func (f *frames) next() []byte {
	f.seq++
	frame := make([]byte, 0, len(f.head)+20+len(f.tail))
	return append(strconv.AppendUint(append(frame, f.head...), f.seq, 10), f.tail...)
}

// benched is a client that is in general, without a connection.
func benched(b *testing.B) *Client {
	c, err := New(Config{URL: "ws://chat.test/ws", OnMessage: func(shared.Message) {}, OnChange: func() {}})
	if err != nil {
		b.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	start := shared.Cursor{Epoch: "e1"}
	c.routeEvent(b.Context(), shared.Welcome.Frame("", shared.WelcomePayload{User: "me", Name: "Me", Heartbeat: 25}))
	c.routeEvent(b.Context(), shared.RoomJoined.Frame("", shared.RoomJoinedPayload{Room: "general", Cursor: start, State: shared.StateNew}))
	c.routeEvent(b.Context(), shared.Synced.Frame("", shared.SyncedPayload{Room: "general", Cursor: start}))
	return c
}

// BenchmarkNewMessage takes a frame to the room's tail.
func BenchmarkNewMessage(b *testing.B) {
	c, f := benched(b), newFrames("general")
	c.mu.Lock()
	defer c.mu.Unlock()
	b.ReportAllocs()
	for b.Loop() {
		c.routeEvent(b.Context(), f.next())
		c.callbacks.queue = c.callbacks.queue[:0]
	}
	r, _ := c.rooms.View("general")
	last := r.Messages[len(r.Messages)-1].Seq
	if last != f.seq || len(r.Messages) != min(roomsync.MaxTail, int(f.seq)) {
		b.Fatalf("room after %d messages: got %d up to %d, want %d up to %d", f.seq, len(r.Messages), last, min(roomsync.MaxTail, int(f.seq)), f.seq)
	}
}

// BenchmarkReceive takes frames from the connection to the callbacks, through Run.
// The pipe holds half as many as a page of the log has messages.
func BenchmarkReceive(b *testing.B) {
	p := newPipeOf(64)
	told, done := 0, make(chan struct{})
	c, err := New(Config{
		URL:      "ws://chat.test/ws",
		Dial:     func(context.Context, string, string) (Conn, error) { return p, nil },
		OnChange: func() {},
		OnMessage: func(shared.Message) {
			if told++; told == b.N {
				close(done)
			}
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		for range p.toServer {
		}
	}()
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	start := shared.Cursor{Epoch: "e1"}
	p.toClient <- shared.Welcome.Frame("", shared.WelcomePayload{User: "me", Name: "Me", Heartbeat: 25})
	p.toClient <- shared.RoomJoined.Frame("", shared.RoomJoinedPayload{Room: "general", Cursor: start, State: shared.StateNew})
	p.toClient <- shared.Synced.Frame("", shared.SyncedPayload{Room: "general", Cursor: start})
	go func() { ended <- c.Run(ctx) }()
	b.ReportAllocs()
	b.ResetTimer()
	f := newFrames("general")
	for range b.N {
		p.toClient <- f.next()
	}
	<-done
	b.StopTimer()
	stop()
	<-ended
	close(p.toServer)
}

// BenchmarkHistory decodes a page of the log, as LoadOlder does.
func BenchmarkHistory(b *testing.B) {
	page := shared.HistoryPayload{Room: "general", More: true}
	for seq := range uint64(roomsync.PageSize) {
		page.Messages = append(page.Messages, shared.Message{
			Seq: seq + 1, ID: fmt.Sprint("id", seq), Room: "general", User: "u-0123456789abcdef", From: "Somebody",
			Message: "a line of a long conversation about nothing in particular", Sent: time.UnixMilli(1_790_000_000_123).UTC(),
		})
	}
	frame := shared.History.Frame("a1", page)
	b.ReportAllocs()
	for b.Loop() {
		e, err := shared.DecodeEvent(frame)
		if err == nil {
			_, err = shared.History.Decode(e)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*roomsync.PageSize), "ns/message")
}
