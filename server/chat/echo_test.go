//go:build conformance

package chat

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"websockets/shared"
)

// TestEcho: what a conformance suite is shown: text comes back as it was, whole and
// in fragments, and what is not UTF-8 ends the connection.
func TestEcho(t *testing.T) {
	s := serve(t)
	s.http.Config.Handler.(*http.ServeMux).HandleFunc("GET /echo", s.manager.ServeEcho)
	dial := func() *testClient {
		conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.http.URL, "http")+"/echo", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return &testClient{t: t, conn: conn}
	}
	c := dial()
	for _, text := range []string{"", "x", "not an event", strings.Repeat("𝒳", 16_000)} {
		c.raw(text)
		if _, got, err := c.conn.ReadMessage(); err != nil || string(got) != text {
			t.Errorf("%.20q came back as %.20q, %v", text, got, err)
		}
	}
	parts := strings.Repeat("in fragments ", 100)
	fragments(c, []byte(parts), 300)
	if _, got, err := c.conn.ReadMessage(); err != nil || string(got) != parts {
		t.Errorf("%.40q, %v", got, err)
	}
	for data, code := range map[string]int{"\xff": shared.CloseInvalidText, "\xed\xa0\x80": shared.CloseInvalidText} {
		c := dial()
		c.raw(data)
		if _, _, err := c.conn.ReadMessage(); !websocket.IsCloseError(err, code) {
			t.Errorf("%q: %v, want %d", data, err, code)
		}
	}
}
