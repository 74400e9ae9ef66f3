package main

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// exhausted is a listener on a system without descriptors, until it is closed.
type exhausted struct {
	net.Listener
	closed chan struct{}
}

func (l exhausted) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
		return nil, &net.OpError{Op: "accept", Err: syscall.ENFILE}
	}
}

// TestRefusedConnectionsAreLogged: the listener goes on, and says once a second how many
// connections it could not accept.
func TestRefusedConnectionsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		inner := exhausted{closed: make(chan struct{})}
		l := &frugalListener{Listener: inner, logger: slog.New(slog.NewTextHandler(&log, nil))}
		time.AfterFunc(3*refusalsEvery+acceptPause/2, func() { close(inner.closed) })
		began := time.Now()
		_, err := l.Accept()
		if took := time.Since(began); err == nil || took < 3*refusalsEvery {
			t.Errorf("got %v after %v, want that it went on until it was closed", err, took)
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 3 && len(lines) != 4 {
			t.Errorf("got %d lines, want one a second:\n%s", len(lines), &log)
		}
		if last := lines[len(lines)-1]; !strings.Contains(last, syscall.ENFILE.Error()) || !strings.Contains(last, "refused=10") {
			t.Errorf("got the line %s, want the cause and how many there were", last)
		}
	})
}
