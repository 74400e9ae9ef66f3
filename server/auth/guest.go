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

// cookieName is the session's cookie. Over TLS it has the prefix that makes a
// browser refuse it from anybody but this host over TLS.
const (
	cookieName       = "session"
	cookieSecureName = "__Host-session"
	// renewAfter is how old a session is that a page gets signed anew.
	renewAfter = 24 * time.Hour
)

// Guests makes up, signs and checks guests. Its methods may be called from any
// goroutine.
type Guests struct {
	keys atomic.Pointer[Keys]
	now  func() time.Time
}

// NewGuests returns the guests of these keys, of which there is at least one.
func NewGuests(keys Keys) *Guests {
	g := &Guests{now: time.Now}
	g.SetKeys(keys)
	return g
}

// SetKeys changes the keys, after Keys.Rotate here or on another server.
func (g *Guests) SetKeys(keys Keys) { g.keys.Store(&keys) }

// New makes up a user.
func (g *Guests) New() Session {
	id := make([]byte, 10)
	_, _ = rand.Read(id) // never fails
	s := g.Renew(strings.ToLower(base32.StdEncoding.EncodeToString(id)))
	s.Fresh = true
	return s
}

// Renew signs a session for a guest from now on.
func (g *Guests) Renew(user string) Session {
	issued := g.now().Truncate(time.Second)
	signing := g.keys.Load().signing(issued)
	signed := user + "." + signing.ID + "." + strconv.FormatInt(issued.Unix(), 36)
	return Session{User: user, Token: signed + "." + signing.sign(signed), Issued: issued, Expires: issued.Add(guestAge)}
}

// Verify returns the session that a token stands for, or an error that wraps
// ErrBadSession or ErrExpired.
func (g *Guests) Verify(token string) (Session, error) {
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

// IsStale reports whether a page should get the session signed anew.
func (g *Guests) IsStale(s Session) bool { return g.now().Sub(s.Issued) > renewAfter }

func (k key) sign(text string) string {
	mac := hmac.New(sha256.New, k.Secret)
	mac.Write([]byte("guest:" + text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// TokenOf returns the token that a request presents in its Authorization header,
// or in the session's cookie; never in its address, which ends up in logs. The
// error is ErrNoSession if there is none.
func TokenOf(r *http.Request) (string, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		token, ok := strings.CutPrefix(header, "Bearer ")
		if !ok {
			return "", ErrBadSession
		}
		return token, nil
	}
	c, err := r.Cookie(nameOfCookie(r))
	if errors.Is(err, http.ErrNoCookie) || c.Value == "" {
		return "", ErrNoSession
	}
	return c.Value, nil
}

// IsSecure reports whether the browser sent the request over TLS: to this server,
// or to a proxy in front that is trusted and says so (see package web).
func IsSecure(r *http.Request) bool { return r.TLS != nil || r.URL.Scheme == "https" }

func nameOfCookie(r *http.Request) string {
	if IsSecure(r) {
		return cookieSecureName
	}
	return cookieName
}

// Cookie returns the cookie that makes a browser present the session, and to a
// request that came over TLS one that it never presents without. A session without
// a token makes it forget the one it has.
func Cookie(s Session, r *http.Request) *http.Cookie {
	age := int(guestAge.Seconds())
	if s.Token == "" {
		age = -1
	}
	return &http.Cookie{
		Name: nameOfCookie(r), Value: s.Token, Path: "/", MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: IsSecure(r),
	}
}
