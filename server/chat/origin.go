package chat

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// originAllowed reports whether a page of the request's origin may connect: the
// server's own pages may, those the operator has allowed, and clients that are
// not browsers, which send none.
func (m *Manager) originAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	if u, err := url.Parse(origin); err == nil && strings.EqualFold(u.Host, r.Host) {
		return true
	}
	if slices.ContainsFunc(m.config.AllowOrigins, func(allowed string) bool { return strings.EqualFold(allowed, origin) }) {
		return true
	}
	m.log.Warn("refused a connection from another origin",
		"origin", origin, "host", r.Host, "allowed", m.config.AllowOrigins,
		"hint", "to allow it, start with --allow-origin="+origin)
	return false
}
