package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The names of the session's cookie. With the prefix __Host- a browser takes it only
// from this host, and only over TLS.
const (
	cookieName       = "session"
	cookieSecureName = "__Host-session"
)

// refreshAfter is the age at which a session is refreshed when its guest opens the
// page.
const refreshAfter = 24 * time.Hour

// GuestSessions creates guests, and signs and verifies their sessions. Its methods may
// be called from any goroutine.
type GuestSessions struct {
	keys atomic.Pointer[Keys]
	now  func() time.Time
}

// NewGuestSessions returns the GuestSessions of keys, which must not be empty.
func NewGuestSessions(keys Keys) *GuestSessions {
	g := &GuestSessions{now: time.Now}
	g.SetKeys(keys)
	return g
}

// SetKeys replaces the keys, after Keys.Rotate here or on another server.
func (g *GuestSessions) SetKeys(keys Keys) { g.keys.Store(&keys) }

// New creates a guest.
func (g *GuestSessions) New() Session {
	id := make([]byte, 10)
	_, _ = rand.Read(id) // never fails
	s := g.Refresh(strings.ToLower(base32.StdEncoding.EncodeToString(id)))
	s.IsNew = true
	return s
}

// Refresh signs a new session for a guest.
func (g *GuestSessions) Refresh(user string) Session {
	issued := g.now().Truncate(time.Second)
	signing := g.keys.Load().signing(issued)
	signed := user + "." + signing.ID + "." + strconv.FormatInt(issued.Unix(), 36)
	return Session{User: user, Token: signed + "." + signing.sign(signed), Issued: issued, Expires: issued.Add(guestAge)}
}

// Verify returns the session of a token. The error wraps ErrBadSession or ErrExpired.
func (g *GuestSessions) Verify(token string) (Session, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 4 || len(parts[0]) != 16 {
		return Session{}, ErrBadSession
	}
	for _, k := range *g.keys.Load() {
		if k.ID != parts[1] {
			continue
		}
		signed := token[:len(token)-len(parts[3])-1]
		if !hmac.Equal([]byte(parts[3]), []byte(k.sign(signed))) {
			return Session{}, ErrBadSession
		}
		seconds, err := strconv.ParseInt(parts[2], 36, 64)
		if err != nil {
			return Session{}, ErrBadSession
		}
		s := Session{User: parts[0], Token: token, Issued: time.Unix(seconds, 0)}
		s.Expires = s.Issued.Add(guestAge)
		if !g.now().Before(s.Expires) {
			return Session{}, ErrExpired
		}
		return s, nil
	}
	return Session{}, ErrBadSession
}

// FromRequest returns the session that a request presents, see TokenOf. The error wraps
// ErrNoSession, ErrBadSession or ErrExpired. It does not ask whether the session is
// revoked.
func (g *GuestSessions) FromRequest(r *http.Request) (Session, error) {
	token, err := TokenOf(r)
	if err != nil {
		return Session{}, err
	}
	return g.Verify(token)
}

// NeedsRefresh reports whether the session is old enough to be refreshed.
func (g *GuestSessions) NeedsRefresh(s Session) bool { return g.now().Sub(s.Issued) > refreshAfter }

func (k key) sign(text string) string {
	mac := hmac.New(sha256.New, k.Secret)
	mac.Write([]byte("guest:" + text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// TokenOf returns the token in a request's Authorization header or session cookie.
// Tokens in the URL do not count, as URLs end up in logs. The error is ErrNoSession,
// or ErrBadSession for another Authorization scheme.
func TokenOf(r *http.Request) (string, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		token, ok := strings.CutPrefix(header, "Bearer ")
		if !ok {
			return "", ErrBadSession
		}
		return token, nil
	}
	c, err := r.Cookie(cookieNameFor(r))
	if errors.Is(err, http.ErrNoCookie) || c.Value == "" {
		return "", ErrNoSession
	}
	return c.Value, nil
}

// IsSecure reports whether the browser sent the request over TLS, to this server or
// to a trusted proxy in front of it (see package web).
func IsSecure(r *http.Request) bool { return r.TLS != nil || r.URL.Scheme == "https" }

func cookieNameFor(r *http.Request) string {
	if IsSecure(r) {
		return cookieSecureName + pathSuffix(r)
	}
	return cookieName + pathSuffix(r)
}

// Cookie returns the session's cookie for the browser that sent r. If r came over TLS,
// the browser sends the cookie over TLS only. A session without a token deletes the
// cookie.
func Cookie(s Session, r *http.Request) *http.Cookie {
	age := int(guestAge.Seconds())
	if s.Token == "" {
		age = -1
	}
	return &http.Cookie{
		Name: cookieNameFor(r), Value: s.Token, Path: "/", MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: IsSecure(r),
	}
}
