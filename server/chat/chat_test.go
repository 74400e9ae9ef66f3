package chat

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"websockets/server/identity"
	"websockets/server/roomlog"
	"websockets/shared"
)

// Every test stops its servers before it ends, so when all are done no
// connection, no follower and nothing of the embedded NATS may run.
func TestMain(m *testing.M) {
	flag.Parse()
	// Most of the tests wait for the server's ticks, so more of them run at a time
	// than there are processors.
	_ = flag.Set("test.parallel", "8")
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what should take milliseconds, or a few
// ticks where it is told once a tick.
const patience = 30 * time.Second

// testServer is a manager on a real log behind a real HTTP server.
type testServer struct {
	t       testing.TB
	log     *roomlog.Log
	manager *Manager
	http    *httptest.Server
	logged  *logged
}

// setup is what a test may want otherwise.
type setup struct {
	config Config
	log    roomlog.Options
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
		log:    roomlog.Options{Dir: t.TempDir(), MaxBytes: 1 << 30, Logger: logger},
	}
	for _, f := range change {
		f(&with)
	}
	var err error
	if s.log, err = roomlog.Open(t.Context(), with.log); err != nil {
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
			t.Errorf("the server logged an error:\n%s", text)
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

// eventually waits until done reports true.
func (s *testServer) eventually(what string, done func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	pollUntil(ctx, done)
	if !done() {
		s.t.Fatalf("waited in vain until %s", what)
	}
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
		err := s.log.Append(context.Background(), room, room+" "+m.ID, m.Encode(), func(_ roomlog.Receipt, err error) { settled <- err })
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

// testClient is a connection in the hands of a test's goroutine.
type testClient struct {
	t       testing.TB
	conn    *websocket.Conn
	inbox   []shared.Event // received and not asked for yet
	sent    int            // ids made so far
	welcome shared.WelcomePayload
	joined  shared.RoomJoinedPayload
}

// address returns a /ws address with a query.
func (s *testServer) address(query string) string {
	return "ws" + strings.TrimPrefix(s.http.URL, "http") + "/ws?" + query
}

// dial connects and waits for the welcome. header may be nil.
func (s *testServer) dial(query string, header http.Header) *testClient {
	s.t.Helper()
	return s.dialWith(websocket.Dialer{}, query, header)
}

func (s *testServer) dialWith(dialer websocket.Dialer, query string, header http.Header) *testClient {
	s.t.Helper()
	conn, response, err := dialer.Dial(s.address(query), header)
	if err != nil {
		s.t.Fatalf("dialing with %s: %v (%v)", query, err, response)
	}
	s.t.Cleanup(func() { conn.Close() })
	c := &testClient{t: s.t, conn: conn}
	c.welcome = until(c, shared.Welcome)
	return c
}

// join connects to a room and waits until it is there. With a session it is that
// user.
func (s *testServer) join(room string, session ...string) *testClient {
	s.t.Helper()
	c := s.dial("room="+url.QueryEscape(room), bearer(session...))
	c.joined = until(c, shared.RoomJoined)
	until(c, shared.Synced)
	return c
}

// resume connects to a room with a cursor and waits for room_joined.
func (s *testServer) resume(room string, after shared.Cursor) *testClient {
	s.t.Helper()
	cursor, err := json.Marshal(after)
	if err != nil {
		s.t.Fatal(err)
	}
	c := s.dial(url.Values{"room": {room}, "after": {string(cursor)}}.Encode(), nil)
	c.joined = until(c, shared.RoomJoined)
	return c
}

func bearer(session ...string) http.Header {
	if len(session) == 0 {
		return nil
	}
	return http.Header{"Authorization": {"Bearer " + session[0]}}
}

// raw sends a text frame as it is.
func (c *testClient) raw(frame string) { c.frame(websocket.TextMessage, []byte(frame)) }

func (c *testClient) frame(kind int, data []byte) {
	c.t.Helper()
	_ = c.conn.SetWriteDeadline(time.Now().Add(patience))
	if err := c.conn.WriteMessage(kind, data); err != nil {
		c.t.Fatalf("sending %.200q: %v", data, err)
	}
}

// send sends an event with a new id, which it returns.
func send[T any](c *testClient, event shared.Type[T], payload T) string {
	c.t.Helper()
	c.sent++
	id := fmt.Sprintf("%s-%d", event.Name(), c.sent)
	c.raw(string(event.Frame(id, payload)))
	return id
}

// read reads the next frame from the wire.
func (c *testClient) read() (shared.Event, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	kind, frame, err := c.conn.ReadMessage()
	if err != nil {
		return shared.Event{}, err
	}
	e, err := shared.DecodeEvent(frame)
	if err != nil || kind != websocket.TextMessage {
		c.t.Errorf("the server sent a frame of kind %d that is not an event: %.200q: %v", kind, frame, err)
	}
	return e, nil
}

// take returns the first event that matches, from what has come or is still to
// come; all others stay.
func (c *testClient) take(what string, match func(shared.Event) bool) shared.Event {
	c.t.Helper()
	for i := 0; ; i++ {
		if i == len(c.inbox) {
			e, err := c.read()
			if err != nil {
				c.t.Fatalf("waiting for %s: %v; not asked for: %s", what, err, names(c.inbox))
			}
			c.inbox = append(c.inbox, e)
		}
		if e := c.inbox[i]; match(e) {
			c.inbox = append(c.inbox[:i:i], c.inbox[i+1:]...)
			return e
		}
	}
}

// next returns the next event, whatever it is but presence, which comes with the
// server's ticks.
func (c *testClient) next() shared.Event {
	c.t.Helper()
	return c.take("any event", notPresence)
}

func notPresence(e shared.Event) bool { return e.Type != shared.Presence.Name() }

// until returns the next event of a type.
func until[T any](c *testClient, event shared.Type[T]) T {
	c.t.Helper()
	return decode(c, event, c.take(event.Name(), func(e shared.Event) bool { return e.Type == event.Name() }))
}

// answer returns the answer to the event with this id, which has to be of this
// type.
func answer[T any](c *testClient, event shared.Type[T], id string) T {
	c.t.Helper()
	return decode(c, event, c.take("the answer to "+id, func(e shared.Event) bool { return e.ID == id }))
}

func decode[T any](c *testClient, event shared.Type[T], e shared.Event) T {
	c.t.Helper()
	if e.Type != event.Name() {
		c.t.Fatalf("got %s %s %s, want %s", e.Type, e.ID, e.Payload, event.Name())
	}
	payload, err := event.Decode(e)
	if err != nil {
		c.t.Fatalf("%s %s: %v", e.Type, e.Payload, err)
	}
	return payload
}

// refused checks that the answer to id is an error with this code.
func (c *testClient) refused(id, code string) shared.Error {
	c.t.Helper()
	refusal := answer(c, shared.Failed, id)
	if refusal.Code != code || refusal.Message == "" {
		c.t.Errorf("%q was answered with %+v, want %s", id, refusal, code)
	}
	return refusal
}

// say sends a message to the current room and waits for its ack.
func (c *testClient) say(text string) shared.AckPayload {
	c.t.Helper()
	return answer(c, shared.Ack, send(c, shared.SendMessage, shared.SendMessagePayload{Message: text}))
}

// hear returns the next n messages.
func (c *testClient) hear(n int) (messages []shared.Message) {
	c.t.Helper()
	for range n {
		messages = append(messages, until(c, shared.NewMessage))
	}
	return messages
}

// settle waits until the server has handled all that was sent and all that it
// had for the client before that is in the inbox.
func (c *testClient) settle() {
	c.t.Helper()
	answer(c, shared.Pong, send(c, shared.Ping, shared.Empty{}))
}

// none fails if an event that matches has come.
func (c *testClient) none(what string, match func(shared.Event) bool) {
	c.t.Helper()
	for _, e := range c.inbox {
		if match(e) {
			c.t.Errorf("%s came: %s %s", what, e.Type, e.Payload)
		}
	}
}

// closed reads until the connection ends and checks its close code.
func (c *testClient) closed(code int) {
	c.t.Helper()
	for {
		e, err := c.read()
		if err == nil {
			c.inbox = append(c.inbox, e)
			continue
		}
		var closing *websocket.CloseError
		if !errors.As(err, &closing) || closing.Code != code {
			c.t.Errorf("the connection ended with %v, want close code %d", err, code)
		}
		return
	}
}

// leave ends the connection with a close frame.
func (c *testClient) leave() {
	c.t.Helper()
	c.frame(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
	c.closed(websocket.CloseNormalClosure)
}

func names(events []shared.Event) (list []string) {
	for _, e := range events {
		list = append(list, e.Type)
	}
	return list
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

// smallBuffers is a dialer whose connections hold little in the kernel, so that
// a client that does not read is soon felt.
func smallBuffers() websocket.Dialer {
	return websocket.Dialer{NetDial: func(network, address string) (net.Conn, error) {
		conn, err := net.Dial(network, address)
		if err == nil {
			_ = conn.(*net.TCPConn).SetReadBuffer(256 << 10)
			_ = conn.(*net.TCPConn).SetWriteBuffer(256 << 10)
		}
		return conn, err
	}}
}
