package chat

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
)

// request sends a request as it is written here and returns the status and the header of
// the answer.
func (s *testServer) request(lines ...string) (int, http.Header) {
	s.t.Helper()
	conn, err := s.dialContext(s.t.Context(), "tcp", "")
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	_, err = io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n")
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, response.Header
}

func TestHandshakeFollowsTheProtocol(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		const (
			host       = "Host: chat.example"
			connection = "Connection: keep-alive, Upgrade"
			upgrade    = "Upgrade: websocket"
			version    = "Sec-WebSocket-Version: 13"
			key        = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
		)
		for _, test := range []struct {
			name   string
			lines  []string
			status int
		}{
			{"complete", []string{"GET /ws HTTP/1.1", host, connection, upgrade, version, key}, http.StatusSwitchingProtocols},
			{"HTTP/1.0", []string{"GET /ws HTTP/1.0", host, connection, upgrade, version, key}, http.StatusBadRequest},
			{"version 8", []string{"GET /ws HTTP/1.1", host, connection, upgrade, "Sec-WebSocket-Version: 8", key}, http.StatusUpgradeRequired},
			{"no version", []string{"GET /ws HTTP/1.1", host, connection, upgrade, key}, http.StatusUpgradeRequired},
			{"no Upgrade", []string{"GET /ws HTTP/1.1", host, connection, version, key}, http.StatusBadRequest},
			{"no Connection", []string{"GET /ws HTTP/1.1", host, upgrade, version, key}, http.StatusBadRequest},
			{"no key", []string{"GET /ws HTTP/1.1", host, connection, upgrade, version}, http.StatusBadRequest},
		} {
			status, header := s.request(test.lines...)
			if status != test.status {
				t.Errorf("%s: got status %d, want %d", test.name, status, test.status)
			}
			if got := header.Get("Sec-WebSocket-Version"); status == http.StatusUpgradeRequired && (got != "13" || header.Get("Upgrade") != "websocket") {
				t.Errorf("%s: got Sec-WebSocket-Version %q and Upgrade %q, want 13 and websocket", test.name, got, header.Get("Upgrade"))
			}
		}
	})
}

// A hint is pasted into a command line, so it names an origin only if that is a plain
// one. It never advises to allow null, which every sandboxed frame has.
func TestOriginHint(t *testing.T) {
	const advice = "--allow-origin="
	for origin, want := range map[string]string{
		"https://friend.example":      advice + "https://friend.example",
		"http://[2001:db8::1]:8080":   advice + "http://[2001:db8::1]:8080",
		"capacitor://localhost":       advice + "capacitor://localhost",
		"null":                        "",
		"https://x.example --data=/":  "",
		"https://x.example;reboot":    "",
		"https://$(reboot).example":   "",
		"https://x.example/\nlevel=1": "",
		"":                            "",
	} {
		hint := originHint(origin)
		if hint == "" || !strings.Contains(hint, want) || want == "" && strings.Contains(hint, advice) {
			t.Errorf("hint for the origin %q: got %q, want the advice %q", origin, hint, want)
		}
	}
	if hint, want := originHint("null"), "serve it from an address of its own"; !strings.Contains(hint, want) {
		t.Errorf("hint for the origin null: got %q, want %q in it", hint, want)
	}
}
