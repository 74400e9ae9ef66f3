package auth

import (
	"context"
	"net/http"
	"strings"
)

// pathKey is the key of a request's path in its context.
type pathKey struct{}

// WithPath returns the request as one to a chat that has a path of its own on its host,
// such as /chat. The cookie's name contains the path, so several chats on one host keep
// their sessions apart. Its own attribute Path stays "/", which the prefix __Host- needs.
func WithPath(r *http.Request, path string) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), pathKey{}, path))
}

// pathSuffix is the end of the names of a request's cookies. A name must not contain a
// slash, and a path contains no exclamation mark.
func pathSuffix(r *http.Request) string {
	path, _ := r.Context().Value(pathKey{}).(string)
	return strings.ReplaceAll(path, "/", "!")
}
