// Package web is what the server answers over HTTP: the page and its assets, the
// way into the chat, and whether the server is well.
package web

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"websockets/server/auth"
	"websockets/server/chat"
	"websockets/shared"
	"websockets/static"
)

// contentSecurityPolicy lets the page load its own files, run its wasm and talk
// to its own server, and nothing else.
const contentSecurityPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; " +
	"connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// permissionsPolicy takes from the page what it never uses.
const permissionsPolicy = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), display-capture=(), browsing-topics=()"

// Options are what the routes lead to.
type Options struct {
	Assets        *static.Assets
	Manager       *chat.Manager
	Authenticator auth.Authenticator
	// Backends may use the HTTP API; nil means that there is none.
	Backends Backends
	// Trusted are the proxies in front that are believed what they say of a request.
	Trusted []netip.Prefix
	// Ready returns why messages cannot be stored, nil if they can.
	Ready func(context.Context) error
}

// Handler returns the server's routes:
//
//	/               the page; /r/<room> is the page in that room
//	/static/…       what the page loads
//	/ws             the WebSocket
//	/forget         POST from the page itself: the browser becomes another guest
//	/api/…          for the operator's backends: see api
//	/healthz        200 while the process lives
//	/readyz         200 while messages can be stored, else 503 and why not
func Handler(o Options) http.Handler {
	page := withSession(o.Authenticator, http.HandlerFunc(o.Assets.ServePage))
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", page)
	mux.Handle("GET /r/{room}", page)
	mux.HandleFunc("GET /static/", o.Assets.ServeFile)
	mux.HandleFunc("GET /ws", o.Manager.ServeWS)
	mux.Handle("POST /forget", forget(o.Authenticator))
	if o.Backends != nil {
		api{o.Manager, o.Backends}.routes(mux)
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if err := o.Ready(r.Context()); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = fmt.Fprintln(w, "not ready:", err)
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	})
	// A page of another site may not make a visitor's browser change anything here.
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answerProblem(w, problem{Status: http.StatusForbidden, Code: shared.CodeForbidden, Detail: "this comes from a page of another site"})
	}))
	return behindProxies(o.Trusted, withHeaders(sameOrigin.Handler(mux)))
}

// withHeaders sets what every answer carries.
func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentSecurityPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Permissions-Policy", permissionsPolicy)
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
		if auth.IsSecure(r) {
			h.Set("Strict-Transport-Security", "max-age=31536000")
			h.Set("Cross-Origin-Opener-Policy", "same-origin") // elsewhere browsers ignore it, and complain
		}
		next.ServeHTTP(w, r)
	})
}

// withSession gives a browser that opens the page a session as a guest before it
// connects, and refreshes an old one. A revoked session stays as it is: the WebSocket
// refuses it, and the user decides what comes next. With tokens it does nothing.
func withSession(authenticator auth.Authenticator, next http.Handler) http.Handler {
	guests := authenticator.Guests
	if guests == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			session, err := guests.FromRequest(r)
			switch {
			case err != nil:
				http.SetCookie(w, auth.Cookie(guests.New(), r))
			case guests.NeedsRefresh(session) && isValid(r.Context(), authenticator, session):
				http.SetCookie(w, auth.Cookie(guests.Refresh(session.User), r))
			}
		}
		next.ServeHTTP(w, r)
	})
}

// isValid reports whether a session is not revoked, as far as that can be said soon: the
// page must open while the store cannot be reached.
func isValid(ctx context.Context, authenticator auth.Authenticator, session auth.Session) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return authenticator.Revocations.Check(ctx, session) == nil
}

// forget replaces a browser's session, whose cookie the page cannot reach, with that of
// a new guest. It does so at once, so that several tabs that start over together are one
// user. Nobody can get the old session back.
//
// The page itself clears what it has stored in the browser: Clear-Site-Data would work
// over https only.
func forget(authenticator auth.Authenticator) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session := auth.Session{}
		if authenticator.Guests != nil {
			session = authenticator.Guests.New()
		}
		http.SetCookie(w, auth.Cookie(session, r))
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
	})
}
