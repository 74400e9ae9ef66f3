package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"websockets/server/auth"
	"websockets/server/servertest"
)

// browser is a browser that reaches a server over TLS, through proxies that say
// different things of the scheme. It keeps cookies.
type browser struct {
	t      *testing.T
	server *httptest.Server
	jar    map[string]string
}

// behindProxy makes a server trust the headers of the tests.
func behindProxy(o *Options) { o.Trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// header returns what reaches the server. proto is the name and the value of the header
// in which the proxy says the scheme, or empty.
func (b *browser) header(proto string) http.Header {
	header := http.Header{"Origin": {strings.Replace(b.server.URL, "http:", "https:", 1)}, "User-Agent": {"Mozilla/5.0"}}
	for name, value := range b.jar {
		header.Add("Cookie", name+"="+value)
	}
	if name, value, ok := strings.Cut(proto, ": "); ok {
		header.Set(name, value)
	}
	return header
}

func (b *browser) keep(answer *http.Response) {
	for _, c := range answer.Cookies() {
		b.jar[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(b.jar, c.Name)
		}
	}
}

// request loads the page, or asks to be forgotten. It returns the names of the cookies
// that are set.
func (b *browser) request(method, path, proto string) (set []string) {
	b.t.Helper()
	r, err := http.NewRequest(method, b.server.URL+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header = b.header(proto)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode >= 400 {
		b.t.Fatalf("%s %s: got %s, want it done", method, path, answer.Status)
	}
	b.keep(answer)
	for _, c := range answer.Cookies() {
		set = append(set, c.Name)
	}
	return set
}

// connect returns the user of a WebSocket.
func (b *browser) connect(proto string) string {
	b.t.Helper()
	c := servertest.Dial(b.t, "ws"+strings.TrimPrefix(b.server.URL, "http")+"/ws", servertest.DialOptions{Header: b.header(proto)})
	return c.Welcome.User
}

// user returns the user of the cookie that a browser sends.
func (b *browser) user() string {
	for _, name := range []string{"__Host-websockets_guest", "websockets_guest"} {
		if user, _, ok := strings.Cut(b.jar[name], "."); ok {
			return user
		}
	}
	return "nobody"
}

// The page and the WebSocket are the same user, whatever a proxy says of the scheme to
// each, and so they are after "Forget me": then they are another one.
func TestPageAndSocketAgreeBehindProxies(t *testing.T) {
	server := serveAPI(t, behindProxy)
	protos := []string{
		"", "X-Forwarded-Proto: https", "X-Forwarded-Proto: http", "X-Forwarded-Proto: wss", "X-Forwarded-Proto: ws",
		"X-Forwarded-Proto: https, http", "Forwarded: for=192.0.2.1;proto=https",
	}
	for _, page := range protos {
		for _, socket := range protos {
			b := &browser{t, server, map[string]string{}}
			b.request("GET", "/", page)
			was := b.user()
			if got := b.connect(socket); got != was {
				t.Errorf("page %q, socket %q: got the user %s, want the page's, %s", page, socket, got, was)
			}
			if set := b.request("GET", "/r/den", page); set != nil {
				t.Errorf("page %q again: got %q set, want no cookie", page, set)
			}
			b.request("GET", "/", socket)
			if b.user() != was {
				t.Errorf("page %q, then page %q: got the user %s, want %s", page, socket, b.user(), was)
			}
			b.request("POST", "/forget", page)
			now := b.connect(socket)
			if now == was || now != b.user() {
				t.Errorf("page %q, socket %q, forgotten: got the user %s, want %s, and not %s", page, socket, now, b.user(), was)
			}
		}
	}
}

// A browser with a session of 0.1.0 stays its guest, and gets the cookie of today. What
// another program has under the old name stays there.
func TestGuestsSurviveTheUpgrade(t *testing.T) {
	handler, authenticator := serve(t)
	ann := authenticator.Guests.New()
	const foreign = "session=eyJfZnJlc2giOmZhbHNlfQ.Zx.abc"
	for _, test := range []struct{ address, cookies, set string }{
		{"http://chat.example/", "session=" + ann.Token, "websockets_guest"},
		{"http://chat.example/", foreign + "; session=" + ann.Token, "websockets_guest"},
		{"http://chat.example/", "__Host-session=" + ann.Token, "__Host-websockets_guest"}, // the proxy says nothing
		{"https://chat.example/", "__Host-session=" + ann.Token, "__Host-websockets_guest"},
		{"https://chat.example/", "session=" + ann.Token, "__Host-websockets_guest"}, // there was no TLS then
		{"https://chat.example/", "websockets_guest=" + ann.Token, "__Host-websockets_guest"},
		{"http://chat.example/", "websockets_guest=" + ann.Token, ""},
		{"http://chat.example/", foreign + "; websockets_guest=" + ann.Token, ""},
		{"http://chat.example/", "__Host-websockets_guest=" + ann.Token, ""},
		{"https://chat.example/", "__Host-websockets_guest=" + ann.Token, ""},
	} {
		r := httptest.NewRequest("GET", test.address, nil)
		r.Header.Set("Accept", "text/html")
		r.Header.Set("Authorization", "Basic dTpw") // of the proxy in front
		r.Header.Set("Cookie", test.cookies)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		set := w.Result().Cookies()
		if len(set) == 0 && test.set == "" {
			continue
		}
		if len(set) != 1 || set[0].Name != test.set || !strings.HasPrefix(set[0].Value, ann.User+".") {
			t.Errorf("%s with %q: got %v, want %q of %s", test.address, test.cookies, set, test.set, ann.User)
		}
	}
}

// A token counts in the cookie that the operator names, over each scheme.
func TestTokenCookieBehindProxies(t *testing.T) {
	secret := []byte("a secret of at least thirty-two bytes")
	verifier, err := auth.NewTokenVerifier(t.Context(), auth.TokenOptions{Algorithm: "HS256", Key: secret, Cookie: "id_token"})
	if err != nil {
		t.Fatal(err)
	}
	server := serveAPI(t, behindProxy, func(o *Options) { o.Authenticator = auth.Authenticator{Tokens: verifier} })
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "ann", "exp": time.Now().Add(time.Hour).Unix()}).SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, proto := range []string{"", "X-Forwarded-Proto: https", "X-Forwarded-Proto: wss"} {
		b := &browser{t, server, map[string]string{"session": "eyJfZnJlc2giOmZhbHNlfQ.Zx.abc", "id_token": token}}
		if set := b.request("GET", "/", proto); set != nil {
			t.Errorf("page %q: got %q set, want no cookie", proto, set)
		}
		if got := b.connect(proto); got != "ann" {
			t.Errorf("socket %q: got the user %q, want ann", proto, got)
		}
		b.request("POST", "/forget", proto)
		if b.jar["id_token"] != "" || b.jar["session"] == "" {
			t.Errorf("forgotten: got the cookies %q, want the other program's alone", b.jar)
		}
	}
}

// The scheme of an Authorization header may be in any case.
func TestSchemeOfAPITokens(t *testing.T) {
	server := serveAPI(t)
	for header, want := range map[string]int{
		"Bearer " + readToken: http.StatusOK, "bearer " + readToken: http.StatusOK, "BEARER  " + readToken: http.StatusOK,
		"Basic " + readToken: http.StatusUnauthorized, "Bearer": http.StatusUnauthorized, readToken: http.StatusUnauthorized,
	} {
		if got, _ := call(t, server, "", "GET", "/api/rooms", "", "Authorization", header); got != want {
			t.Errorf("Authorization: %s: got %d, want %d", header, got, want)
		}
	}
}
