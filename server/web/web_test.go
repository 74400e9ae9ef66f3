package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"websockets/server/auth"
	"websockets/static"
)

func serve(t *testing.T) (http.Handler, *auth.GuestSessions) {
	t.Helper()
	assets, err := static.Load()
	if err != nil {
		t.Fatal(err)
	}
	keys, _ := auth.Keys(nil).Rotate(time.Now())
	guests := auth.NewGuestSessions(keys)
	return Handler(Options{Assets: assets, Authenticator: auth.Authenticator{Guests: guests}}), guests
}

// sessionSet returns the session that an answer sets, if it sets one.
func sessionSet(t *testing.T, guests *auth.GuestSessions, answer *http.Response) (s auth.Session, set bool) {
	t.Helper()
	cookies := answer.Cookies()
	if len(cookies) == 0 {
		return s, false
	}
	c := cookies[0]
	if len(cookies) != 1 || c.Name != "session" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
		t.Errorf("cookies: got %v, want one session, HttpOnly, SameSite=Lax, with the path /", cookies)
	}
	s, err := guests.Verify(c.Value)
	if err != nil {
		t.Errorf("the session that was set: got %v, want it to be valid", err)
	}
	return s, true
}

func TestForgetMakesTheBrowserAnotherGuest(t *testing.T) {
	handler, guests := serve(t)
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
