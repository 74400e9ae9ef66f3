package chat

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/auth"
	"websockets/server/eventlog"
	"websockets/server/eventlog/jetstream"
	"websockets/server/eventlog/memlog"
	"websockets/server/servertest"
	"websockets/server/timeline"
	"websockets/shared"
)

// Every test stops its servers before it ends, so when all are done no
// connection, no follower and nothing of the embedded NATS may run.
func TestMain(m *testing.M) { os.Exit(servertest.MainWithoutLeaks(m)) }

// testServer is a manager behind an HTTP server, on a log in memory.
type testServer struct {
	t       testing.TB
	log     *testLog
	manager *Manager
	http    *httptest.Server
	logged  *logged

	dialContext func(ctx context.Context, network, address string) (net.Conn, error) // nil: by TCP
}

// setup is what a test may want otherwise.
type setup struct {
	config        Config
	log           memlog.Options
	onDisk        *jetstream.Options // instead of log
	authenticator auth.Authenticator
	tls           bool
}

// testLog is a log that fails when a test wants it to.
type testLog struct {
	eventlog.Store
	unreadable atomic.Bool // reading it is an error
	lossy      atomic.Bool // subscribers are sent to the log for what is appended
	valuesDown atomic.Bool // getting a value is an error
}

func (l *testLog) failure() error {
	if l.unreadable.Load() {
		return fmt.Errorf("%w: the test does not want it to be read", eventlog.ErrUnavailable)
	}
	return nil
}

func (l *testLog) After(ctx context.Context, room string, seq uint64, limit, maxBytes int) (eventlog.Page, error) {
	if err := l.failure(); err != nil {
		return eventlog.Page{}, err
	}
	return l.Store.After(ctx, room, seq, limit, maxBytes)
}

func (l *testLog) Before(ctx context.Context, room string, before uint64, limit, maxBytes int) (eventlog.Page, error) {
	if err := l.failure(); err != nil {
		return eventlog.Page{}, err
	}
	return l.Store.Before(ctx, room, before, limit, maxBytes)
}

func (l *testLog) Head(ctx context.Context, room string) (eventlog.Record, error) {
	if err := l.failure(); err != nil {
		return eventlog.Record{}, err
	}
	return l.Store.Head(ctx, room)
}

func (l *testLog) Locate(ctx context.Context, room string, seq uint64) (eventlog.Place, error) {
	if err := l.failure(); err != nil {
		return eventlog.Place{}, err
	}
	return l.Store.Locate(ctx, room, seq)
}

func (l *testLog) Subscribe(ctx context.Context, room string, s eventlog.Subscriber) (eventlog.Subscription, error) {
	return l.Store.Subscribe(ctx, room, lossySubscriber{s, l})
}

func (l *testLog) Values(bucket eventlog.Bucket) eventlog.Values {
	return testValues{l.Store.Values(bucket), l}
}

type testValues struct {
	eventlog.Values
	log *testLog
}

func (v testValues) Get(ctx context.Context, owner, key string) ([]byte, error) {
	if v.log.valuesDown.Load() {
		return nil, fmt.Errorf("%w: the test does not want it to be reached", eventlog.ErrUnavailable)
	}
	return v.Values.Get(ctx, owner, key)
}

type lossySubscriber struct {
	eventlog.Subscriber
	log *testLog
}

func (s lossySubscriber) Append(r eventlog.Record) {
	if s.log.lossy.Load() {
		s.Skip(r.Seq)
	} else {
		s.Subscriber.Append(r)
	}
}

// serveInBubble starts a server that ends with the test, and with all of its
// goroutines, on connections in memory. It has to be called in a synctest bubble:
// there time passes when everybody waits, and all at once, so a test may wait for
// minutes, and knows how long something took to the nanosecond. There is no rate
// limit unless the test asks for it.
func serveInBubble(t testing.TB, change ...func(*setup)) *testServer {
	t.Helper()
	listener := servertest.ListenPipe()
	s := start(t, listener, change...)
	s.dialContext = listener.DialContext
	s.http.Client().Transport = &http.Transport{DialContext: listener.DialContext}
	return s
}

// start starts a server on a listener, which ends with the test too.
func start(t testing.TB, listener net.Listener, change ...func(*setup)) *testServer {
	t.Helper()
	s := &testServer{t: t, logged: &logged{}}
	logger := slog.New(slog.NewTextHandler(s.logged, nil))
	with := setup{
		config: Config{Version: "test", Logger: logger},
	}
	for _, f := range change {
		f(&with)
	}
	var store eventlog.Store = memlog.Open(with.log)
	var err error
	if with.onDisk != nil {
		with.onDisk.Dir, with.onDisk.MaxBytes, with.onDisk.Logger = t.TempDir(), 1<<30, logger
		if store, err = jetstream.Open(t.Context(), *with.onDisk); err != nil {
			t.Fatal(err)
		}
	}
	s.log = &testLog{Store: store}
	t.Cleanup(s.log.Close)
	if with.authenticator.Guests == nil && with.authenticator.Tokens == nil {
		keys, _ := auth.Keys(nil).Rotate(time.Now())
		with.authenticator.Guests = auth.NewGuestSessions(keys)
	}
	with.authenticator.Revocations = auth.NewRevocations(s.log.Values(eventlog.Users))
	if s.manager, err = NewManager(s.log, with.authenticator, with.config); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ws", s.manager.ServeWS)
	s.http = &httptest.Server{Listener: listener, Config: &http.Server{Handler: mux}}
	if with.tls {
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

// forget makes the end of the test ignore the errors so far.
func (l *logged) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
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
		for _, record := range page.Records {
			m, err := timeline.Message(record)
			if err != nil {
				s.t.Fatal(err)
			}
			messages = append(messages, m)
			seq = record.Seq
		}
		if !page.More {
			return messages
		}
	}
}

// put stores messages of somebody who is not connected.
func (s *testServer) put(room string, texts ...string) {
	s.t.Helper()
	settled := make(chan error, len(texts))
	for _, text := range texts {
		m := shared.Message{ID: fmt.Sprintf("%x", sha256.Sum256([]byte(text))), Room: room, User: "somebody", From: "Somebody", Message: text, Sent: time.Now().UTC()}
		err := s.log.Append(context.Background(), room, room+" "+m.ID, m.Encode(), func(_ eventlog.Receipt, err error) { settled <- err })
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

// address is that of the WebSocket endpoint.
func (s *testServer) address() string { return "ws" + strings.TrimPrefix(s.http.URL, "http") + "/ws" }

// reaching returns options that lead to this server.
func (s *testServer) reaching(o servertest.DialOptions) servertest.DialOptions {
	if s.dialContext != nil {
		o.Dialer.NetDialContext = s.dialContext
	}
	return o
}

// dial connects and waits for the welcome.
func (s *testServer) dial(o servertest.DialOptions) *servertest.Conn {
	s.t.Helper()
	return servertest.Dial(s.t, s.address(), s.reaching(o))
}

// handshake connects, reads nothing, and returns the answer too, which is nil if
// there was none. The caller closes the connection.
func (s *testServer) handshake(header http.Header) (*websocket.Conn, *http.Response, error) {
	return servertest.Handshake(s.address(), s.reaching(servertest.DialOptions{Header: header}))
}

// dialRefused expects that the handshake is refused with this status, and returns
// the answer's header.
func (s *testServer) dialRefused(what string, status int, header http.Header) http.Header {
	s.t.Helper()
	conn, response, err := s.handshake(header)
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
	conn, err := servertest.Upgrade(s.address(), s.reaching(o))
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
		if c.conn.RemoteAddr().String() == conn.WS.LocalAddr().String() {
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
