//go:build conformance

package chat

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"websockets/server/servertest"
	"websockets/shared"
)

// TestEcho: what a conformance suite is shown: text comes back as it was, whole and
// in fragments, and what is not UTF-8 ends the connection.
func TestEcho(t *testing.T) {
	s := serve(t)
	s.http.Config.Handler.(*http.ServeMux).HandleFunc("GET /echo", s.manager.ServeEcho)
	dial := func() *servertest.Conn {
		conn, err := servertest.Upgrade(strings.TrimSuffix(s.address(), "/ws")+"/echo", servertest.DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return &servertest.Conn{T: t, WS: conn}
	}
	c := dial()
	for _, text := range []string{"", "x", "not an event", strings.Repeat("𝒳", 16_000)} {
		write(c, text)
		if got, err := c.Next(); err != nil || string(got) != text {
			t.Errorf("echo: got %.20q, %v, want %.20q", got, err, text)
		}
	}
	parts := strings.Repeat("in fragments ", 100)
	if err := fragments(c, []byte(parts), 300); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Next(); err != nil || string(got) != parts {
		t.Errorf("echo of fragments: got %.40q, %v, want %.40q", got, err, parts)
	}
	for data, code := range map[string]int{"\xff": shared.CloseInvalidText, "\xed\xa0\x80": shared.CloseInvalidText} {
		c := dial()
		write(c, data)
		if _, err := c.Next(); !websocket.IsCloseError(err, code) {
			t.Errorf("after %q: got %v, want close code %d", data, err, code)
		}
	}
}
