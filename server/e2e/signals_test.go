package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"websockets/server/servertest"
	"websockets/shared"
)

// chats fails the test unless the connection's message is acked.
func chats(t *testing.T, c *servertest.Conn, text string) {
	t.Helper()
	_, err := servertest.Ask(c, shared.SendMessage, shared.SendMessagePayload{Message: text}, shared.Ack)
	if err != nil {
		t.Errorf("sending %q: %v", text, err)
	}
}

// refuseOne makes the server log a line.
func refuseOne(t *testing.T, server *servertest.Process) {
	t.Helper()
	foreign := servertest.DialOptions{Header: http.Header{"Origin": {"https://evil.example"}}}
	if got := handshake(t, server.WS(), foreign).StatusCode; got != http.StatusForbidden {
		t.Errorf("a foreign origin: got status %d, want %d", got, http.StatusForbidden)
	}
}

// TestTheReaderOfTheLogIsGone: a server whose log nobody reads any more goes on.
func TestTheReaderOfTheLogIsGone(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t)
	c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x"})
	server.CloseLog()
	for range 3 {
		refuseOne(t, server)
		server.Signal(syscall.SIGHUP)
	}
	chats(t, c, "still here")
	server.Stop()
}

// TestStandardErrorIsClosed: a server that is started without a standard error serves.
func TestStandardErrorIsClosed(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("NOT RUN: there is no shell to close standard error with")
	}
	server := servertest.Start(t)
	server.Stop()
	args := []string{"--listen", server.Addr, "--data", server.Dir}
	cmd := exec.Command(shell, append([]string{"-c", `exec "$0" "$@" 2>&-`, servertest.Binary(t)}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var c *servertest.Conn
	servertest.Eventually(t, "a connection", func() (open bool) {
		c, err = servertest.TryDial(t, server.WS(), servertest.DialOptions{Room: "x"})
		return err == nil
	})
	defer c.WS.Close()
	refuseOne(t, server)
	chats(t, c, "stored")
}

// TestQuitPrintsGoroutines: SIGQUIT stays Go's way to see what a server does.
func TestQuitPrintsGoroutines(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--data", "none")
	server.Signal(syscall.SIGQUIT)
	server.AwaitLog(regexp.MustCompile("SIGQUIT: quit"))
	if code := server.AwaitEnd(); code != 2 {
		t.Errorf("exit code: got %d, want 2", code)
	}
}

// hangUp sends the server SIGHUP and waits until it has logged what it did.
func hangUp(t *testing.T, server *servertest.Process, want string) {
	t.Helper()
	before := strings.Count(server.Log(), want)
	server.Signal(syscall.SIGHUP)
	servertest.Eventually(t, "another line with "+want, func() bool { return strings.Count(server.Log(), want) > before })
}

// TestHangupReloadsFiles: at SIGHUP the API's tokens, the key of users' tokens and the
// certificate are read again. A file that cannot be used changes nothing. Nobody is
// disconnected.
func TestHangupReloadsFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) (path string) {
		t.Helper()
		path = filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := func(of string) string { return strings.Repeat(of+" secret ", 5) }
	tokens, key := write("tokens", "shop "+secretToken("old")+" messages:read\n"), write("key", secret("old"))
	server := servertest.Start(t, "--auth", "jwt", "--jwt-algorithm", "HS256", "--jwt-key", key, "--api-tokens", tokens)
	check := func(valid, invalid string) {
		t.Helper()
		for name, want := range map[string]int{valid: http.StatusOK, invalid: http.StatusUnauthorized} {
			if got := listRooms(t, server.URL(), secretToken(name)); got != want {
				t.Errorf("the API with the %s token: got status %d, want %d", name, got, want)
			}
		}
		for name, want := range map[string]int{valid: http.StatusSwitchingProtocols, invalid: http.StatusUnauthorized} {
			session := sign(t, strings.TrimSpace(secret(name)))
			if got := handshake(t, server.WS(), servertest.DialOptions{Session: session}).StatusCode; got != want {
				t.Errorf("a token signed with the %s key: got status %d, want %d", name, got, want)
			}
		}
	}
	check("old", "new")
	c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x", Session: sign(t, strings.TrimSpace(secret("old")))})

	write("tokens", "shop short messages:read\n")
	write("key", "short")
	hangUp(t, server, `level=ERROR msg="reload failed, keeping what was read before" file=`+key)
	if log := server.Log(); !strings.Contains(log, `read before" file=`+tokens) || strings.Contains(log, "msg=reloaded") {
		t.Errorf("the log: got\n%s\nwant that neither file was reloaded", log)
	}
	check("old", "new")

	write("tokens", "shop "+secretToken("new")+" messages:read\n")
	write("key", secret("new"))
	hangUp(t, server, "msg=reloaded file="+key)
	check("new", "old")
	chats(t, c, "still here")
	server.Stop()
}

// secretToken returns a token of the HTTP API.
func secretToken(name string) string { return strings.Repeat(name+"-", 10) }

// listRooms returns the status of a request to the HTTP API of a server.
func listRooms(t *testing.T, url, token string) int {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url+"api/rooms", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	_ = response.Body.Close()
	return response.StatusCode
}

// sign returns a user's token.
func sign(t *testing.T, secret string) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": "ann", "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestHangupReloadsTheCertificate: a certificate is read at SIGHUP, before anybody
// connects. Without a file to read, the server says so.
func TestHangupReloadsTheCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, cert, key, 1)
	server := servertest.Start(t, "--tls-cert", cert, "--tls-key", key)
	hangUp(t, server, "msg=reloaded file="+cert)

	plain := servertest.Start(t)
	c := servertest.Dial(t, plain.WS(), servertest.DialOptions{Room: "x"})
	plain.Signal(syscall.SIGHUP)
	plain.AwaitLog(regexp.MustCompile("got SIGHUP, but no flag names a file to reload"))
	chats(t, c, "still here")
}
