package chat

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"websockets/server/auth"
)

// originAllowed reports whether the request's origin may connect. Allowed are the
// server's own pages, the origins that the operator configured, and clients that are not
// browsers: they send no origin. A client with a session in a cookie counts as a browser.
func (a *acceptor) originAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" && a.authenticator.HasCookie(r) {
		a.logger.Warn("refused a connection with a session cookie and no origin", "from", r.RemoteAddr,
			"hint", "a client that is not a browser presents its session as Authorization: Bearer")
		return false
	}
	if origin == "" || isOwn(origin, r) {
		return true
	}
	if slices.ContainsFunc(a.allowOrigins, func(allowed string) bool { return strings.EqualFold(allowed, origin) }) {
		return true
	}
	a.logger.Warn("refused a connection from another origin",
		"origin", origin, "host", r.Host, "allowed", a.allowOrigins,
		"hint", "to allow it, start with --allow-origin="+origin)
	return false
}

// isOwn reports whether an origin is this server's: the same host and port. If the
// request came over TLS, so must the page. A page with TLS may connect without: then a
// proxy in front of the server terminates TLS.
func isOwn(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || !strings.EqualFold(u.Scheme+"://"+u.Host, origin) {
		return false
	}
	port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	if port == "" || u.Scheme == "http" && auth.IsSecure(r) {
		return false
	}
	return strings.EqualFold(strings.TrimSuffix(u.Host, port), strings.TrimSuffix(r.Host, port))
}

// isOwnPage reports whether one of the server's pages sent the request, in a browser. The
// browser keeps the cookie that the answer sets. Other programs send such an origin too,
// but no page can change the User-Agent with which its WebSockets connect.
func isOwnPage(r *http.Request) bool {
	return isOwn(r.Header.Get("Origin"), r) && strings.HasPrefix(r.UserAgent(), "Mozilla/")
}
