package chat

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/servertest"
	"websockets/shared"
)

// The tests in this file need real sockets, and say why. The place for any other is a
// bubble: see serveInBubble.

// serve is serveInBubble on a TCP socket of this machine, with TLS if the test asks
// for it, and in real time. The manager's writers serve such connections: without
// TLS they have a file descriptor to write to.
func serve(t testing.TB, change ...func(*setup)) *testServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return start(t, listener, change...)
}

// For a frame that cannot be an event, the connection is closed with a code that says
// why. What was sent before is stored, and others notice nothing. The code must not be
// lost, although a kernel resets a connection that is closed before everything was read;
// a connection in memory is not reset.
func TestInvalidFramesCloseConnection(t *testing.T) {
	t.Parallel()
	s := serve(t)
	bystander := s.join("x")
	megabyte := []byte(`{"type":"send_message","payload":{"message":"` + strings.Repeat("x", 1<<20) + `"}}`)
	text := func(data []byte) func(*servertest.Conn) error {
		return func(c *servertest.Conn) error { return c.Write(data) }
	}
	binary := func(c *servertest.Conn) error {
		return c.WS.WriteMessage(websocket.BinaryMessage, shared.Ping.Frame("", shared.Empty{}))
	}
	for _, test := range []struct {
		name string
		send func(*servertest.Conn) error
		code int
	}{
		{"binary", binary, shared.CloseUnsupportedData},
		{"64 KiB and a byte", text(megabyte[:shared.MaxFrameBytes+1]), shared.CloseTooBig},
		{"a megabyte", text(megabyte), shared.CloseTooBig},
		{"two megabytes", text(slices.Repeat(megabyte, 2)), shared.CloseTooBig},
		{"a megabyte in fragments", func(c *servertest.Conn) error { return fragments(c, megabyte, 10_000) }, shared.CloseTooBig},
		{"invalid UTF-8", text([]byte("{\"type\":\"send_message\",\"payload\":{\"message\":\"\xff\"}}")), shared.CloseInvalidText},
		{"UTF-8 cut off", text([]byte("{\"type\":\"\xe2\x82")), shared.CloseInvalidText},
	} {
		c := s.dial(servertest.DialOptions{Room: "x", Dialer: smallSendBuffer})
		servertest.TakeEvent(c, shared.RoomJoined)
		write(c, shared.SendMessage.Frame("", shared.SendMessagePayload{Message: "before " + test.name}))
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_ = test.send(c) // fails when the server has closed before the end
		}()
		c.AwaitClose(test.code)
		_ = c.WS.Close()
		<-sent
		if got := textsOf(bystander.TakeMessages(1)); !slices.Equal(got, []string{"before " + test.name}) {
			t.Errorf("%s: the bystander's messages: got %.200q, want the one before it", test.name, got)
		}
	}
	bystander.Say("still here")
}

// smallSendBuffer keeps the client's kernel from taking all of a large frame:
// when the server has seen enough, the rest is still to be written.
var smallSendBuffer = websocket.Dialer{NetDial: func(network, address string) (net.Conn, error) {
	conn, err := net.Dial(network, address)
	if err == nil {
		err = conn.(*net.TCPConn).SetWriteBuffer(256 << 10)
	}
	return conn, err
}}

// On sockets the pool's writers write, several at a time.
func TestAllMembersSeeTheSameOrderOnSockets(t *testing.T) {
	t.Parallel()
	checkSameOrder(t, serve(t))
}

// A full socket takes part of a write, mostly part of a frame. The rest follows when the
// client reads again.
func TestFullSocketLosesNothing(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.dial(servertest.DialOptions{Room: "x", SmallWindow: true})
	servertest.TakeEvent(c, shared.Synced)
	here := s.clientOf(c)
	all := long(0, slowMessages)
	s.put("x", all...)
	s.standsStill(here)
	for i, m := range c.TakeMessages(len(all)) {
		if m.Message != all[i] {
			t.Fatalf("message %d: got %.20q, want %.20q", i, m.Message, all[i])
		}
	}
}

// Acked messages are in the log, even if a shutdown comes while clients send. In a
// bubble no time would pass for the shutdown: while it waits, the clients go on.
func TestShutdownWhileMessagesAreSent(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const clients, window = 4, 10 // each has so many under way
	acked := make([]map[uint64]bool, clients)
	started := make(chan struct{}, clients)
	var all sync.WaitGroup
	for i := range acked {
		acked[i] = map[uint64]bool{}
		c := s.join("x")
		made := 0
		say := func() error {
			made++
			return c.WS.WriteMessage(websocket.TextMessage, shared.SendMessage.Frame(fmt.Sprint(made), shared.SendMessagePayload{Message: "text"}))
		}
		all.Go(func() {
			for range window {
				_ = say()
			}
			for {
				e, err := read(c)
				if err != nil {
					if !websocket.IsCloseError(err, shared.CloseRestart) {
						t.Errorf("the connection ended: got %v, want close code %d", err, shared.CloseRestart)
					}
					return
				}
				if e.Type != shared.Ack.Name() {
					continue
				}
				acked[i][servertest.Payload(c, shared.Ack, e).Seq] = true
				if len(acked[i]) == 10*window {
					started <- struct{}{}
				}
				_ = say() // fails when the connection is closing: reading tells why
			}
		})
	}
	for range clients {
		<-started
	}
	s.shutdown()
	all.Wait()
	stored := map[uint64]bool{}
	for _, m := range s.stored("x") {
		stored[m.Seq] = true
	}
	for i := range acked {
		for seq := range acked[i] {
			if !stored[seq] {
				t.Errorf("acked message %d: want it in the log", seq)
			}
		}
	}
}

// byUnixSocket is a dialer that has no TCP below it. Between a server that sends
// and a client that sends and does not read, TCP drops what the client has no room
// for, with the update of its window, and it can be 10 s and more until
// that is said again.
func (s *testServer) byUnixSocket() websocket.Dialer {
	listener, err := net.Listen("unix", filepath.Join(s.t.TempDir(), "socket"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { listener.Close() })
	go func() { _ = http.Serve(listener, s.http.Config.Handler) }()
	return websocket.Dialer{NetDial: func(string, string) (net.Conn, error) {
		return net.Dial("unix", listener.Addr().String())
	}}
}

// A flood is held back by the kernel's buffers too, where the pool's writers find the
// socket full.
func TestFloodIsHeldBackOnSockets(t *testing.T) {
	t.Parallel()
	s := serve(t)
	other := s.join("x")
	f := startFlood(s.dial(servertest.DialOptions{Room: "x", Dialer: s.byUnixSocket()}))
	// It is held back when it has not moved for a second in which another had many
	// messages acked and delivered.
	moved, held := time.Now(), s.clientOf(f.conn)
	for still, last := 0, int64(-1); still < 30 || time.Since(moved) < time.Second; still++ {
		held.out.NoteActivity() // it is not to be closed as silent, however long this takes
		sayAndHear(other, "another's")
		if now := f.written.Load(); now != last {
			still, last, moved = 0, now, time.Now()
		}
	}
	if n := f.written.Load(); n == floodMessages {
		t.Fatalf("messages of the flood: got all %d in, want it held back", n)
	}
	f.readOn(s)
}
