package web

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"websockets/server/auth"
)

func TestBasePathIsAPath(t *testing.T) {
	for text, want := range map[string]BasePath{
		"": "", "/": "", "/chat": "/chat", "/chat/": "/chat", "chat": "/chat", "/a/b-c_1.0~": "/a/b-c_1.0~",
	} {
		var b BasePath
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%q: got %q, %v, want %q", text, b, err, want)
		}
	}
	for _, text := range []string{"/a b", "/../x", "/a//b", "/a/./b", "https://chat.example/chat", "/a?b", "/%61", "/chät"} {
		var b BasePath
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: got %q, want an error", text, b)
		}
	}
}

// TestRoutesUnderABasePath: a proxy may pass the path on or cut it off.
func TestRoutesUnderABasePath(t *testing.T) {
	_, authenticator := serve(t)
	handler := serveAt(t, "/chat", authenticator)
	for _, base := range []string{"/chat", ""} {
		for path, status := range map[string]int{
			"/": http.StatusOK, "/r/den": http.StatusOK, "/healthz": http.StatusOK, "/nothing": http.StatusNotFound, "/chatter": http.StatusNotFound,
		} {
			if answer := visit(handler, base+path); answer.StatusCode != status {
				t.Errorf("%s: got %s, want %d", base+path, answer.Status, status)
			}
		}
		answer := visit(handler, base+"/r/Den/")
		if to := answer.Header.Get("Location"); answer.StatusCode != http.StatusMovedPermanently || resolve(t, base+"/r/Den/", to) != base+"/r/den" {
			t.Errorf("%s/r/Den/: got %s to %q, want a redirect to the room", base, answer.Status, to)
		}
	}
	for path, want := range map[string]string{"/chat": "/chat/", "/chat?x": "/chat/?x"} {
		answer := visit(handler, path)
		if to := answer.Header.Get("Location"); answer.StatusCode != http.StatusMovedPermanently || resolve(t, path, to) != want {
			t.Errorf("%s: got %s to %q, want a redirect to %s", path, answer.Status, to, want)
		}
	}
}

// TestChatsOnOneHostKeepTheirSessionsApart: a browser sends the cookies of all of them, and
// each finds its own.
func TestChatsOnOneHostKeepTheirSessionsApart(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		cookies := map[string]*http.Cookie{} // the browser's, by their names
		users := map[BasePath]string{}
		handlers, authenticators := map[BasePath]http.Handler{}, map[BasePath]auth.Authenticator{}
		for _, base := range []BasePath{"/a", "/a/b", ""} {
			_, authenticators[base] = serve(t)
			handlers[base] = serveAt(t, base, authenticators[base])
		}
		for _, time := range []string{"first", "second"} {
			for base, handler := range handlers {
				r := httptest.NewRequest("GET", scheme+"://chat.example"+string(base)+"/", nil)
				r.Header.Set("Accept", "text/html")
				for _, c := range cookies {
					r.AddCookie(c)
				}
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				for _, c := range w.Result().Cookies() {
					cookies[c.Name] = c
					session, err := authenticators[base].Guests.Verify(c.Value)
					if time != "first" || err != nil {
						t.Errorf("%s visit of %s over %s: got the cookie %s, %v, want one at the first visit", time, base, scheme, c.Name, err)
					}
					users[base] = session.User
				}
			}
		}
		if len(cookies) != 3 || len(users) != 3 {
			t.Errorf("over %s: got the cookies %v of the users %v, want one for each chat", scheme, cookies, users)
		}
	}
}
