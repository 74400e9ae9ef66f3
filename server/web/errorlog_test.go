package web

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"websockets/server/servertest"
)

// recorded is what a logger has written.
type recorded struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *recorded) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *recorded) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// await waits until all parts are in one line.
func (r *recorded) await(t *testing.T, parts ...string) {
	t.Helper()
	servertest.Eventually(t, "a line with "+strings.Join(parts, ", "), func() bool {
		for line := range strings.Lines(r.String()) {
			if containsAll(line, parts) {
				return true
			}
		}
		return false
	})
}

func containsAll(line string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(line, part) {
			return false
		}
	}
	return true
}

// serveLogged runs a handler with TLS, and with an ErrorLog whose records of level Info
// and above are recorded.
func serveLogged(t *testing.T, handler http.HandlerFunc) (*httptest.Server, *recorded) {
	t.Helper()
	var log recorded
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = ErrorLog(slog.New(slog.NewTextHandler(&log, nil)))
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, &log
}

func TestPanicsAreLogged(t *testing.T) {
	t.Parallel()
	s, log := serveLogged(t, func(http.ResponseWriter, *http.Request) { panic("it\nlevel=ERROR is broken") })
	_, err := s.Client().Get(s.URL)
	if err == nil {
		t.Fatal("a handler that panics: got an answer, want none")
	}
	log.await(t, "level=ERROR", "a request handler panicked", "err=it", "errorlog_test.go")
	for line := range strings.Lines(log.String()) {
		if strings.HasPrefix(line, "level=ERROR") {
			t.Errorf("log: got the line %q, want no line that the panic made up", line)
		}
	}
}

func TestFailedTLSHandshakesAreLogged(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		dial func(address string)
		want []string
	}{
		{"plain HTTP", func(address string) { send(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") }, []string{"HTTP request to an HTTPS server", "https://"}},
		{"no TLS", func(address string) { send(address, "SSH-2.0-OpenSSH_9.9\r\n") }, []string{"does not look like a TLS handshake", "https://"}},
		{"an unknown authority", func(address string) { handshakeTLS(address, &tls.Config{ServerName: "chat.example"}) }, []string{"remote error", "--tls-cert"}},
		{"an old version", func(address string) {
			handshakeTLS(address, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, InsecureSkipVerify: true})
		}, []string{"version", "TLS 1.2"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, log := serveLogged(t, func(http.ResponseWriter, *http.Request) {})
			test.dial(s.Listener.Addr().String())
			log.await(t, append(test.want, "level=WARN", "TLS handshake failed", "from=127.0.0.1:")...)
		})
	}
}

// A health check that connects and goes away is not worth a line.
func TestClientsThatGoAwayAreNotLogged(t *testing.T) {
	t.Parallel()
	s, log := serveLogged(t, func(http.ResponseWriter, *http.Request) {})
	address := s.Listener.Addr().String()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	send(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	log.await(t, "HTTP request to an HTTPS server")
	s.Close()
	if text := log.String(); strings.Contains(text, "EOF") {
		t.Errorf("log: got\n%s\nwant nothing of the connection that was closed", text)
	}
}

// send sends text and reads until the server ends the connection.
func send(address, text string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, text)
	_, _ = io.Copy(io.Discard, conn)
}

func handshakeTLS(address string, config *tls.Config) {
	conn, err := tls.Dial("tcp", address, config)
	if err == nil {
		_ = conn.Close()
	}
}

// What the API refuses is logged with the peer, the reason and what to do about it, and
// without the token.
func TestRefusedRequestsAreLogged(t *testing.T) {
	t.Parallel()
	const unknown = "unknown-0123456789abcdef0123456789ab"
	var log recorded
	server := serveAPI(t, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	const path = "/api/rooms/x/messages"
	call(t, server, unknown, "GET", path, "")
	log.await(t, "level=WARN", "from=127.0.0.1:", "method=GET", "path="+path, "unknown token", "--api-tokens")
	call(t, server, readToken, "POST", path, `{"message":"x"}`)
	log.await(t, "level=WARN", "from=127.0.0.1:", "method=POST", "backend=reader", "scope=messages:write")
	call(t, server, allToken, "POST", path, `{"message":"x"}`, "Origin", "https://evil.example")
	log.await(t, "level=WARN", "from=127.0.0.1:", "origin=https://evil.example", "host=127.0.0.1", "pass on Host")
	call(t, server, unknown, "GET", "/api/rooms/x%0Alevel=ERROR%20msg=forged/messages", "")
	log.await(t, "level=WARN", `path="/api/rooms/x\nlevel=ERROR msg=forged/messages"`) // after the interval
	for line := range strings.Lines(log.String()) {
		if !strings.HasPrefix(line, "time=") {
			t.Errorf("log: got the line %q, want no line that a client made up", line)
		}
	}
	for _, token := range []string{unknown, readToken, allToken} {
		if strings.Contains(log.String(), token) {
			t.Errorf("log: got a token in it:\n%s", log.String())
		}
	}
}
