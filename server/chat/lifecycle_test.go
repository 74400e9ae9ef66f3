package chat

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/delivery"
	"websockets/server/eventlog"
	"websockets/server/loglimit"
	"websockets/server/quota"
	"websockets/server/servertest"
	"websockets/shared"
)

func TestPingsAreAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := serveInBubble(t).join("x")
		ponged := ""
		c.WS.SetPongHandler(func(data string) error { ponged = data; return nil })
		if err := c.WS.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(servertest.Patience)); err != nil {
			t.Fatal(err)
		}
		c.Barrier()
		if ponged != "are you there" {
			t.Errorf("pong: got %q, want what the ping said", ponged)
		}
		if id := servertest.Send(c, shared.Ping, shared.Empty{}); servertest.TakeAnswer(c, shared.Pong, id) != (shared.Empty{}) {
			t.Error("pong event: got a payload, want an empty one")
		}
	})
}

// An idle connection is pinged. It stays open while it answers, and is closed as silent
// when it does not.
func TestIdleConnectionIsPinged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.join("x")
		const answers = 3 // so many that it is quiet for much longer than it may be silent
		begun := time.Now()
		var pings []time.Duration
		answerPing := c.WS.PingHandler()
		c.WS.SetPingHandler(func(data string) error {
			pings = append(pings, time.Since(begun))
			if len(pings) > answers {
				return nil
			}
			return answerPing(data)
		})
		c.AwaitClose(shared.CloseSilent)
		const every = delivery.PingAfter + delivery.Tick // the first tick at which it has been quiet for more than delivery.PingAfter
		if want := []time.Duration{every, 2 * every, 3 * every, 4 * every}; !slices.Equal(pings, want) {
			t.Errorf("pings: got them after %v, want %v", pings, want)
		}
		if took, want := time.Since(begun), answers*every+delivery.PingAfter+delivery.PongWait+delivery.Tick; took != want {
			t.Errorf("closed after %v, want %v", took, want)
		}
	})
}

func TestCloseFrameIsAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		for _, code := range []int{shared.CloseNormal, shared.CloseGoingAway, 3000, 4001} {
			c := s.join("x")
			sayGoodbye(c, websocket.FormatCloseMessage(code, "bye"))
			c.AwaitClose(code)
		}
		c := s.join("x")
		sayGoodbye(c, nil) // without a code
		c.AwaitClose(shared.CloseNormal)
	})
}

func sayGoodbye(c *servertest.Conn, payload []byte) {
	c.T.Helper()
	if err := c.WS.WriteMessage(websocket.CloseMessage, payload); err != nil {
		c.T.Fatal(err)
	}
}

func TestOriginIsChecked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, func(with *setup) { with.config.AllowOrigins = []string{"https://friend.example"} })
		dial := func(origin string) (*http.Response, error) {
			header := http.Header{}
			if origin != "" {
				header.Set("Origin", origin)
			}
			conn, response, err := s.handshake(header)
			if err == nil {
				conn.Close()
			}
			return response, err
		}
		for _, origin := range []string{"", s.http.URL, "https://friend.example", "HTTPS://Friend.Example"} {
			if _, err := dial(origin); err != nil {
				t.Errorf("origin %q: got %v, want a connection", origin, err)
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
				t.Errorf("origin %q: got %v, %v, want status %d", origin, response, err, http.StatusForbidden)
			}
		}
		session := s.join("x").Welcome.Session
		for _, cookie := range []string{"websockets_guest=x", "__Host-websockets_guest=" + session, "session=" + session} {
			s.dialRefused("a session cookie and no origin", http.StatusForbidden, http.Header{"Cookie": {cookie}})
		}
		for _, cookie := range []string{"other=x", "session=of.another.program"} {
			s.dial(servertest.DialOptions{Header: http.Header{"Cookie": {cookie}}})
		}
		time.Sleep(2 * loglimit.Interval) // what was logged before does not hold it back
		synctest.Wait()
		dial("https://logged.example")
		for _, part := range []string{"https://logged.example", "https://friend.example", "--allow-origin=https://logged.example", own} {
			if !strings.Contains(s.logged.String(), part) {
				t.Errorf("log: got\n%s\nwant %s in it", s.logged, part)
			}
		}
	})
}

func TestIsOwn(t *testing.T) {
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
			t.Errorf("isOwn(%s) on %q, TLS %v: got %v, want %v", test.origin, test.host, test.tls, own, test.own)
		}
	}
}

func TestPlainRequestIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		response, err := s.http.Client().Get(s.http.URL + "/ws")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if _, _ = io.Copy(io.Discard, response.Body); response.StatusCode != http.StatusBadRequest {
			t.Errorf("GET /ws: got %s, want %d", response.Status, http.StatusBadRequest)
		}
	})
}

// A shutdown tells and closes every client, cuts one that does not read, and leaves
// nothing running. It waits for the one that does not read as long as a connection may
// take to end, and for nothing else.
func TestShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		stuck := s.join("x")
		s.put("x", long(0, slowMessages)...) // more than the connection takes
		time.Sleep(delivery.Tick + delivery.Tick/2)
		if s.clientOf(stuck).out.Stalled() == 0 {
			t.Fatal("the connection that is not read: got all written, want a write that stalls")
		}
		var clients []*servertest.Conn
		for range 3 {
			clients = append(clients, s.join("y"))
		}
		clients = append(clients, s.dial(servertest.DialOptions{Room: "*"})) // in no room
		acked := clients[0].Say("before")
		clients[0].Barrier()

		var all sync.WaitGroup
		for _, c := range clients {
			all.Go(func() {
				begun := time.Now()
				closing := servertest.TakeEvent(c, shared.Closing)
				if closing.Reason == "" || closing.RetryAfter <= 0 {
					t.Errorf("closing: got %+v, want a reason and a retry_after", closing)
				}
				c.Forget()
				c.AwaitClose(shared.CloseRestart)
				c.None("something after closing", notPresence)
				if took := time.Since(begun); took != 0 {
					t.Errorf("a connection that is read was closed after %v, want at once", took)
				}
			})
		}
		begun := time.Now()
		s.shutdown()
		if took := time.Since(begun); took != delivery.CloseTimeout+flushTimeout {
			t.Errorf("the shutdown took %v, want %v", took, delivery.CloseTimeout+flushTimeout)
		}
		all.Wait()
		s.manager.mu.RLock()
		left := len(s.manager.clients)
		s.manager.mu.RUnlock()
		open := s.manager.rooms
		open.mu.Lock()
		rooms := len(open.byName)
		open.mu.Unlock()
		if left > 0 || rooms > 0 || open.memory.Bytes() != 0 {
			t.Errorf("after the shutdown: got %d clients, %d rooms, %d bytes of rings, want none", left, rooms, open.memory.Bytes())
		}
		if place, err := s.log.Locate(t.Context(), "y", acked.Seq); err != nil || place.State != eventlog.Present {
			t.Errorf("the acked message: got %+v, %v, want it in the log", place, err)
		}
		if header := s.dialRefused("after the shutdown", http.StatusServiceUnavailable, nil); header.Get("Retry-After") == "" {
			t.Error("after the shutdown: got no Retry-After, want one")
		}
	})
}

// A burst is not delayed. Events beyond it are handled at the rate, and after
// quota.MaxDelay they are refused for quota.RefusalPeriod. Then events are handled
// again.
func TestWaitTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rate = 10
		quotas := quota.NewRegistry(quota.Limits{Rate: rate})
		address, errAddress := quotas.AcquireAddress(netip.MustParsePrefix("192.0.2.1/32"), time.Now())
		user, errUser := quotas.AcquireUser("ann", time.Now())
		if err := errors.Join(errAddress, errUser); err != nil {
			t.Fatal(err)
		}
		conn, _ := net.Pipe()
		pool := delivery.NewPool(t.Context())
		c := &Client{manager: &Manager{ctx: t.Context()}, out: pool.NewConn(conn), throttle: quotas.NewThrottle(address, user)}
		within := func(want time.Duration) {
			t.Helper()
			begun := time.Now()
			if err := c.waitTurn(); err != nil {
				t.Fatalf("waitTurn: got %v after %v, want no error", err, time.Since(begun))
			}
			if took := time.Since(begun).Round(time.Millisecond); took != want {
				t.Errorf("an event was held back for %v, want %v", took, want)
			}
		}
		for range quota.Burst * rate {
			within(0)
		}
		for range quota.MaxDelay / (time.Second / rate) {
			within(time.Second / rate)
		}
		refused := func() {
			t.Helper()
			var refusal *shared.Error
			if err := c.waitTurn(); !errors.As(err, &refusal) || refusal.Code != shared.CodeRateLimited || refusal.RetryAfter <= 0 {
				t.Fatalf("waitTurn: got %v, want %s with a retry_after", err, shared.CodeRateLimited)
			}
		}
		refused()
		time.Sleep(quota.RefusalPeriod - time.Millisecond)
		refused()
		time.Sleep(time.Millisecond)
		within(0)
		time.Sleep(quota.Burst * time.Second)
		for range quota.Burst * rate {
			within(0)
		}
	})
}

// Beyond the rate every event is still answered, and other clients are not delayed.
func TestRateIsLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, func(with *setup) { with.config.Rate = 0.1 })
		c, other := s.join("x"), s.join("x")
		const flood = maxRefused // one more refusal would close the connection
		for range flood {
			write(c, shared.Ping.Frame("flood", shared.Empty{}))
		}
		other.Say("others are not held up")
		refused := 0
		for range flood {
			e := c.Take("an answer", func(e shared.Event) bool { return e.ID == "flood" })
			if e.Type == shared.Pong.Name() {
				continue
			}
			refused++
			if refusal := servertest.Payload(c, shared.Failed, e); refusal.Code != shared.CodeRateLimited || refusal.RetryAfter != quota.RefusalPeriod.Seconds() {
				t.Errorf("got %+v, want %s with a retry_after of %v", refusal, shared.CodeRateLimited, quota.RefusalPeriod)
			}
		}
		if refused != flood-1 {
			t.Errorf("refused: got %d of %d events, want all but the first", refused, flood)
		}
	})
}
