//go:build !js

package main

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/servertest"
)

// middle stands between pages and a server and knows the frames: it changes what
// the server sends, sends something of its own, and closes with any code.
type middle struct {
	URL string

	mu      sync.Mutex
	change  func(frame string) string // of what the server sends; nil changes nothing
	refuse  bool                      // no WebSocket gets through
	sockets map[*websocket.Conn]bool  // the pages'
	opened  int                       // WebSockets, ever
}

func startMiddle(t *testing.T, server *servertest.Process) *middle {
	t.Helper()
	target, _ := url.Parse(server.URL())
	pages := httputil.NewSingleHostReverseProxy(target)
	m := &middle{sockets: map[*websocket.Conn]bool{}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ws" {
			m.serveWS(server.WS(), w, r)
			return
		}
		pages.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { m.shut(1001, "") })
	m.URL = s.URL + "/"
	return m
}

func (m *middle) serveWS(server string, w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	refuse := m.refuse
	m.mu.Unlock()
	if refuse {
		http.Error(w, "refused", http.StatusBadGateway)
		return
	}
	header := http.Header{}
	if cookie := r.Header.Get("Cookie"); cookie != "" {
		header.Set("Cookie", cookie) // a browser's, so with the origin that it would send
		header.Set("Origin", "http"+strings.TrimSuffix(strings.TrimPrefix(server, "ws"), "/ws"))
	}
	them, _, err := websocket.DefaultDialer.Dial(server+"?"+r.URL.RawQuery, header)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer them.Close()
	var upgrader websocket.Upgrader
	us, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer us.Close()
	m.mu.Lock()
	m.sockets[us] = true
	m.opened++
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		delete(m.sockets, us)
		m.mu.Unlock()
	}()
	go func() {
		defer them.Close()
		for {
			kind, frame, err := us.ReadMessage()
			if err != nil || them.WriteMessage(kind, frame) != nil {
				return
			}
		}
	}()
	for {
		_, frame, err := them.ReadMessage()
		if err != nil {
			if closed, ok := err.(*websocket.CloseError); ok && closed.Code != websocket.CloseAbnormalClosure {
				m.mu.Lock()
				_ = us.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(closed.Code, closed.Text), time.Now().Add(time.Second))
				m.mu.Unlock()
			}
			return
		}
		m.mu.Lock()
		if m.change != nil {
			frame = []byte(m.change(string(frame)))
		}
		err = us.WriteMessage(websocket.TextMessage, frame)
		m.mu.Unlock()
		if err != nil && !errors.Is(err, websocket.ErrCloseSent) {
			return
		}
	}
}

// changes sets what is made of the server's frames from now on.
func (m *middle) changes(change func(frame string) string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.change = change
}

// send sends a frame to all pages as if the server had.
func (m *middle) send(frame string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for us := range m.sockets {
		_ = us.WriteMessage(websocket.TextMessage, []byte(frame))
	}
}

// shut closes all connections with a code. The page's answer ends them: a socket
// that is closed with something unread in it throws the close frame away too.
func (m *middle) shut(code int, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for us := range m.sockets {
		_ = us.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(servertest.Patience))
		_ = us.SetReadDeadline(time.Now().Add(servertest.Patience))
	}
}

// cut breaks all connections without a word and lets none through until open.
func (m *middle) cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse = true
	for us := range m.sockets {
		_ = us.NetConn().(*net.TCPConn).SetLinger(0)
		_ = us.Close()
	}
}

func (m *middle) open() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse = false
}

func (m *middle) connections() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.opened
}
