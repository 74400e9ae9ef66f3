package web

import (
	"net/http"
	"testing"
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
