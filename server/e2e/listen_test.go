//go:build unix

package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"websockets/server/servertest"
)

// through returns options with which a connection goes through a Unix socket, as a proxy
// opens it for a client with this address.
func through(path, client string) servertest.DialOptions {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return servertest.DialOptions{Dialer: websocket.Dialer{NetDialContext: dial}, Header: http.Header{"X-Forwarded-For": {client}}}
}

// TestListenOnAUnixSocket: a socket is there while the server runs, and one that a killed
// server has left behind is replaced. Clients of the proxy have the addresses that it says.
func TestListenOnAUnixSocket(t *testing.T) {
	t.Parallel()
	const url = "ws://chat.example/ws"
	path := filepath.Join(t.TempDir(), "socket")
	server := servertest.Start(t, "--listen", "unix:"+path, "--max-conns-per-address", "1")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Type() != os.ModeSocket || info.Mode().Perm() != 0o660 {
		t.Fatalf("the socket: got %v, %v, want a socket with the mode 0660", info, err)
	}
	c := servertest.Dial(t, url, through(path, "192.0.2.1"))
	chats(t, c, "through a socket")
	servertest.Dial(t, url, through(path, "192.0.2.2"))
	if got := handshake(t, url, through(path, "192.0.2.1")).StatusCode; got != http.StatusTooManyRequests {
		t.Errorf("a second connection of an address: got status %d, want %d", got, http.StatusTooManyRequests)
	}
	code, _, stderr := servertest.Run(t, "--listen", "unix:"+path, "--data", t.TempDir())
	if code == 0 || !strings.Contains(stderr, "unix:"+path+" is in use") {
		t.Errorf("a second server on the socket: got exit code %d and %q, want that it is in use", code, stderr)
	}

	server.Kill()
	server.Start()
	servertest.Dial(t, url, through(path, "192.0.2.1"))
	server.Stop()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket of a server that was stopped: got %v, want that it does not exist", err)
	}
}

// TestAFileIsNoSocket: what is not a socket is left alone.
func TestAFileIsNoSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := servertest.Run(t, "--listen", "unix:"+path, "--data", t.TempDir())
	if code == 0 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, path+": a file is there that is not a socket") {
		t.Errorf("got exit code %d and %q, want another code than 0 and one line", code, stderr)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("the file: got %q, %v, want it unchanged", text, err)
	}
}

// TestSocketsOfSystemd: the server takes the sockets that systemd has opened, as many as
// there are, when --listen says so or says nothing.
func TestSocketsOfSystemd(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("NOT RUN: there is no shell to set LISTEN_PID with")
	}
	for name, args := range map[string][]string{"asked for": {"--listen", "systemd:"}, "by itself": nil} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(shell, append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, servertest.Binary(t), "--data", "none"}, args...)...)
			cmd.Env = append(os.Environ(), "LISTEN_FDS=2")
			var urls []string
			for range 2 {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				urls = append(urls, "ws://"+l.Addr().String()+"/ws")
				file, err := l.(*net.TCPListener).File()
				if err != nil {
					t.Fatal(err)
				}
				cmd.ExtraFiles = append(cmd.ExtraFiles, file)
				_ = l.Close()
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			})
			for _, file := range cmd.ExtraFiles {
				_ = file.Close()
			}
			for _, url := range urls { // until the server accepts, the connection waits
				chats(t, servertest.Dial(t, url, servertest.DialOptions{Room: "x"}), "hello")
			}
		})
	}
	code, _, stderr := servertest.Run(t, "--listen", "systemd:", "--data", "none")
	if code == 0 || !strings.Contains(stderr, "got no socket from systemd") {
		t.Errorf("without a socket: got exit code %d and %q, want that there is none", code, stderr)
	}
}

// TestUnderABasePath: with --base-path the printed address, the chat and the HTTP API are
// under that path.
func TestUnderABasePath(t *testing.T) {
	t.Parallel()
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("shop "+secretToken("shop")+" messages:read\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := servertest.Start(t, "--base-path", "/chat/", "--api-tokens", tokens)
	if want := "open=http://" + server.Addr + "/chat/ "; !strings.Contains(server.Log(), want) {
		t.Errorf("the log: got\n%s\nwant %q in it", server.Log(), want)
	}
	chats(t, servertest.Dial(t, "ws://"+server.Addr+"/chat/ws", servertest.DialOptions{Room: "x"}), "hello")
	if got := listRooms(t, server.URL()+"chat/", secretToken("shop")); got != http.StatusOK {
		t.Errorf("the API: got status %d, want %d", got, http.StatusOK)
	}
}

// TestThePrintedAddressCanBeOpened: a server that listens everywhere names an address that
// a browser can open.
func TestThePrintedAddressCanBeOpened(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1", "0.0.0.0", ""} {
		server := servertest.Start(t, "--listen", host+":0", "--data", "none")
		found := regexp.MustCompile(`msg=listening open=(http://(\S+):\d+)`).FindStringSubmatch(server.Log())
		if found == nil || found[2] != "localhost" && found[2] != host {
			t.Errorf("the log with --listen=%s:0: got\n%s\nwant an address on this machine", host, server.Log())
			continue
		}
		if status, body := get(t, found[1]+"/healthz"); status != http.StatusOK {
			t.Errorf("%s/healthz: got %d %s, want %d", found[1], status, fmt.Sprintf("%.80q", body), http.StatusOK)
		}
	}
}
