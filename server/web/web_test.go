package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"websockets/server/auth"
	"websockets/server/eventlog"
	"websockets/server/eventlog/memlog"
	"websockets/static"
)

// serve returns the routes with guests, on a store in memory.
func serve(t *testing.T) (http.Handler, auth.Authenticator) {
	t.Helper()
	keys, _ := auth.Keys(nil).Rotate(time.Now())
	log := memlog.Open(memlog.Options{})
	t.Cleanup(log.Close)
	authenticator := auth.Authenticator{
		Guests: auth.NewGuestSessions(keys), Revocations: auth.NewRevocations(log.Values(eventlog.Users)),
	}
	return serveAt(t, "", authenticator), authenticator
}

// serveAt returns the routes below a base path.
func serveAt(t *testing.T, base BasePath, authenticator auth.Authenticator) http.Handler {
	t.Helper()
	assets, err := static.Load()
	if err != nil {
		t.Fatal(err)
	}
	return Handler(Options{Assets: assets, Authenticator: authenticator, BasePath: base})
}

// sessionSet returns the session that an answer sets, if it sets one.
func sessionSet(t *testing.T, guests *auth.GuestSessions, answer *http.Response) (s auth.Session, set bool) {
	t.Helper()
	cookies := answer.Cookies()
	if len(cookies) == 0 {
		return s, false
	}
	c := cookies[0]
	if len(cookies) != 1 || c.Name != "websockets_guest" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
		t.Errorf("cookies: got %v, want one websockets_guest, HttpOnly, SameSite=Lax, with the path /", cookies)
	}
	s, err := guests.Verify(c.Value)
	if err != nil {
		t.Errorf("the session that was set: got %v, want it to be valid", err)
	}
	return s, true
}

func TestForgetMakesTheBrowserAnotherGuest(t *testing.T) {
	handler, authenticator := serve(t)
	guests := authenticator.Guests
	old := guests.New()
	for _, c := range []struct {
		name, method string
		headers      map[string]string
		status       int
	}{
		{"the page itself", "POST", map[string]string{"Sec-Fetch-Site": "same-origin"}, http.StatusNoContent},
		{"the page itself, not over https", "POST", map[string]string{"Origin": "http://chat.example"}, http.StatusNoContent},
		{"no browser", "POST", nil, http.StatusNoContent},
		{"another site", "POST", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, http.StatusForbidden},
		{"a sister site", "POST", map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "http://other.chat.example"}, http.StatusForbidden},
		{"another site, not over https", "POST", map[string]string{"Origin": "http://evil.example"}, http.StatusForbidden},
		{"a link", "GET", map[string]string{"Sec-Fetch-Site": "same-origin"}, http.StatusMethodNotAllowed},
	} {
		r := httptest.NewRequest(c.method, "http://chat.example/forget", nil)
		r.AddCookie(auth.Cookie(old, r))
		for name, value := range c.headers {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		answer := w.Result()
		if answer.StatusCode != c.status {
			t.Errorf("%s: got %s, want %d", c.name, answer.Status, c.status)
		}
		s, set := sessionSet(t, guests, answer)
		if set != (c.status == http.StatusNoContent) || s.User == old.User {
			t.Errorf("%s: got a session set: %v, user %q, want %v and another user than %q", c.name, set, s.User, c.status == http.StatusNoContent, old.User)
		}
		if c.status == http.StatusNoContent && answer.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got Cache-Control %q, want no-store", c.name, answer.Header.Get("Cache-Control"))
		}
	}
}

// TestThePageRefreshesOldSessions: a browser without a valid session becomes a guest, an
// old session is refreshed, and a revoked one is not: else its user would be back.
func TestThePageRefreshesOldSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler, authenticator := serve(t)
		guests := authenticator.Guests
		old, revoked := guests.New(), guests.New()
		time.Sleep(25 * time.Hour)
		if err := authenticator.Revocations.Revoke(t.Context(), revoked.User); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		recent := guests.New()
		open := func(token string) (auth.Session, bool) {
			r := httptest.NewRequest("GET", "http://chat.example/", nil)
			r.Header.Set("Accept", "text/html")
			if token != "" {
				r.AddCookie(auth.Cookie(auth.Session{Token: token}, r))
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			return sessionSet(t, guests, w.Result())
		}
		for name, token := range map[string]string{"no session": "", "a forged session": old.Token + "x"} {
			if s, set := open(token); !set || s.User == old.User {
				t.Errorf("%s: got a session set: %v, user %q, want a new guest", name, set, s.User)
			}
		}
		if s, set := open(old.Token); !set || s.User != old.User || !s.Issued.After(old.Issued) {
			t.Errorf("an old session: got %+v, set: %v, want a later one of %s", s, set, old.User)
		}
		for name, session := range map[string]auth.Session{"a recent session": recent, "a revoked session": revoked} {
			if s, set := open(session.Token); set {
				t.Errorf("%s: got the session %+v, want none", name, s)
			}
		}
	})
}

// TestHSTSIsSentWhenAskedFor: browsers remember it for a year, so it is not sent unasked, and
// never without TLS.
func TestHSTSIsSentWhenAskedFor(t *testing.T) {
	for _, hsts := range []bool{false, true} {
		handler := Handler(Options{HSTS: hsts})
		for _, scheme := range []string{"http", "https"} {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest("GET", scheme+"://chat.example/healthz", nil))
			want := ""
			if hsts && scheme == "https" {
				want = "max-age=31536000"
			}
			if got := w.Header().Get("Strict-Transport-Security"); got != want {
				t.Errorf("over %s, asked for: %v: got %q, want %q", scheme, hsts, got, want)
			}
		}
	}
}
