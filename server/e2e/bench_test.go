package e2e

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"websockets/server/servertest"
	"websockets/shared"
)

// TestBench: bench and server run with their defaults; the result says what was
// sent, and the exit code that all is well.
func TestBench(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--max-conns-per-address", "100")
	code, stdout, stderr := servertest.Run(t, "bench", server.URL(), "--duration", "2s")
	if code != 0 {
		t.Errorf("exit code: got %d, want 0; it says %s", code, stderr)
	}
	for _, want := range []string{
		"100 connections in 1 room (bench-", "messages    200 acked, ", "deliveries  20,000, ",
		"0 lost, 0 doubled, 0 misordered", "delivered to each ", " deliveries a CPU second",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("standard output: got %s\nwant %q in it", stdout, want)
		}
	}
}

// TestBenchRefused: when the server refuses the load, one line says what to do.
func TestBenchRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, secret := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "secret")
	writeCertificate(t, cert, key, 1)
	if err := os.WriteFile(secret, []byte(strings.Repeat("a secret ", 5)), 0o600); err != nil {
		t.Fatal(err)
	}
	token := func(rooms map[string][]string) string {
		claims := jwt.MapClaims{"sub": "ann", "aud": "chat", "exp": time.Now().Add(time.Hour).Unix()}
		if rooms != nil {
			claims["rooms"] = rooms
		}
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(strings.TrimSpace(strings.Repeat("a secret ", 5))))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	const limit = "--max-conns-per-address"
	guests, full := servertest.Start(t, limit, "100"), servertest.Start(t, limit, "100")
	users := servertest.Start(t, limit, "100", "--auth", "jwt", "--jwt-algorithm", "HS256", "--jwt-key", secret, "--jwt-audience", "chat")
	secure := servertest.Start(t, "--tls-cert", cert, "--tls-key", key)
	few := []string{"--connections", "3", "--duration", "200ms"}
	for name, c := range map[string]struct {
		args []string
		env  string
		want string // of standard error; empty: all is well
	}{
		"nobody there":      {[]string{"http://127.0.0.1:1"}, "", "nothing listens at 127.0.0.1:1: start the server, or give its address"},
		"another server":    {[]string{guests.URL() + "static/load.js/ws"}, "", "answers 404 Not Found: is it a websockets server?"},
		"one too many":      {[]string{guests.URL(), "--connections", "101"}, "", "there are too many connections from your address): start it with --max-conns-per-address 0"},
		"too fast":          {[]string{guests.URL(), "--connections", "2", "--rate", "400", "--duration", "30s"}, "", "rate_limited): start the server with --rate 0, or use a lower --rate"},
		"too many rooms":    {[]string{full.URL(), "--connections", "30", "--rooms", "30"}, "", "too many new rooms: use an existing room, or wait a moment (rate_limited): start the server with --rate 0"},
		"no token":          {append([]string{users.URL()}, few...), "", "authentication required (send authenticate with a valid token within 5 s): give a valid --token"},
		"a bad token":       {append([]string{users.URL(), "--token", "x"}, few...), "", "the server refuses the --token"},
		"not these rooms":   {append([]string{users.URL(), "--token", token(map[string][]string{"general": {"read", "write"}})}, few...), "", `the token must allow the rooms bench-*, {"bench-*":["read","write"]}`},
		"may not write":     {append([]string{users.URL(), "--token", token(map[string][]string{"bench-*": {"read"}})}, few...), "", "the server refused a message: you may not write"},
		"one user":          {[]string{users.URL(), "--token", token(nil), "--connections", "33"}, "", "you have too many tabs or other connections open: with a --token all connections are one user's; start the server with --max-conns-per-address 0"},
		"a good token":      {append([]string{users.URL(), "--token", token(map[string][]string{"bench-*": {"read", "write"}})}, few...), "", ""},
		"a token, unseen":   {append([]string{users.URL()}, few...), "WEBSOCKETS_TOKEN=" + token(nil), ""},
		"serve's variables": {append([]string{guests.URL()}, few...), "WEBSOCKETS_RATE=nonsense", ""},
		"without TLS":       {append([]string{"http://" + secure.Addr}, few...), "", secure.Addr + " speaks TLS: is it https://" + secure.Addr + "?"},
		"with TLS":          {append([]string{"https://" + guests.Addr}, few...), "", guests.Addr + " does not speak TLS: is it http://"},
		"unknown authority": {append([]string{"https://" + secure.Addr}, few...), "", "is signed by an unknown authority: set SSL_CERT_FILE"},
		"over TLS":          {append([]string{"wss://" + secure.Addr + "/ws", "--slow", "1"}, few...), "SSL_CERT_FILE=" + cert, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			cmd := exec.Command(servertest.Binary(t), append([]string{"bench"}, c.args...)...)
			cmd.Env = append(os.Environ(), c.env)
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			if c.want == "" {
				if err != nil || !strings.Contains(stdout.String(), "0 lost, 0 doubled, 0 misordered") {
					t.Errorf("got %v, %s%s\nwant success and nothing lost", err, &stdout, &stderr)
				}
				return
			}
			lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
			if last := lines[len(lines)-1]; cmd.ProcessState.ExitCode() != 1 || !strings.HasPrefix(last, "websockets: ") || !strings.Contains(last, c.want) {
				t.Errorf("got exit code %d and %s\nwant 1 and a last line with %q", cmd.ProcessState.ExitCode(), &stderr, c.want)
			}
		})
	}
}

// TestBenchDoubled: a delivery that comes twice is counted, and fails the bench.
func TestBenchDoubled(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t)
	proxy := servertest.NewFilter(t, server.Addr, func(r *bufio.Reader) ([]byte, error) {
		piece, err := servertest.ReadFrame(r)
		if bytes.Contains(piece, []byte(shared.NewMessage.Name())) {
			piece = append(piece, piece...)
		}
		return piece, err
	})
	code, stdout, stderr := servertest.Run(t, "bench", proxy.Addr, "--connections", "4", "--duration", "500ms")
	if code != 1 || !strings.Contains(stdout, "0 lost, 200 doubled, 0 misordered") || !strings.HasSuffix(stderr, "websockets: deliveries are wrong: 200 doubled\n") {
		t.Errorf("got exit code %d, %s%s\nwant 1 and 200 doubled", code, stdout, stderr)
	}
}

// loading is a bench of an hour.
type loading struct {
	*exec.Cmd
	stdout, stderr strings.Builder
}

// startLoading returns when the bench has begun to send. The server must not limit
// how often a client asks.
func startLoading(t *testing.T, server *servertest.Process) *loading {
	t.Helper()
	watch := servertest.Dial(t, server.WS(), servertest.DialOptions{})
	l := &loading{Cmd: exec.Command(servertest.Binary(t), "bench", server.URL(), "--connections", "5", "--duration", "1h")}
	l.Stdout, l.Stderr = &l.stdout, &l.stderr
	if err := l.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(servertest.Patience, func() { _ = l.Process.Kill() }) // ends Wait
	t.Cleanup(func() { kill.Stop() })
	// A room is listed when there is a message in it.
	servertest.Eventually(t, "a room of the bench", func() bool {
		rooms, err := servertest.Ask(watch, shared.ListRooms, shared.ListRoomsPayload{Filter: "bench-"}, shared.Rooms)
		if err != nil {
			t.Fatal(err)
		}
		return len(rooms.Rooms) > 0
	})
	return l
}

// TestBenchStopped: Ctrl-C ends the load, and the result covers what was sent.
func TestBenchStopped(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0")
	l := startLoading(t, server)
	if err := l.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := l.Wait(); err != nil || !strings.Contains(l.stdout.String(), "0 lost, 0 doubled, 0 misordered") {
		t.Errorf("got %v, %s%s\nwant success and nothing lost", err, &l.stdout, &l.stderr)
	}
}

// TestBenchServerKilled: the result covers what was sent, and the exit code is 1.
func TestBenchServerKilled(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0")
	l := startLoading(t, server)
	server.Kill()
	_ = l.Wait()
	if l.ProcessState.ExitCode() != 1 || !strings.Contains(l.stdout.String(), "0 lost, 0 doubled, 0 misordered") ||
		!strings.Contains(l.stderr.String(), "websockets: a connection ended: ") {
		t.Errorf("got exit code %d, %s%s\nwant 1, nothing lost, and that a connection ended", l.ProcessState.ExitCode(), &l.stdout, &l.stderr)
	}
}

// TestBenchWrongUse: a wrong flag is refused in one line, before anything is sent.
func TestBenchWrongUse(t *testing.T) {
	t.Parallel()
	for flags, want := range map[string]string{
		"--connections 0":                        "--connections and --rooms must be at least 1",
		"--rooms 200":                            "--rooms 200 requires at least as many --connections that read: there are 100",
		"--rooms 10 --slow 95":                   "--rooms 10 requires at least as many --connections that read: there are 5",
		"--senders 101":                          "--senders 101 is more than the 100 connections that read",
		"--connections 3000 --senders 2000":      "--senders 2000 is more than 1000 a room",
		"--rate=-1":                              "--rate must be 0 to 1000000",
		"--rate NaN":                             "--rate must be 0 to 1000000",
		"--rate 0 --in-flight 0":                 "--in-flight must be 1 to 4096",
		"--duration 0s":                          "--duration must be more than 0",
		"--duration soon":                        "--duration",
		"--size 10":                              "--size must be 40 to 4096 bytes",
		"--size 5000":                            "--size must be 40 to 4096 bytes",
		"--connections 10000000":                 "--connections 10000000 is too many: this process may open ",
		"ftp://127.0.0.1":                        "ftp://127.0.0.1: the scheme must be http, https, ws or wss",
		"http://":                                `"http://" is not an address like http://127.0.0.1:8080`,
		"--conections 5":                         `did you mean "--connections"`,
		"http://127.0.0.1:1 http://127.0.0.1:2 ": "unexpected argument",
	} {
		code, stdout, stderr := servertest.Run(t, append([]string{"bench"}, strings.Fields(flags)...)...)
		if code == 0 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%s: got exit code %d and %q%q, want another code than 0 and one line with %q", flags, code, stdout, stderr, want)
		}
	}
}
