//go:build linux

package e2e

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gorilla/websocket"

	"websockets/server/servertest"
	"websockets/shared"
)

// limitDescriptors lets a running server open no file descriptor from n on. It returns how
// to take that back.
func limitDescriptors(t *testing.T, server *servertest.Process, n uint64) (restore func()) {
	t.Helper()
	var before unix.Rlimit
	set := func(limit *unix.Rlimit) {
		t.Helper()
		if err := unix.Prlimit(server.PID(), unix.RLIMIT_NOFILE, limit, nil); err != nil {
			t.Skipf("NOT RUN: the limit of another process cannot be set here: %v", err)
		}
	}
	if err := unix.Prlimit(server.PID(), unix.RLIMIT_NOFILE, nil, &before); err != nil {
		t.Fatal(err)
	}
	set(&unix.Rlimit{Cur: n, Max: before.Max})
	return func() { set(&before) }
}

// fsyncModes are the flags of a small log, which has small files.
var fsyncModes = map[string][]string{
	"always":   {"--rate", "0", "--max-bytes", "64MB"},
	"interval": {"--rate", "0", "--max-bytes", "64MB", "--fsync", "interval"},
}

// large is a message of 16 KB.
var large = shared.SendMessagePayload{Message: strings.Repeat("🙂", 4096)}

// TestConnectionsDoNotTakeAllDescriptors: when there are too many connections, further ones
// are refused, the log says so, and messages are stored in new files. When some have gone,
// others can come.
func TestConnectionsDoNotTakeAllDescriptors(t *testing.T) {
	t.Parallel()
	for name, flags := range fsyncModes {
		t.Run(name, func(t *testing.T) {
			server := servertest.Start(t, flags...)
			writer := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x"})
			const limit = 128
			limitDescriptors(t, server, limit)
			var open []*websocket.Conn
			for {
				conn, err := servertest.Upgrade(server.WS(), servertest.DialOptions{})
				if err != nil {
					break
				}
				open = append(open, conn)
				if len(open) > limit {
					t.Fatalf("open connections: got %d, want fewer than %d", len(open), limit)
				}
			}
			server.AwaitLog(regexp.MustCompile(`level=ERROR msg="cannot accept connections" err="too many open files"`))
			for n := range 400 { // more than one file takes
				if _, err := servertest.Ask(writer, shared.SendMessage, large, shared.Ack); err != nil {
					t.Fatalf("message %d: %v", n, err)
				}
			}
			for _, conn := range open {
				_ = conn.Close()
			}
			servertest.Eventually(t, "a new connection", func() bool {
				conn, err := servertest.Upgrade(server.WS(), servertest.DialOptions{})
				if err == nil {
					_ = conn.Close()
				}
				return err == nil
			})
			if status, body := get(t, server.URL()+"readyz"); status != http.StatusOK {
				t.Errorf("readyz: got %d %q, want %d", status, body, http.StatusOK)
			}
			server.Stop()
		})
	}
}

// TestStoreThatCannotOpenFiles: a store that was refused a file says so, and the server ends
// for its supervisor when files can be opened again.
func TestStoreThatCannotOpenFiles(t *testing.T) {
	t.Parallel()
	for name, flags := range fsyncModes {
		t.Run(name, func(t *testing.T) {
			server := servertest.Start(t, flags...)
			writer := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x"})
			servertest.Await(writer, shared.Synced)
			// Over one connection of its own: the server accepts no other.
			client := &http.Client{Transport: &http.Transport{}, Timeout: servertest.Patience}
			defer client.CloseIdleConnections()
			ready := func() (status int, body string) {
				t.Helper()
				response, err := client.Get(server.URL() + "readyz")
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				text, err := io.ReadAll(response.Body)
				if err != nil {
					t.Fatal(err)
				}
				return response.StatusCode, string(text)
			}
			if status, body := ready(); status != http.StatusOK {
				t.Errorf("readyz before: got %d %q, want %d", status, body, http.StatusOK)
			}
			restore := limitDescriptors(t, server, 3)
			acked := 0
			for {
				id := servertest.Send(writer, shared.SendMessage, large)
				answer := writer.Take("the answer to "+id, func(e shared.Event) bool { return e.ID == id })
				writer.Forget()
				if answer.Type != shared.Ack.Name() {
					break
				}
				acked++
				if acked > 2000 {
					t.Fatal("32 MB went into files that cannot be opened")
				}
			}
			if status, body := ready(); status != http.StatusServiceUnavailable || !strings.Contains(body, "too many open files") {
				t.Errorf("readyz: got %d %q, want %d and why", status, body, http.StatusServiceUnavailable)
			}
			restore()
			if code := server.AwaitEnd(); code == 0 {
				t.Error("exit code: got 0, want another")
			}
			server.Start() // as its supervisor does
			if status, body := get(t, server.URL()+"readyz"); status != http.StatusOK {
				t.Errorf("readyz after the restart: got %d %q, want %d", status, body, http.StatusOK)
			}
			if got := len(readAll(t, server.WS(), "x")); name == "always" && got < acked {
				t.Errorf("messages after the restart: got %d, want the %d that were acked", got, acked)
			}
		})
	}
}
