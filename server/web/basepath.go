package web

import (
	"fmt"
	"net/http"
	"path"
	"strings"

	"websockets/server/auth"
)

// BasePath is the path under which the routes are served: empty, or as in /chat.
type BasePath string

// UnmarshalText parses the value of --base-path.
func (b *BasePath) UnmarshalText(text []byte) error {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/"
	clean := path.Clean("/" + string(text))
	if strings.Trim(string(text), allowed) != "" || clean != "/"+strings.Trim(string(text), "/") {
		return fmt.Errorf("%q is not a path like /chat", text)
	}
	*b = BasePath(strings.TrimSuffix(clean, "/"))
	return nil
}

// under serves the routes under the base path. It serves them without it too: a proxy in
// front may have cut it off.
func (b BasePath) under(next http.Handler) http.Handler {
	if b == "" {
		return next
	}
	stripped := http.StripPrefix(string(b), next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = auth.WithPath(r, string(b))
		switch {
		case r.URL.Path == string(b):
			redirect(w, r, string(b)+"/")
		case strings.HasPrefix(r.URL.Path, string(b)+"/"):
			stripped.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}
