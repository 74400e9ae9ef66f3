package e2e

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"websockets/server/servertest"
	"websockets/shared"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestWrongUseIsToldInOneLine: whoever gets a flag wrong is told what, and what
// to do, in one line.
func TestWrongUseIsToldInOneLine(t *testing.T) {
	running := servertest.Start(t)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"unknown flag":     {[]string{"--lisen", "x"}, `did you mean "--listen"`},
		"unknown value":    {[]string{"--fsync", "never"}, `"always","interval" but got "never"`},
		"size":             {[]string{"--max-bytes", "5 apples"}, `"5 apples" is not a size like 500MB or 10GB`},
		"number":           {[]string{"--rate", "fast"}, "--rate"},
		"short memory":     {[]string{"--max-age", "1m"}, "--max-age=1m0s is too short: a message is kept for at least 2m0s"},
		"port in use":      {[]string{"--listen", running.Addr, "--data", t.TempDir()}, running.Addr + " is in use: stop what listens there, or choose another with --listen"},
		"folder in use":    {[]string{"--listen", "127.0.0.1:0", "--data", running.Dir}, "is in use by another process"},
		"not an address":   {[]string{"--listen", "nowhere", "--data", t.TempDir()}, "cannot listen on nowhere"},
		"jwt flags alone":  {[]string{"--jwt-issuer", "x"}, "the --jwt flags go with --auth=jwt"},
		"no algorithm":     {[]string{"--auth", "jwt", "--jwt-key", "x"}, "--auth=jwt needs --jwt-algorithm"},
		"two sorts of key": {[]string{"--auth", "jwt", "--jwt-algorithm", "RS256", "--jwt-key", "x", "--jwt-jwks", "https://x"}, "one of the two"},
		"no key file":      {[]string{"--listen", "127.0.0.1:0", "--data", t.TempDir(), "--auth", "jwt", "--jwt-algorithm", "HS256", "--jwt-key", "/nowhere"}, "--jwt-key: open /nowhere"},
		"no certificate":   {[]string{"--listen", "127.0.0.1:0", "--tls-cert", "/nowhere"}, "--tls-cert and --tls-key go together"},
		"no network":       {[]string{"--listen", "127.0.0.1:0", "--trusted-proxy", "10.0.0.0/99"}, "--trusted-proxy"},
		"no token file":    {[]string{"--listen", "127.0.0.1:0", "--api-tokens", "/nowhere"}, "--api-tokens: open /nowhere"},
		"no folder":        {[]string{"--listen", "127.0.0.1:0", "--data", "/dev/null/x"}, "the data folder"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := servertest.Run(t, c.args...)
			if code == 0 || stdout != "" {
				t.Errorf("exit code %d, standard output %q", code, stdout)
			}
			if strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "websockets: ") || !strings.Contains(stderr, c.want) {
				t.Errorf("it says %q, want one line with %q", stderr, c.want)
			}
		})
	}
}

func TestHelpShowsTheFlags(t *testing.T) {
	code, stdout, _ := servertest.Run(t, "--help")
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"--listen", "--data", "--fsync", "--rate", "WEBSOCKETS_LISTEN", "may lose the last second"} {
		if !strings.Contains(strings.Join(strings.Fields(stdout), " "), want) {
			t.Errorf("--help does not mention %q:\n%s", want, stdout)
		}
	}
}

func TestFlagsFromTheEnvironment(t *testing.T) {
	cmd := exec.Command(servertest.Binary(t), "--data", t.TempDir())
	cmd.Env = append(os.Environ(), "WEBSOCKETS_LISTEN=nowhere")
	out, _ := cmd.CombinedOutput()
	if !strings.Contains(string(out), "cannot listen on nowhere") {
		t.Errorf("with WEBSOCKETS_LISTEN=nowhere it says %q", out)
	}
}

// TestStopTellsEverybody: Ctrl-C sends closing and a close frame with 1012 to
// everyone, even when somebody does not read, and the server ends soon and with
// exit code 0.
func TestStopTellsEverybody(t *testing.T) {
	server := servertest.Start(t)
	var readers []*websocket.Conn
	for range 3 {
		readers = append(readers, dial(t, server))
	}
	deaf := dial(t, server) // never reads, never answers
	if err := deaf.WriteMessage(websocket.TextMessage, []byte(`{"type":"ping"}`)); err != nil {
		t.Fatal(err)
	}

	type end struct {
		closing bool
		err     error
	}
	ends := make(chan end)
	for _, conn := range readers {
		go func() {
			var e end
			for e.err == nil {
				var frame []byte
				_, frame, e.err = conn.ReadMessage()
				e.closing = e.closing || strings.HasPrefix(string(frame), `{"type":"closing","payload":{"reason":`)
			}
			ends <- e
		}()
	}
	if took := server.Stop(); took > 5*time.Second {
		t.Errorf("stopping took %v, want at most 5 s", took)
	}
	for range readers {
		e := <-ends
		if !e.closing {
			t.Error("a client was not told that the server is closing")
		}
		if !websocket.IsCloseError(e.err, shared.CloseRestart) {
			t.Errorf("a client's connection ended with %v, want close code %d", e.err, shared.CloseRestart)
		}
	}
}

func dial(t *testing.T, server *servertest.Process) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial(server.WS(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, _, err := conn.ReadMessage(); err != nil { // welcome: the server knows it
		t.Fatal(err)
	}
	return conn
}

// TestSessionSurvivesARestart: the key that signs sessions is in the store, so
// the same user comes back after the server did.
func TestSessionSurvivesARestart(t *testing.T) {
	server := servertest.Start(t)
	welcome := func(header http.Header) (w shared.WelcomePayload) {
		t.Helper()
		conn, _, err := websocket.DefaultDialer.Dial(server.WS(), header)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, frame, err := conn.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		event, err := shared.DecodeEvent(frame)
		if err != nil {
			t.Fatal(err)
		}
		if w, err = shared.Welcome.Decode(event); err != nil {
			t.Fatal(err)
		}
		return w
	}
	first := welcome(nil)
	server.Kill()
	server.Start()
	if again := welcome(http.Header{"Authorization": {"Bearer " + first.Session}}); again.User != first.User {
		t.Errorf("after a restart the session is %s, was %s", again.User, first.User)
	}

	// A browser gets it as a cookie with the page.
	request, _ := http.NewRequest("GET", server.URL(), nil)
	request.Header.Set("Accept", "text/html")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer response.Body.Close()
	cookies := response.Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteLaxMode {
		t.Fatalf("the page sets the cookies %v, want one session, HttpOnly and SameSite=Lax", cookies)
	}
	user, _, _ := strings.Cut(cookies[0].Value, ".")
	header := http.Header{"Cookie": {cookies[0].Name + "=" + cookies[0].Value}, "Origin": {"http://" + server.Addr}}
	if w := welcome(header); w.User != user {
		t.Errorf("with the cookie the user is %s, want %s", w.User, user)
	}
}

// TestForeignOriginIsRefused: and the log says what to do about it.
func TestForeignOriginIsRefused(t *testing.T) {
	server := servertest.Start(t, "--allow-origin", "https://friend.example")
	for origin, allowed := range map[string]bool{
		"":                                true,
		"http://" + server.Addr:           true,
		"https://friend.example":          true,
		"https://evil.example":            false,
		"http://friend.example":           false,
		"null":                            false,
		"http://" + server.Addr + ".evil": false,
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		conn, response, err := websocket.DefaultDialer.Dial(server.WS(), header)
		if err == nil {
			_ = conn.Close()
		}
		if allowed != (err == nil) || !allowed && (response == nil || response.StatusCode != http.StatusForbidden) {
			t.Errorf("origin %q: %v, want allowed: %v", origin, err, allowed)
		}
	}
	for _, want := range []string{"https://evil.example", "https://friend.example", "--allow-origin=" + url.PathEscape("null")} {
		server.AwaitLog(regexp.MustCompile(regexp.QuoteMeta(want)))
	}
}
