//go:build !js

package conn

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/servertest"
	"websockets/shared"
)

// serveSocket runs a WebSocket server that hands each connection to handle.
func serveSocket(t *testing.T, handle func(*http.Request, *websocket.Conn)) (url string) {
	var upgrader websocket.Upgrader
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		handle(r, conn)
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http") + "/ws"
}

func TestDialSendsSession(t *testing.T) {
	headers := make(chan string, 2)
	url := serveSocket(t, func(r *http.Request, _ *websocket.Conn) { headers <- r.Header.Get("Authorization") })
	for session, want := range map[string]string{"secret": "Bearer secret", "": ""} {
		conn, err := DialWebSocket(t.Context(), url, session)
		if err != nil {
			t.Fatal(err)
		}
		if got := <-headers; got != want {
			t.Errorf("Authorization: got %q, want %q", got, want)
		}
		conn.Close(shared.CloseNormal, "")
	}
}

// An attempt that the server answers with an HTTP status fails with the server's reason. A
// page of HTML, as from a proxy, is none.
func TestDialReturnsRefusal(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/proxy" {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte("<html>"))
			return
		}
		http.Error(w, "too many connections", http.StatusTooManyRequests)
	}))
	defer s.Close()
	for path, want := range map[string]string{
		"/ws":    "429 Too Many Requests: too many connections",
		"/proxy": "502 Bad Gateway",
	} {
		_, err := DialWebSocket(t.Context(), "ws"+strings.TrimPrefix(s.URL, "http")+path, "")
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Reason != want {
			t.Errorf("dialing %s: got %v, want a refusal with %q", path, err, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestReadReturnsCloseFrame(t *testing.T) {
	url := serveSocket(t, func(_ *http.Request, conn *websocket.Conn) {
		_ = conn.WriteMessage(websocket.TextMessage, []byte("last words"))
		_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1008, "flood"), time.Now().Add(time.Second))
		_, _, _ = conn.ReadMessage()
	})
	conn, err := DialWebSocket(t.Context(), url, "")
	if err != nil {
		t.Fatal(err)
	}
	if frame, err := conn.Read(t.Context()); err != nil || string(frame) != "last words" {
		t.Errorf("Read: got %q, %v, want the last words", frame, err)
	}
	_, err = conn.Read(t.Context())
	var closed *CloseError
	if !errors.As(err, &closed) || *closed != (CloseError{1008, "flood"}) {
		t.Errorf("Read at the end: got %v, want the close code 1008", err)
	}
	conn.Close(shared.CloseNormal, "")
}

func TestBrokenConnectionHasNoCloseCode(t *testing.T) {
	url := serveSocket(t, func(_ *http.Request, conn *websocket.Conn) {})
	conn, err := DialWebSocket(t.Context(), url, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Read(t.Context())
	var closed *CloseError
	if err == nil || errors.As(err, &closed) {
		t.Errorf("Read: got %v, want an error without a close code", err)
	}
	conn.Close(shared.CloseNormal, "")
}

func TestReadLargeFrame(t *testing.T) {
	big := strings.Repeat("x", maxFrame)
	url := serveSocket(t, func(_ *http.Request, conn *websocket.Conn) {
		_ = conn.WriteMessage(websocket.TextMessage, []byte(big))
		_ = conn.WriteMessage(websocket.TextMessage, []byte(big+"x"))
		_, _, _ = conn.ReadMessage()
	})
	conn, err := DialWebSocket(t.Context(), url, "")
	if err != nil {
		t.Fatal(err)
	}
	if frame, err := conn.Read(t.Context()); err != nil || len(frame) != maxFrame {
		t.Errorf("Read: got %d bytes, %v, want %d", len(frame), err, maxFrame)
	}
	if _, err := conn.Read(t.Context()); err == nil {
		t.Errorf("Read of a frame of more than %d bytes: got no error, want one", maxFrame)
	}
	conn.Close(shared.CloseNormal, "")
}

// A server that is gone does not answer the close frame.
func TestCloseIsBounded(t *testing.T) {
	t.Parallel() // it takes 5 s
	release := make(chan struct{})
	url := serveSocket(t, func(*http.Request, *websocket.Conn) { <-release })
	defer close(release)
	conn, err := DialWebSocket(t.Context(), url, "")
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	var readErr error
	go func() {
		defer close(read)
		_, readErr = conn.Read(context.Background())
	}()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = conn.Close(shared.CloseSilent, strings.Repeat("silence ", 100))
	}()
	for _, ended := range []<-chan struct{}{closed, read} {
		select {
		case <-ended:
		case <-time.After(servertest.Patience):
			t.Fatalf("Close and Read: got no end in %v, want one", servertest.Patience)
		}
	}
	if readErr == nil {
		t.Error("Read: got a frame, want an error")
	}
}

func TestDialEndsWithContext(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer s.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := DialWebSocket(ctx, "ws"+strings.TrimPrefix(s.URL, "http"), ""); err == nil {
		t.Error("dialing a server that does not answer: got a connection, want an error")
	}
	http.DefaultClient.CloseIdleConnections()
}
