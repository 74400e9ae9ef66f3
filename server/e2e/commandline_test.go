package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"websockets/server/servertest"
	"websockets/shared"
)

// TestWrongUseIsToldInOneLine: for a wrong flag the server says what is wrong and
// what to do, in one line.
func TestWrongUseIsToldInOneLine(t *testing.T) {
	t.Parallel()
	running := servertest.Start(t)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"unknown flag":                     {[]string{"--lisen", "x"}, `did you mean "--listen"`},
		"unknown value":                    {[]string{"--fsync", "never"}, `"always","interval" but got "never"`},
		"format of the log":                {[]string{"--log-format", "xml"}, `"text","json" but got "xml"`},
		"its name of 0.1.0":                {[]string{"--log", "xml"}, `"text","json" but got "xml"`},
		"size":                             {[]string{"--max-bytes", "5 apples"}, `"5 apples" is not a size like 500MB or 10GB`},
		"number":                           {[]string{"--rate", "fast"}, "--rate"},
		"short memory":                     {[]string{"--max-age", "1m"}, "--max-age=1m0s is too short, the minimum is 2m0s"},
		"port in use":                      {[]string{"--listen", running.Addr, "--data", t.TempDir()}, running.Addr + " is in use: stop the program that listens there, or choose another address with --listen"},
		"folder in use":                    {[]string{"--listen", "127.0.0.1:0", "--data", running.Dir}, "is in use by another process"},
		"not an address":                   {[]string{"--listen", "nowhere", "--data", t.TempDir()}, "cannot listen on nowhere"},
		"jwt flags alone":                  {[]string{"--jwt-issuer", "x"}, "the --jwt flags require --auth=jwt"},
		"no algorithm":                     {[]string{"--auth", "jwt", "--jwt-key", "x"}, "--auth=jwt requires --jwt-algorithm"},
		"two sorts of key":                 {[]string{"--auth", "jwt", "--jwt-algorithm", "RS256", "--jwt-key", "x", "--jwt-jwks", "https://x"}, "either --jwt-key or --jwt-jwks"},
		"no cookie":                        {[]string{"--auth", "jwt", "--jwt-algorithm", "RS256", "--jwt-key", "x", "--jwt-cookie", "a b"}, `--jwt-cookie: "a b" is not a name of a cookie`},
		"no key file":                      {[]string{"--listen", "127.0.0.1:0", "--data", t.TempDir(), "--auth", "jwt", "--jwt-algorithm", "HS256", "--jwt-key", "/nowhere"}, "--jwt-key: open /nowhere"},
		"no certificate":                   {[]string{"--listen", "127.0.0.1:0", "--tls-cert", "/nowhere"}, "--tls-cert and --tls-key must be used together"},
		"no network":                       {[]string{"--listen", "127.0.0.1:0", "--trusted-proxy", "10.0.0.0/99"}, "--trusted-proxy"},
		"no token file":                    {[]string{"--listen", "127.0.0.1:0", "--api-tokens", "/nowhere"}, "--api-tokens: open /nowhere"},
		"no folder":                        {[]string{"--listen", "127.0.0.1:0", "--data", "/dev/null/x"}, "the data folder"},
		"level of the log":                 {[]string{"--log-level", "loud"}, `"debug","info","warn","error" but got "loud"`},
		"not a NATS address":               {[]string{"--nats", "nats://ann:s3cret wrong@x"}, "--nats: address 1 of NATS is not like nats://host:4222"},
		"credentials alone":                {[]string{"--nats-creds", "x"}, "the --nats flags require --nats"},
		"half a certificate":               {[]string{"--nats", "nats://x", "--nats-cert", "x"}, "--nats-cert and --nats-key must be used together"},
		"two sorts of user":                {[]string{"--nats", "nats://x", "--nats-creds", "x", "--nats-nkey", "x"}, "--nats-creds and --nats-nkey cannot be used together"},
		"no nkey file":                     {[]string{"--listen", "127.0.0.1:0", "--nats", "nats://127.0.0.1:1", "--nats-nkey", "/nowhere"}, "--nats-nkey: nats: open /nowhere"},
		"a stray address without a scheme": {[]string{"--nats=", "ann:s3cret@127.0.0.1:1"}, "…@127.0.0.1:1"},
		"a stray password":                 {[]string{"--nats=", "nats://ann:x=s3cret/@127.0.0.1:1"}, "://…@127.0.0.1:1"},
		"a stray address":                  {[]string{"--nats=", "nats://ann:s3cret@127.0.0.1:1"}, "://…@127.0.0.1:1"},
		"in memory, on NATS":               {[]string{"--listen", "127.0.0.1:0", "--data", "none", "--nats", "nats://127.0.0.1:1"}, "--data none stores nothing"},
		"in memory, synced":                {[]string{"--listen", "127.0.0.1:0", "--data", "none", "--fsync", "always"}, "--data none stores nothing"},
		"in memory, restored":              {[]string{"--listen", "127.0.0.1:0", "--data", "none", "--new-epoch"}, "--data none stores nothing"},
		"in memory, changed":               {[]string{"--listen", "127.0.0.1:0", "--data", "none", "--apply-settings"}, "--data none stores nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := servertest.Run(t, c.args...)
			if code == 0 || stdout != "" {
				t.Errorf("got exit code %d and standard output %q, want another code than 0 and no output", code, stdout)
			}
			if strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "websockets: ") || !strings.Contains(stderr, c.want) {
				t.Errorf("standard error: got %q, want one line with %q", stderr, c.want)
			}
			if strings.Contains(stderr, "s3cret") {
				t.Errorf("standard error: got %q, want no password in it", stderr)
			}
		})
	}
}

func TestHelpShowsTheFlags(t *testing.T) {
	t.Parallel()
	code, stdout, _ := servertest.Run(t, "--help")
	if code != 0 {
		t.Errorf("exit code: got %d, want 0", code)
	}
	for _, want := range []string{"--listen", "--data", "--fsync", "--rate", "WEBSOCKETS_LISTEN", "may lose the last second"} {
		if !strings.Contains(strings.Join(strings.Fields(stdout), " "), want) {
			t.Errorf("--help: got\n%s\nwant %q in it", stdout, want)
		}
	}
}

func TestFlagsFromTheEnvironment(t *testing.T) {
	t.Parallel()
	for env, want := range map[string]string{
		"WEBSOCKETS_LISTEN=nowhere": "cannot listen on nowhere",
		"WEBSOCKETS_LOG_FORMAT=xml": `"text","json" but got "xml"`,
		"WEBSOCKETS_LOG=xml":        `"text","json" but got "xml"`, // the name of 0.1.0
	} {
		cmd := exec.Command(servertest.Binary(t), "--data", t.TempDir())
		cmd.Env = append(os.Environ(), env)
		out, _ := cmd.CombinedOutput()
		if !strings.Contains(string(out), want) {
			t.Errorf("with %s: got %q, want %q", env, out, want)
		}
	}
}

// TestStopTellsEverybody: after Ctrl-C everybody gets closing and a close frame
// with 1012, and the server ends with exit code 0, although one client does not
// read.
func TestStopTellsEverybody(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t)
	readers := servertest.DialAll(t, server.WS(), 3, servertest.DialOptions{})
	deaf := servertest.Dial(t, server.WS(), servertest.DialOptions{}) // never reads, never answers
	servertest.Send(deaf, shared.Ping, shared.Empty{})
	var reading sync.WaitGroup
	for i, c := range readers {
		reading.Go(func() {
			if _, err := servertest.TryAwait(c, shared.Closing); err != nil {
				t.Errorf("reader %d: %v", i, err)
			}
			if code := servertest.CloseCode(c.WS); code != shared.CloseRestart {
				t.Errorf("reader %d: got close code %d, want %d", i, code, shared.CloseRestart)
			}
		})
	}
	server.Stop()
	reading.Wait()
}

// TestSessionSurvivesARestart: the key that signs sessions is in the store, so a
// session from before a restart is the same user after it.
func TestSessionSurvivesARestart(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t)
	first := servertest.Dial(t, server.WS(), servertest.DialOptions{}).Welcome
	server.Kill()
	server.Start()
	again := servertest.Dial(t, server.WS(), servertest.DialOptions{Session: first.Session}).Welcome
	if again.User != first.User {
		t.Errorf("user of the session after a restart: got %s, want %s", again.User, first.User)
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
		t.Fatalf("cookies of the page: got %v, want one session, HttpOnly and SameSite=Lax", cookies)
	}
	user, _, _ := strings.Cut(cookies[0].Value, ".")
	header := http.Header{"Cookie": {cookies[0].Name + "=" + cookies[0].Value}, "Origin": {"http://" + server.Addr}}
	withCookie := servertest.Dial(t, server.WS(), servertest.DialOptions{Header: header}).Welcome
	if withCookie.User != user {
		t.Errorf("user of the cookie: got %s, want %s", withCookie.User, user)
	}
}

// handshake returns the response to a handshake and closes the connection, if
// there is one.
func handshake(t *testing.T, url string, o servertest.DialOptions) *http.Response {
	t.Helper()
	conn, response, err := servertest.Handshake(url, o)
	if response == nil {
		t.Fatal(err)
	}
	if err == nil {
		_ = conn.Close()
	}
	return response
}

// TestForeignOriginIsRefused: a foreign origin gets 403, and the log says how to
// allow it.
func TestForeignOriginIsRefused(t *testing.T) {
	t.Parallel()
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
		want := http.StatusForbidden
		if allowed {
			want = http.StatusSwitchingProtocols
		}
		if got := handshake(t, server.WS(), servertest.DialOptions{Header: header}).StatusCode; got != want {
			t.Errorf("origin %q: got status %d, want %d", origin, got, want)
		}
		if !allowed { // at most one line a second
			server.AwaitLog(regexp.MustCompile(`origin=` + regexp.QuoteMeta(origin) + ` .*https://friend\.example`))
		}
	}
	server.AwaitLog(regexp.MustCompile("--allow-origin=https://evil.example"))
	if log := server.Log(); strings.Contains(log, "--allow-origin=null") {
		t.Errorf("log: got\n%s\nwant no advice to allow null", log)
	}
}
