package chat

import (
	"bytes"
	"flag"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/auth"
	"websockets/server/quota"
	"websockets/server/servertest"
	"websockets/shared"
)

var echoFor = flag.Duration("echo.for", 0, "how long TestEcho keeps its route open for a conformance suite")

// serveEcho sends every text frame back. It is made of what ServeWS is made of.
func (s *testServer) serveEcho(w http.ResponseWriter, r *http.Request) {
	m, a := s.manager, s.manager.acceptor
	from := quota.AddressOf(r.RemoteAddr)
	addrQuota, err := a.quotas.AcquireAddress(from, time.Now())
	if err != nil {
		a.refuseQuota(w, r, err)
		return
	}
	h := &handshake{from: from, addrQuota: addrQuota, session: auth.Session{User: "echo"}, name: "Echo"}
	if !a.openSocket(w, r, nil, h) {
		a.quotas.Release(time.Now(), addrQuota)
		return
	}
	c := m.newClient(h)
	if c == nil {
		return
	}
	c.handle = func(frame []byte) { c.send(bytes.Clone(frame)) }
	m.startReader(c)
}

// TestEcho: what a conformance suite is shown: text comes back as it was, whole and
// in fragments, and what is not UTF-8 ends the connection. The suite is another
// program, so this is on a socket.
func TestEcho(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.http.Config.Handler.(*http.ServeMux).HandleFunc("GET /echo", s.serveEcho)
	address := strings.TrimSuffix(s.address(), "/ws") + "/echo"
	if *echoFor > 0 {
		t.Log(address)
		time.Sleep(*echoFor)
	}
	dial := func() *servertest.Conn {
		conn, err := servertest.Upgrade(address, servertest.DialOptions{})
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
