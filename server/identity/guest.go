// Package identity says who a connection is. Everyone is a guest so far: an id
// that this server made up and signed, so that whoever presents it again is the
// same user, after a reconnect, a restart, or on another node.
package identity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
)

// KeyBytes is the length of a signing key.
const KeyBytes = 32

// cookieName is the session's cookie. cookieAge is how long a browser keeps it,
// in seconds: 400 days are the most that browsers allow.
const (
	cookieName = "session"
	cookieAge  = 400 * 24 * 60 * 60
)

// ErrNoSession is returned when a request presents no session.
var ErrNoSession = errors.New("no session")

// ErrBadSession is returned for a session this server has not signed.
var ErrBadSession = errors.New("the session is not one of this server's")

// Session is who a connection is.
type Session struct {
	// User is the user's id: 16 characters of a-z 2-7.
	User string
	// Token is what to present to be this user again. It is a secret.
	Token string
	// Fresh says that the user was made up just now.
	Fresh bool
}

// Guests signs and checks guest sessions. It is immutable and may be used from
// any goroutine.
type Guests struct{ key []byte }

// NewGuests returns the guests of a key, KeyBytes of randomness that all servers
// of one store share.
func NewGuests(key []byte) *Guests { return &Guests{key: key} }

// NewKey returns a random signing key.
func NewKey() []byte {
	key := make([]byte, KeyBytes)
	_, _ = rand.Read(key) // never fails
	return key
}

// New makes up a user.
func (g *Guests) New() Session {
	id := make([]byte, 10)
	_, _ = rand.Read(id)
	user := strings.ToLower(base32.StdEncoding.EncodeToString(id))
	return Session{User: user, Token: user + "." + g.sign(user), Fresh: true}
}

// Verify returns the session that a token stands for, or ErrBadSession.
func (g *Guests) Verify(token string) (Session, error) {
	user, mac, ok := strings.Cut(token, ".")
	if !ok || len(user) != 16 || !hmac.Equal([]byte(mac), []byte(g.sign(user))) {
		return Session{}, ErrBadSession
	}
	return Session{User: user, Token: token}, nil
}

func (g *Guests) sign(user string) string {
	mac := hmac.New(sha256.New, g.key)
	mac.Write([]byte("guest:" + user))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// FromRequest returns the session that a request presents: as
// "Authorization: Bearer …", or in the cookie that Cookie makes. The error is
// ErrNoSession or ErrBadSession.
func (g *Guests) FromRequest(r *http.Request) (Session, error) {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return g.Verify(token)
	}
	if c, err := r.Cookie(cookieName); err == nil {
		return g.Verify(c.Value)
	}
	return Session{}, ErrNoSession
}

// Cookie returns the cookie that makes a browser present the session.
func Cookie(s Session, r *http.Request) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: s.Token, Path: "/", MaxAge: cookieAge,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil,
	}
}
