package chat

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"websockets/shared"
)

// later lets the server's clock of ticks run ahead. What is due then happens at
// its next tick.
func (s *testServer) later(d time.Duration) { s.manager.now.Add(ticks(d)) }

func TestPingsAreAnswered(t *testing.T) {
	t.Parallel()
	c := serve(t).join("x")
	ponged := ""
	c.conn.SetPongHandler(func(data string) error { ponged = data; return nil })
	if err := c.conn.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	c.settle()
	if ponged != "are you there" {
		t.Errorf("the pong says %q", ponged)
	}
	if id := send(c, shared.Ping, shared.Empty{}); answer(c, shared.Pong, id) != (shared.Empty{}) {
		t.Error("a pong with something in it")
	}
}

// A quiet connection is pinged; while it answers it lives, and when it does not
// it is closed as silent.
func TestAQuietConnectionIsPinged(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.join("x")
	var here *Client
	s.manager.mu.RLock()
	for here = range s.manager.clients {
	}
	s.manager.mu.RUnlock()
	pinged := make(chan struct{}, 10)
	var silent atomic.Bool
	answerPing := c.conn.PingHandler()
	c.conn.SetPingHandler(func(data string) error {
		pinged <- struct{}{}
		if silent.Load() {
			return nil
		}
		return answerPing(data)
	})
	var reading sync.WaitGroup
	reading.Go(func() { c.closed(shared.CloseSilent) })
	defer reading.Wait()
	wait := func() {
		t.Helper()
		select {
		case <-pinged:
		case <-time.After(patience):
			t.Fatal("a quiet connection is not pinged")
		}
	}
	// Much longer than any connection may be silent, with a ping each time.
	for range 3 {
		s.later(pingAfter + tick)
		wait()
		s.eventually("the pong is heard", func() bool { return here.pinged.Load() == 0 })
	}
	silent.Store(true)
	s.later(pingAfter + tick)
	wait()
	s.later(pongWait)
}

func TestACloseFrameIsAnswered(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, code := range []int{shared.CloseNormal, shared.CloseGoingAway, 3000, 4001} {
		c := s.join("x")
		c.frame(websocket.CloseMessage, websocket.FormatCloseMessage(code, "bye"))
		c.closed(code)
	}
	c := s.join("x")
	c.frame(websocket.CloseMessage, nil) // without a code
	c.closed(shared.CloseNormal)
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	s := serve(t, func(with *setup) { with.config.AllowOrigins = []string{"https://friend.example"} })
	dial := func(origin string) (*http.Response, error) {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		conn, response, err := websocket.DefaultDialer.Dial(s.address("room=x"), header)
		if err == nil {
			conn.Close()
		}
		return response, err
	}
	for _, origin := range []string{"", s.http.URL, "https://friend.example", "HTTPS://Friend.Example"} {
		if _, err := dial(origin); err != nil {
			t.Errorf("origin %q: %v", origin, err)
		}
	}
	own := strings.TrimPrefix(s.http.URL, "http://")
	for _, origin := range []string{
		"https://evil.example", "null", "http://friend.example", "https://friend.example.evil.example", "https://friend.example:444",
		"http://" + own + ".evil.example", "http://evil.example/" + own, "http://" + own + "@evil.example", "file://", "x",
		"http://user@" + own, "http://" + own + "/", "http://" + own + "?", "ws://" + own, "//" + own, "http://" + own + ":80",
		"http://" + strings.TrimRight(own, "0123456789") + "1",
	} {
		response, err := dial(origin)
		if err == nil || response == nil || response.StatusCode != http.StatusForbidden {
			t.Errorf("origin %q: %v, %v", origin, response, err)
		}
	}
	for _, header := range []http.Header{{"Cookie": {"session=x"}}, {"Cookie": {"other=x"}}} {
		if _, response, err := websocket.DefaultDialer.Dial(s.address("room=x"), header); err == nil || response.StatusCode != http.StatusForbidden {
			t.Errorf("a cookie and no origin: %v, %v", response, err)
		}
	}
	dial("https://logged.example")
	for _, part := range []string{"https://logged.example", "https://friend.example", "--allow-origin=https://logged.example", own} {
		if !strings.Contains(s.logged.String(), part) {
			t.Errorf("the log does not say %s:\n%s", part, s.logged)
		}
	}
}

func TestOwnOrigin(t *testing.T) {
	for _, test := range []struct {
		origin, host string
		tls          bool
		own          bool
	}{
		{"http://chat.example", "chat.example", false, true},
		{"http://chat.example:80", "chat.example", false, true},
		{"http://chat.example", "chat.example:8080", false, false},
		{"https://chat.example", "chat.example", true, true},
		{"https://chat.example", "chat.example:443", true, true},
		{"https://chat.example:8443", "chat.example:8443", true, true},
		{"https://chat.example", "chat.example", false, true}, // behind something that takes the TLS off
		{"http://chat.example", "chat.example", true, false},
		{"http://[::1]:8080", "[::1]:8080", false, true},
		{"null", "", false, false},
		{"http://", "", false, false},
		{"file://", "", false, false},
	} {
		r := httptest.NewRequest("GET", "/ws", nil)
		if r.Host = test.host; test.tls {
			r.TLS = &tls.ConnectionState{}
		}
		if own := isOwn(test.origin, r); own != test.own {
			t.Errorf("the origin %s is own on %q, TLS %v: %v", test.origin, test.host, test.tls, own)
		}
	}
}

func TestARequestThatIsNoHandshake(t *testing.T) {
	t.Parallel()
	s := serve(t)
	response, err := http.Get(s.http.URL + "/ws")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, _ = io.Copy(io.Discard, response.Body); response.StatusCode != http.StatusBadRequest {
		t.Errorf("%s", response.Status)
	}
}

// Everyone is told and closed, whoever does not read is cut off, and everything
// is waited for in less than 5 s.
func TestShutdown(t *testing.T) {
	t.Parallel()
	s := serve(t)
	stuck := s.dialWith(smallBuffers(), "room=x", nil)
	until(stuck, shared.Synced)
	s.put("x", long(0, 600)...) // more than the kernel takes
	var clients []*testClient
	for range 3 {
		clients = append(clients, s.join("y"))
	}
	clients = append(clients, s.dial("room=*", nil)) // in no room
	acked := clients[0].say("before")
	clients[0].settle()

	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() {
			closing := until(c, shared.Closing)
			if closing.Reason == "" || closing.RetryAfter <= 0 {
				t.Errorf("closing: %+v", closing)
			}
			c.inbox = nil
			c.closed(shared.CloseRestart)
			c.none("something after closing", notPresence)
		})
	}
	begun := time.Now()
	s.shutdown()
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	all.Wait()
	s.manager.mu.RLock()
	left, rooms := len(s.manager.clients), len(s.manager.rooms)
	s.manager.mu.RUnlock()
	if left > 0 || rooms > 0 || s.manager.memory.Load() != 0 {
		t.Errorf("left over: %d clients, %d rooms, %d bytes of rings", left, rooms, s.manager.memory.Load())
	}
	if e, err := s.log.At(t.Context(), "y", acked.Seq); err != nil || e.Seq == 0 {
		t.Errorf("what was acked is gone: %v", err)
	}
	_, response, err := websocket.DefaultDialer.Dial(s.address("room=x"), nil)
	if err == nil || response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Errorf("afterwards: %v, %v", response, err)
	}
}

// In the midst of sending: every message is acked or known not to be, and the
// acked ones are in the log.
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
			return c.conn.WriteMessage(websocket.TextMessage, shared.SendMessage.Frame(fmt.Sprint(made), shared.SendMessagePayload{Message: "text"}))
		}
		all.Go(func() {
			for range window {
				_ = say()
			}
			for {
				e, err := c.read()
				if err != nil {
					if !websocket.IsCloseError(err, shared.CloseRestart) {
						t.Errorf("the connection ended with %v", err)
					}
					return
				}
				if e.Type != shared.Ack.Name() {
					continue
				}
				acked[i][decode(c, shared.Ack, e).Seq] = true
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
				t.Errorf("%d was acked and is not in the log", seq)
			}
		}
	}
}

// A burst goes through; beyond the rate reading pauses; beyond the pause events
// are refused, and told when to come again.
func TestRate(t *testing.T) {
	t.Parallel()
	s := serve(t, func(with *setup) { with.config.Rate = 10 })
	c, other := s.join("x"), s.join("x")
	burst := time.Now()
	for range 30 {
		c.raw(string(shared.Ping.Frame("burst", shared.Empty{})))
	}
	for range 30 {
		answer(c, shared.Pong, "burst")
	}
	if took := time.Since(burst); took > 2*time.Second {
		t.Errorf("a burst of 30 took %v", took)
	}
	const flood = 100 // 10 s worth
	begun := time.Now()
	for range flood {
		c.raw(string(shared.Ping.Frame("flood", shared.Empty{})))
	}
	other.say("others are not held up")
	ponged, refused := 0, 0
	for ponged+refused < flood {
		switch e := c.take("an answer", func(e shared.Event) bool { return e.ID == "flood" }); e.Type {
		case shared.Pong.Name():
			if ponged++; ponged == 5 && time.Since(begun) < 200*time.Millisecond {
				t.Errorf("5 beyond the burst were answered after %v", time.Since(begun))
			}
		default:
			refused++
			if refusal := decode(c, shared.Failed, e); refusal.Code != shared.CodeRateLimited || refusal.RetryAfter <= 0 {
				t.Errorf("%+v", refusal)
			}
		}
	}
	if refused == 0 {
		t.Errorf("%d events beyond the rate were all answered, in %v: none was refused", flood, time.Since(begun))
	}
}
