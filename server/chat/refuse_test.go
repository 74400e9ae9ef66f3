package chat

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/loglimit"
	"websockets/server/quota"
	"websockets/server/servertest"
	"websockets/shared"
)

// linesOf returns what is logged while do runs. It has to be called in a bubble.
func (s *testServer) linesOf(do func()) string {
	time.Sleep(2 * loglimit.Interval) // what was logged before does not hold anything back
	synctest.Wait()
	before := len(s.logged.String())
	do()
	synctest.Wait()
	return s.logged.String()[before:]
}

// mustLog fails unless one line is logged while do runs, and has all parts.
func (s *testServer) mustLog(what string, do func(), parts ...string) {
	s.t.Helper()
	lines := s.linesOf(do)
	if strings.Count(lines, "\n") != 1 {
		s.t.Errorf("%s: log: got %q, want one line", what, lines)
	}
	for _, part := range parts {
		if !strings.Contains(lines, part) {
			s.t.Errorf("%s: log: got %q, want %s in it", what, lines, part)
		}
	}
}

// Whatever is refused is logged at a level that is on by default, with the peer, the
// reason and what to do about it.
func TestRefusalsAreLogged(t *testing.T) {
	t.Parallel()
	const (
		host    = "Host: chat.example"
		upgrade = "Connection: Upgrade\r\nUpgrade: websocket"
		version = "Sec-WebSocket-Version: 13"
		key     = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
	)
	const from = "from=127.0.0.1"
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		request := func(lines ...string) func() { return func() { s.request(lines...) } }
		s.mustLog("no Upgrade", request("GET /ws HTTP/1.1", host, version, key), "level=WARN", from, "Upgrade: websocket is missing", "proxy_set_header Upgrade $http_upgrade")
		s.mustLog("HTTP/1.0", request("GET /ws HTTP/1.0", host, upgrade, version, key), "level=WARN", from, "HTTP/1.1", "proxy_http_version 1.1")
		s.mustLog("version 8", request("GET /ws HTTP/1.1", host, upgrade, "Sec-WebSocket-Version: 8", key), "level=WARN", from, "Sec-WebSocket-Version must be 13")
		s.mustLog("no key", request("GET /ws HTTP/1.1", host, upgrade, version), "level=INFO", from, "Sec-WebSocket-Key")
		s.mustLog("another origin", request("GET /ws HTTP/1.1", host, upgrade, version, key, "Origin: https://evil.example"),
			"level=WARN", from, "origin=https://evil.example", "host=chat.example", "pass on Host", "--allow-origin=https://evil.example")
		s.mustLog("a cookie and no origin", request("GET /ws HTTP/1.1", host, upgrade, version, key, "Cookie: websockets_guest=aaaaaaaaaaaaaaaa.1.2.3"), "level=WARN", from, "Authorization: Bearer")
		c := s.join("x")
		revoked := s.join("x").Welcome
		if err := s.manager.RevokeSessions(t.Context(), revoked.User); err != nil {
			t.Fatal(err)
		}
		s.mustLog("a revoked session", request("GET /ws HTTP/1.1", host, upgrade, version, key, "Authorization: Bearer "+revoked.Session),
			"level=INFO", from, "revoked", "makes a new guest")
		s.mustLog("a binary frame", func() {
			_ = c.WS.WriteMessage(websocket.BinaryMessage, []byte("x"))
			c.AwaitClose(shared.CloseUnsupportedData)
		}, "level=INFO", "from=127.0.0.1", "user="+c.Welcome.User, "code=1003", "text frame")
	})
}

func TestRefusedConnectionsOverALimitAreLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, func(with *setup) { with.config.MaxConnsPerAddress = quota.MaxUserConns + 1 })
		first := s.join("x")
		for range quota.MaxUserConns - 1 {
			s.dial(servertest.DialOptions{Room: "x", Session: first.Welcome.Session})
		}
		s.mustLog("one connection of a user too many", func() {
			s.upgrade(servertest.DialOptions{Session: first.Welcome.Session}).AwaitClose(shared.CloseTryLater)
		}, "level=WARN", "user="+first.Welcome.User, "from=127.0.0.1", "too many tabs", fmt.Sprint(quota.MaxUserConns), "each tab is one")
		s.join("x") // as another user: the address has all that it may have
		const status = http.StatusTooManyRequests
		s.mustLog("one connection of an address too many", func() { s.dialRefused("one too many", status, nil) },
			"level=WARN", "from=127.0.0.1:", "too many connections", "--max-conns-per-address")
		s.mustLog("one too many behind a proxy that is not trusted", func() {
			s.dialRefused("one too many", status, http.Header{"X-Forwarded-For": {"198.51.100.7"}})
		}, "level=WARN", "X-Forwarded-For came from 127.0.0.1, which is not a --trusted-proxy")
	})
}

func TestRefusedTokensAreLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, withTokens(t))
		expired := tokenFor(t, "ann", -time.Minute, nil)
		s.mustLog("an expired token", func() { s.dialRefused("expired", http.StatusUnauthorized, bearer(expired)) },
			"level=INFO", "from=127.0.0.1", "expired", "get a new one")
		s.mustLog("no token", func() { s.dialRefused("none", http.StatusUnauthorized, bearer("x")) },
			"level=INFO", "malformed", "--jwt flags")
		c := s.upgrade(servertest.DialOptions{})
		s.mustLog("a token in an event", func() {
			c.TakeRefusal(servertest.Send(c, shared.Authenticate, shared.TokenPayload{Token: "x"}), shared.CodeBadToken)
		}, "level=INFO", "from=127.0.0.1", "malformed", "--jwt flags")
		s.mustLog("no valid token in time", func() { c.AwaitClose(shared.CloseToken) }, "level=INFO", "from=127.0.0.1", "valid token", "hint=")
		if log := s.logged.String(); strings.Contains(log, expired) {
			t.Errorf("log: got the token in it:\n%s", log)
		}
	})
}

// A flood of refused requests is one line a second, with the number of the others.
func TestFloodOfRefusalsIsNotAFloodOfLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		const flood = 100
		lines := s.linesOf(func() {
			for n := range flood {
				s.request("GET /ws HTTP/1.1", "Host: x", fmt.Sprintf("X-Number: %d", n))
			}
			time.Sleep(loglimit.Interval)
		})
		if got := strings.Count(lines, "\n"); got != 2 || !strings.Contains(lines, fmt.Sprintf("left_out=%d", flood-2)) {
			t.Errorf("log of %d requests: got %d lines:\n%s\nwant 2, with left_out=%d", flood, got, lines, flood-2)
		}
	})
}

// closeOf reads until the connection ends and returns the close frame.
func closeOf(c *servertest.Conn) *websocket.CloseError {
	c.T.Helper()
	for {
		_, err := c.Next()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			return closed
		}
		if err != nil {
			c.T.Fatalf("the connection ended: got %v, want a close frame", err)
		}
	}
}

// Browsers hide the HTTP status of a failed upgrade from the page. So a page gets a close
// code and the reason, and other clients get the status.
func TestPagesAreToldWhyTheyAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, func(with *setup) { with.config.MaxConnsPerAddress = 2 })
		refused := func(what string, code int, reason string) {
			t.Helper()
			page := s.upgrade(servertest.DialOptions{Header: http.Header{"Origin": {s.http.URL}}})
			if closed := closeOf(page); closed.Code != code || !strings.Contains(closed.Text, reason) {
				t.Errorf("%s: got %v, want close code %d with %q", what, closed, code, reason)
			}
		}
		session := s.join("x").Welcome.Session
		s.log.valuesDown.Store(true)
		page := http.Header{"Origin": {s.http.URL}, "Authorization": {"Bearer " + session}}
		if closed := closeOf(s.upgrade(servertest.DialOptions{Header: page})); closed.Code != shared.CloseTryLater || !strings.Contains(closed.Text, "store") {
			t.Errorf("without the store: got %v, want close code %d with a reason", closed, shared.CloseTryLater)
		}
		s.dialRefused("without the store", http.StatusServiceUnavailable, bearer(session))
		s.log.valuesDown.Store(false)
		time.Sleep(2 * loglimit.Interval) // until the second one is logged
		synctest.Wait()
		if log := s.logged.String(); strings.Count(log, "reading user data failed") != 2 || !strings.Contains(log, "/readyz") {
			t.Errorf("log: got\n%s\nwant two lines with what to do", log)
		}
		s.logged.forget() // these errors

		s.join("x")
		refused("an address with too many connections", shared.CloseTryLater, "too many connections from your address")
		s.dialRefused("an address with too many connections", http.StatusTooManyRequests, nil)
		s.dialRefused("another site's page", http.StatusForbidden, http.Header{"Origin": {"https://evil.example"}})
		s.shutdown()
		refused("after the shutdown", shared.CloseRestart, "stopping")
		s.dialRefused("after the shutdown", http.StatusServiceUnavailable, nil)
	})
}

func TestSubprotocols(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		for _, test := range []struct {
			offered []string
			chosen  string
			logged  string // empty for nothing
		}{
			{nil, "", ""},
			{[]string{shared.Subprotocol}, shared.Subprotocol, ""},
			{[]string{"graphql-ws, " + shared.Subprotocol}, shared.Subprotocol, ""},
			{[]string{"graphql-ws", shared.Subprotocol}, shared.Subprotocol, ""}, // in two headers
			{[]string{"graphql-ws, chat"}, "", `offered="graphql-ws, chat"`},
			{[]string{"CHAT.V1"}, "", "offered=CHAT.V1"},
		} {
			lines := s.linesOf(func() {
				header := http.Header{}
				for _, offered := range test.offered {
					header.Add("Sec-WebSocket-Protocol", offered)
				}
				conn, _, err := s.handshake(header)
				if err != nil {
					t.Fatalf("subprotocols %q: got %v, want a connection", test.offered, err)
				}
				if got := conn.Subprotocol(); got != test.chosen {
					t.Errorf("subprotocols %q: got %q, want %q", test.offered, got, test.chosen)
				}
				_ = conn.Close()
			})
			if (lines != "") != (test.logged != "") || !strings.Contains(lines, test.logged) {
				t.Errorf("subprotocols %q: log: got %q, want %q in it", test.offered, lines, test.logged)
			}
		}
	})
}

// A page that could not open a WebSocket asks whether its origin may connect.
func TestOriginQuery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, func(with *setup) { with.config.AllowOrigins = []string{"https://friend.example"} })
		for origin, want := range map[string]int{
			s.http.URL:               http.StatusNoContent,
			"https://friend.example": http.StatusNoContent,
			"https://evil.example":   http.StatusForbidden,
			"null":                   http.StatusForbidden,
			"":                       http.StatusForbidden,
		} {
			lines := s.linesOf(func() {
				response, err := s.http.Client().Get(s.http.URL + "/ws?" + url.Values{shared.OriginQuery: {origin}}.Encode())
				if err != nil {
					t.Fatal(err)
				}
				_ = response.Body.Close()
				if version := response.Header.Get("Sec-WebSocket-Version"); response.StatusCode != want || version != shared.HandshakeVersion {
					t.Errorf("the origin %q: got %s with version %q, want %d with %s", origin, response.Status, version, want, shared.HandshakeVersion)
				}
			})
			if lines != "" {
				t.Errorf("the origin %q: log: got %q, want nothing", origin, lines)
			}
		}
	})
}
