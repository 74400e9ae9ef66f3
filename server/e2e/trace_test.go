package e2e

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"websockets/server/servertest"
)

// TestLogLevel: a level shows what is at it and above.
func TestLogLevel(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--log-level", "debug")
	response, err := http.Get(server.URL() + "ws")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	server.AwaitLog(regexp.MustCompile(`level=WARN msg="refused a WebSocket handshake: Connection: Upgrade or Upgrade: websocket is missing"`))
	for level, warns := range map[string]bool{"info": true, "warn": true, "error": false} {
		_, _, stderr := servertest.Run(t, "--log-level", level, "--listen", "127.0.0.1:0", "--data", "none",
			"--auth", "jwt", "--jwt-algorithm", "HS256", "--jwt-key", "/nowhere")
		if strings.Contains(stderr, "level=WARN") != warns {
			t.Errorf("--log-level %s: got %q, want a warning about --data none: %v", level, stderr, warns)
		}
	}
}

// TestLongValuesAreCutInTheLog: a client cannot make a line long.
func TestLongValuesAreCutInTheLog(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t)
	origin := "https://" + strings.Repeat("x", 8000) + ".example"
	header := http.Header{"Origin": {origin}}
	if got := handshake(t, server.WS(), servertest.DialOptions{Header: header}).StatusCode; got != http.StatusForbidden {
		t.Errorf("a foreign origin: got status %d, want %d", got, http.StatusForbidden)
	}
	server.AwaitLog(regexp.MustCompile("refused a connection from another origin"))
	for line := range strings.Lines(server.Log()) {
		if len(line) > 4096 {
			t.Errorf("log: got a line of %d bytes, want at most 4096", len(line))
		}
	}
}

// TestRefusedPeersAreLogged: what net/http refuses by itself, and a proxy that is not
// trusted, in the log of the real program.
func TestRefusedPeersAreLogged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, cert, key, 1)
	server := servertest.Start(t, "--tls-cert", cert, "--tls-key", key, "--max-conns-per-address", "1")
	response, err := http.Get("http://" + server.Addr + "/")
	if err == nil {
		_ = response.Body.Close()
	}
	server.AwaitLog(regexp.MustCompile(`level=WARN msg="TLS handshake failed".*HTTP request to an HTTPS server`))
	dial := servertest.DialOptions{Header: http.Header{"X-Forwarded-For": {"198.51.100.7"}}}
	dial.Dialer.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	address := fmt.Sprintf("wss://%s/ws", server.Addr)
	servertest.Dial(t, address, dial)
	if got := handshake(t, address, dial).StatusCode; got != http.StatusTooManyRequests {
		t.Errorf("the second connection: got status %d, want %d", got, http.StatusTooManyRequests)
	}
	server.AwaitLog(regexp.MustCompile("X-Forwarded-For came from 127.0.0.1, which is not a --trusted-proxy"))
}
