//go:build unix

package chat

import (
	"bytes"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/eventlog/jetstream"
	"websockets/shared"
)

// BenchmarkSend is the whole way of a message: a client with a window of 16 sends
// to its room as fast as the acks come, and everybody in the room gets it. The
// sender's own work is in it, and hardly any of the other members'.
func BenchmarkSend(b *testing.B) {
	for _, fsync := range []string{"interval", "always"} {
		for _, members := range []int{1, 100} {
			b.Run(fmt.Sprintf("fsync=%s/members=%d", fsync, members), func(b *testing.B) {
				s := serve(b, func(s *setup) { s.onDisk = &jetstream.Options{SyncAlways: fsync == "always"} })
				conn := s.join("den").WS
				stop := s.listen("den", members-1)
				window := make(chan struct{}, 16)
				var reader sync.WaitGroup
				reader.Go(func() { takeAcks(conn, window) })
				id := 0
				b.ReportAllocs()
				for b.Loop() {
					window <- struct{}{}
					id++
					frame := shared.SendMessage.Frame(strconv.Itoa(id), shared.SendMessagePayload{Message: sampleMessage().Message})
					if err := conn.WriteMessage(websocket.TextMessage, frame); err != nil {
						b.Fatal(err)
					}
				}
				for range cap(window) {
					window <- struct{}{}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
				stop()
				conn.Close()
				reader.Wait()
			})
		}
	}
}

// sampleMessage is a message as people write them: 80 characters.
func sampleMessage() shared.Message {
	return shared.Message{
		ID: "ZKQ7B4WX2N6M5T3RHJ8LYDPVGC", Room: "den", User: "g-3fXk29QpLmZ7", From: "Ann", Message: strings.Repeat("Hello! ", 11) + "Ann",
		Sent: time.Date(2025, 11, 23, 1, 2, 3, 456e6, time.UTC),
	}
}

// takeAcks gives a place in the window back for each ack.
func takeAcks(conn *websocket.Conn, window <-chan struct{}) {
	var frame bytes.Buffer
	for {
		_, r, err := conn.NextReader()
		if err != nil {
			return
		}
		frame.Reset()
		if _, err := frame.ReadFrom(r); err != nil {
			return
		}
		if bytes.HasPrefix(frame.Bytes(), []byte(`{"type":"ack"`)) {
			<-window
		}
	}
}

// listen lets so many members join the room, and takes what they are sent once in
// a while, so that they hardly need the processor. stop fails the benchmark if not
// all are still there.
func (s *testServer) listen(room string, members int) (stop func()) {
	var peers []int
	for range members {
		conn := s.join(room).WS.NetConn().(*net.TCPConn)
		raw, err := conn.SyscallConn()
		if err != nil {
			s.t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) {
			var peer int
			if peer, err = syscall.Dup(int(fd)); err == nil {
				peers = append(peers, peer)
			}
		})
		if err != nil {
			s.t.Fatal(err)
		}
		conn.Close() // the runtime does not watch the other one
	}
	ended := make(chan struct{})
	var taking sync.WaitGroup
	taking.Go(func() {
		buf := make([]byte, 64<<10)
		now := time.NewTicker(10 * time.Millisecond)
		defer now.Stop()
		for {
			select {
			case <-now.C:
			case <-ended:
				return
			}
			for _, peer := range peers {
				n, err := syscall.Read(peer, buf)
				for n > 0 {
					n, err = syscall.Read(peer, buf)
				}
				if err != syscall.EAGAIN {
					s.t.Errorf("a member's connection: got %d, %v, want it open", n, err)
					return
				}
			}
		}
	})
	return func() {
		close(ended)
		taking.Wait()
		for _, peer := range peers {
			_ = syscall.Close(peer)
		}
	}
}
