package chat

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/eventlog/jetstream"
	"websockets/server/identity"
	"websockets/server/servertest"
	"websockets/shared"
)

// Every test stops its servers before it ends, so when all are done no
// connection, no follower and nothing of the embedded NATS may run.
func TestMain(m *testing.M) {
	flag.Parse()
	// Most of the tests wait for the server's ticks, so more of them run at a time
	// than there are processors.
	_ = flag.Set("test.parallel", "4")
	os.Exit(servertest.MainWithoutLeaks(m))
}

// testServer is a manager on a real log behind a real HTTP server.
type testServer struct {
	t       testing.TB
	log     *jetstream.Log
	manager *Manager
	http    *httptest.Server
	logged  *logged
}

// setup is what a test may want otherwise.
type setup struct {
	config Config
	log    jetstream.Options
	door   identity.Door
	tls    bool
}

// serve starts a server that ends with the test. There is no rate limit and no
// fsync for each message unless the test asks for it.
func serve(t testing.TB, change ...func(*setup)) *testServer {
	t.Helper()
	s := &testServer{t: t, logged: &logged{}}
	logger := slog.New(slog.NewTextHandler(s.logged, nil))
	with := setup{
		config: Config{Version: "test", Logger: logger},
		log:    jetstream.Options{Dir: t.TempDir(), MaxBytes: 1 << 30, Logger: logger},
	}
	for _, f := range change {
		f(&with)
	}
	var err error
	if s.log, err = jetstream.Open(t.Context(), with.log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.log.Close)
	if with.door.Guests == nil && with.door.Tokens == nil {
		kept, err := s.log.Value(t.Context(), "guest-keys", func() []byte {
			keys, _ := identity.Keys(nil).Rotate(time.Now())
			return keys.Marshal()
		})
		if err != nil {
			t.Fatal(err)
		}
		keys, err := identity.ParseKeys(kept)
		if err != nil {
			t.Fatal(err)
		}
		with.door.Guests = identity.NewGuests(keys)
	}
	if s.manager, err = NewManager(s.log, with.door, with.config); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ws", s.manager.ServeWS)
	if s.http = httptest.NewUnstartedServer(mux); with.tls {
		s.http.StartTLS()
	} else {
		s.http.Start()
	}
	t.Cleanup(func() {
		s.shutdown()
		s.http.Close()
		if text := s.logged.String(); strings.Contains(text, "level=ERROR") {
			t.Errorf("log: got an error, want none:\n%s", text)
		}
	})
	return s
}

// shutdown stops the manager as the program does. It may be called again.
func (s *testServer) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	s.manager.Shutdown(ctx)
}

// logged is what the server has logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// stored reads a room from the log.
func (s *testServer) stored(room string) (messages []shared.Message) {
	s.t.Helper()
	for seq := uint64(0); ; {
		page, err := s.log.After(context.Background(), room, seq, 200, 1<<20)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(page) == 0 {
			return messages
		}
		for _, e := range page {
			m, err := decodeMessage(e)
			if err != nil {
				s.t.Fatal(err)
			}
			messages = append(messages, m)
			seq = e.Seq
		}
	}
}

// put stores messages of somebody who is not connected.
func (s *testServer) put(room string, texts ...string) {
	s.t.Helper()
	settled := make(chan error, len(texts))
	for _, text := range texts {
		m := shared.Message{ID: fmt.Sprintf("%x", sha256.Sum256([]byte(text))), Room: room, User: "somebody", From: "Somebody", Message: text, Sent: time.Now().UTC()}
		err := s.log.Append(context.Background(), room, room+" "+m.ID, m.Encode(), func(_ jetstream.Receipt, err error) { settled <- err })
		if err != nil {
			s.t.Fatal(err)
		}
	}
	for range texts {
		if err := <-settled; err != nil {
			s.t.Fatal(err)
		}
	}
}

// texts returns n texts, numbered from first on.
func texts(first, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint("message ", first+i))
	}
	return list
}

func textsOf(messages []shared.Message) (list []string) {
	for _, m := range messages {
		list = append(list, m.Message)
	}
	return list
}

// sameShard returns the name of a room whose messages go through the same
// follower as room's: what is delivered to it is delivered after what was stored
// in room before.
func (s *testServer) sameShard(room string) string {
	for i := 0; ; i++ {
		if name := fmt.Sprint("beside-", i); s.log.Shard(name) == s.log.Shard(room) {
			return name
		}
	}
}

// address is that of the WebSocket endpoint.
func (s *testServer) address() string { return "ws" + strings.TrimPrefix(s.http.URL, "http") + "/ws" }

// dial connects and waits for the welcome.
func (s *testServer) dial(o servertest.DialOptions) *servertest.Conn {
	s.t.Helper()
	return servertest.Dial(s.t, s.address(), o)
}

// dialRefused expects that the handshake is refused with this status, and returns
// the answer's header.
func (s *testServer) dialRefused(what string, status int, header http.Header) http.Header {
	s.t.Helper()
	conn, response, err := websocket.DefaultDialer.Dial(s.address(), header)
	if err == nil {
		_ = conn.Close()
		s.t.Errorf("handshake, %s: got a connection, want status %d", what, status)
		return nil
	}
	if response == nil {
		s.t.Fatalf("handshake, %s: %v", what, err)
	}
	if response.StatusCode != status {
		s.t.Errorf("handshake, %s: got status %d, want %d", what, response.StatusCode, status)
	}
	return response.Header
}

// upgrade connects and reads nothing, not even the welcome.
func (s *testServer) upgrade(o servertest.DialOptions) *servertest.Conn {
	s.t.Helper()
	conn, err := servertest.Upgrade(s.address(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	return &servertest.Conn{T: s.t, WS: conn}
}

// join connects to a room and waits until it is there. With a session it is that
// user.
func (s *testServer) join(room string, session ...string) *servertest.Conn {
	s.t.Helper()
	c, _ := s.joined(room, session...)
	return c
}

// joined is join, and returns the room_joined too.
func (s *testServer) joined(room string, session ...string) (*servertest.Conn, shared.RoomJoinedPayload) {
	s.t.Helper()
	c := s.dial(servertest.DialOptions{Room: room, Session: strings.Join(session, "")})
	joined := servertest.TakeEvent(c, shared.RoomJoined)
	servertest.TakeEvent(c, shared.Synced)
	return c, joined
}

// resume connects to a room with a cursor and waits for room_joined.
func (s *testServer) resume(room string, after shared.Cursor) (*servertest.Conn, shared.RoomJoinedPayload) {
	s.t.Helper()
	c := s.dial(servertest.DialOptions{Room: room, After: &after})
	return c, servertest.TakeEvent(c, shared.RoomJoined)
}

// clientOf returns the server's side of a connection.
func (s *testServer) clientOf(conn *servertest.Conn) *Client {
	s.t.Helper()
	for _, c := range s.clients() {
		if c.net.RemoteAddr().String() == conn.WS.LocalAddr().String() {
			return c
		}
	}
	s.t.Fatal("the server's side of a connection: got none, want one")
	return nil
}

// bearer is the header of a session.
func bearer(session string) http.Header {
	return http.Header{"Authorization": {"Bearer " + session}}
}

// write sends a text frame as it is.
func write[F ~string | ~[]byte](c *servertest.Conn, frame F) {
	c.T.Helper()
	if err := c.Write([]byte(frame)); err != nil {
		c.T.Fatalf("sending %.200q: %v", frame, err)
	}
}

// takeNext takes the next event, whatever it is but presence, which comes with the
// server's ticks.
func takeNext(c *servertest.Conn) shared.Event {
	c.T.Helper()
	return c.Take("any event", notPresence)
}

func notPresence(e shared.Event) bool { return e.Type != shared.Presence.Name() }

// read reads the next event of the wire, on a goroutine that may not end the test.
func read(c *servertest.Conn) (shared.Event, error) {
	frame, err := c.Next()
	if err != nil {
		return shared.Event{}, err
	}
	return shared.DecodeEvent(frame)
}

func ofRoom(room string) func(shared.Event) bool {
	return func(e shared.Event) bool {
		var p struct {
			Room string `json:"room"`
		}
		_ = json.Unmarshal(e.Payload, &p)
		return p.Room == room
	}
}

func isMessageEvent(e shared.Event) bool { return e.Type == shared.NewMessage.Name() }
