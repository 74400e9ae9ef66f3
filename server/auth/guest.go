package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// guestIDLength is the length of a guest's id: 10 random bytes in Base32.
const guestIDLength = 16

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

// isGuestToken reports whether a token looks like one that GuestSessions signed, here or
// on another server. Tokens of other programs do not.
func isGuestToken(token string) bool {
	user, signed, _ := strings.Cut(token, ".")
	return len(user) == guestIDLength && strings.Trim(user, "abcdefghijklmnopqrstuvwxyz234567") == "" && strings.Count(signed, ".") == 2
}

// Verify returns the session of a token. The error wraps ErrBadSession or ErrExpired.
func (g *GuestSessions) Verify(token string) (Session, error) {
	if !isGuestToken(token) {
		return Session{}, ErrBadSession
	}
	parts := strings.Split(token, ".")
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

// NeedsRefresh reports whether the session is old enough to be refreshed.
func (g *GuestSessions) NeedsRefresh(s Session) bool { return g.now().Sub(s.Issued) > refreshAfter }

func (k key) sign(text string) string {
	mac := hmac.New(sha256.New, k.Secret)
	mac.Write([]byte("guest:" + text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
