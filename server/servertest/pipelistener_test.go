package servertest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"websockets/shared"
)

// An http.Server serves WebSockets on a PipeListener, Dial reaches it, and the
// bubble's clock jumps over what the two wait for.
func TestPipeListenerServesWebSockets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const pause = time.Minute
		greet := func(w http.ResponseWriter, r *http.Request) {
			conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
			if err != nil {
				t.Errorf("upgrade: got %v, want no error", err)
				return
			}
			defer conn.Close()
			_ = conn.WriteMessage(websocket.TextMessage, shared.Welcome.Frame("", shared.WelcomePayload{User: r.RemoteAddr}))
			_, frame, err := conn.ReadMessage()
			if err != nil {
				t.Errorf("read: got %v, want a frame", err)
			}
			time.Sleep(pause)
			_ = conn.WriteMessage(websocket.TextMessage, frame)
		}
		listener := ListenPipe()
		server := &http.Server{Handler: http.HandlerFunc(greet)}
		go func() { _ = server.Serve(listener) }()
		defer server.Close()

		began := time.Now()
		for range 2 {
			c := Dial(t, "ws://"+listener.Addr().String()+"/ws", DialOptions{Dialer: websocket.Dialer{NetDialContext: listener.DialContext}})
			if got, want := c.Welcome.User, c.WS.LocalAddr().String(); got != want {
				t.Errorf("remote address at the server: got %s, want the client's, %s", got, want)
			}
			err := c.Write([]byte("echo"))
			if err != nil {
				t.Fatal(err)
			}
			_, got, err := c.WS.ReadMessage()
			if err != nil || string(got) != "echo" {
				t.Errorf("got %q, %v, want the echo", got, err)
			}
		}
		if took := time.Since(began); took != 2*pause {
			t.Errorf("got %v, want %v", took, 2*pause)
		}
	})
}

func TestPipeListenerClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		listener := ListenPipe()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := listener.DialContext(ctx, "", "")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial of a listener that does not accept: got %v, want %v", err, context.DeadlineExceeded)
		}

		accepted := make(chan error)
		go func() {
			_, err := listener.Accept()
			accepted <- err
		}()
		synctest.Wait()
		for range 2 {
			err = listener.Close()
			if err != nil {
				t.Errorf("Close: got %v, want no error", err)
			}
		}
		err = <-accepted
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: got %v, want %v", err, net.ErrClosed)
		}
		_, err = listener.DialContext(t.Context(), "", "")
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial after Close: got %v, want %v", err, syscall.ECONNREFUSED)
		}
	})
}
