package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"websockets/server/auth"
	"websockets/server/chat"
	"websockets/server/loglimit"
	"websockets/shared"
	"websockets/static"
)

// contentSecurityPolicy lets the page load its own files, run its wasm and connect to
// its own server. Everything else is blocked.
const contentSecurityPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; " +
	"connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// permissionsPolicy disables browser features that the page never uses.
const permissionsPolicy = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), display-capture=(), browsing-topics=()"

// Options configures Handler.
type Options struct {
	Assets        *static.Assets
	Manager       *chat.Manager
	Authenticator auth.Authenticator
	// Backends are the tokens of the HTTP API. With nil, the API is disabled.
	Backends *Backends
	// Trusted are the proxies whose X-Forwarded and Forwarded headers are trusted.
	Trusted []netip.Prefix
	// BasePath is where the routes are, empty for the root.
	BasePath BasePath
	// HSTS tells browsers that came over TLS to come over TLS only.
	HSTS bool
	// Logger receives what is refused, nil for nobody.
	Logger *slog.Logger
	// Ready returns an error if messages cannot be stored.
	Ready func(context.Context) error
}

// Handler returns the server's routes, below Options.BasePath:
//
//	/               the page; /r/<room> is the page in that room
//	/static/…       the page's assets
//	/ws             the WebSocket
//	/forget         POST from the page: gives the browser a new guest session
//	/api/…          the HTTP API for backends: see api
//	/healthz        200 while the process is running
//	/readyz         200 while messages can be stored, otherwise 503 and the reason
//
// Other addresses lead to a room that they may mean, or to a page with a way back.
func Handler(o Options) http.Handler {
	logger := slog.New(slog.DiscardHandler)
	if o.Logger != nil {
		logger = loglimit.New(o.Logger)
	}
	page := withSession(o.Authenticator, http.HandlerFunc(o.Assets.ServePage))
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", page)
	mux.Handle("GET /r/{room}", page)
	mux.HandleFunc("GET /static/", o.Assets.ServeFile)
	mux.HandleFunc("GET /ws", o.Manager.ServeWS)
	mux.Handle("POST /forget", forget(o.Authenticator))
	if o.Backends != nil {
		api{o.Manager, o.Backends, logger}.routes(mux)
	}
	for _, path := range []string{"/api", "/api/"} {
		mux.Handle(path, noEndpoint(o.Backends != nil))
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
	// Refuse requests that another site makes a visitor's browser send (CSRF).
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		logger.Warn("refused a request from another site's page", "from", r.RemoteAddr, "method", r.Method, "path", r.URL.Path,
			"origin", r.Header.Get("Origin"), "host", r.Host, "hint", "if it is this server's page, let the proxy in front pass on Host")
		answerProblem(w, problem{Status: http.StatusForbidden, Code: shared.CodeForbidden, Detail: "cross-origin requests are not allowed"})
	}))
	routes := withNotFoundPage(withRoomAddresses(sameOrigin.Handler(mux)))
	return behindProxies(o.Trusted, withHeaders(o.HSTS, o.BasePath.under(routes)))
}

// withHeaders sets the security headers of every response.
func withHeaders(hsts bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentSecurityPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Permissions-Policy", permissionsPolicy)
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY") // for browsers without frame-ancestors
		if auth.IsSecure(r) {
			h.Set("Cross-Origin-Opener-Policy", "same-origin") // over plain HTTP, browsers warn about it
		}
		if hsts && auth.IsSecure(r) {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// withSession gives a browser that opens the page a session as a guest before it
// connects, and refreshes one that is old or in an old cookie. A revoked session stays
// as it is: the WebSocket refuses it, and the user decides what comes next. With tokens
// it does nothing.
func withSession(authenticator auth.Authenticator, next http.Handler) http.Handler {
	if authenticator.Guests == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			c := refreshedCookie(authenticator, r)
			if c != nil {
				http.SetCookie(w, c)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// refreshedCookie returns the cookie to set for a browser that opens the page; nil if
// the one that it has stays.
func refreshedCookie(authenticator auth.Authenticator, r *http.Request) *http.Cookie {
	guests := authenticator.Guests
	session, cookie, err := guests.FromRequest(r)
	if err != nil {
		return auth.Cookie(guests.New(), r)
	}
	refreshed := auth.Cookie(guests.Refresh(session.User), r)
	isCurrent := cookie == refreshed.Name && !guests.NeedsRefresh(session)
	if cookie == "" || isCurrent || !isValid(r.Context(), authenticator, session) {
		return nil
	}
	return refreshed
}

// isValid reports whether a session is not revoked, as far as that can be said soon: the
// page must open while the store cannot be reached.
func isValid(ctx context.Context, authenticator auth.Authenticator, session auth.Session) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return authenticator.Revocations.Check(ctx, session) == nil
}

// forget replaces a browser's session, whose cookies the page cannot reach, with that of
// a new guest. It does so at once, so that several tabs that start over together are one
// user. Nobody can get the old session back.
//
// The page itself clears what it has stored in the browser: Clear-Site-Data would work
// over https only.
func forget(authenticator auth.Authenticator) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, c := range authenticator.Forget(r) {
			http.SetCookie(w, c)
		}
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
	})
}
