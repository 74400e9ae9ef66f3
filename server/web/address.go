package web

import (
	"net/http"
	"net/url"
	"path"
	"strings"

	"websockets/shared"
)

// withRoomAddresses redirects what people type or paste to the address that they mean:
// /r/Den/ to /r/den, and /r to the page.
func withRoomAddresses(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		meant := canonicalPath(r.URL.Path)
		if meant != r.URL.Path && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			redirect(w, r, meant)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// canonicalPath returns the path that leads where p is meant to lead. The name of a room
// becomes what the page makes of a name that is typed.
func canonicalPath(p string) string {
	clean := path.Clean("/" + p)
	room, isRoom := strings.CutPrefix(clean, "/r/")
	name := strings.Join(strings.Fields(strings.ToLower(room)), "-")
	switch {
	case clean == "/r":
		return "/"
	case isRoom && shared.ValidateRoom(name) == nil:
		return "/r/" + name
	case strings.HasSuffix(p, "/") && clean != "/":
		return clean + "/"
	}
	return clean
}

// redirect leads to another path of this server. The address is relative: only the browser
// knows all of the path, if a proxy in front has cut off its beginning.
func redirect(w http.ResponseWriter, r *http.Request, to string) {
	escaped := (&url.URL{Path: to}).EscapedPath()
	to = rootFrom(r.URL) + strings.TrimPrefix(escaped, "/")
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusMovedPermanently)
}

// rootFrom returns the relative address of the page, seen from another address of this
// server.
func rootFrom(u *url.URL) string {
	depth := strings.Count(u.EscapedPath(), "/") - 1
	if depth < 1 {
		return "./"
	}
	return strings.Repeat("../", depth)
}
