package auth

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"websockets/server/eventlog"
)

// With this prefix a browser takes a cookie only from this host, and only over TLS.
const hostPrefix = "__Host-"

const (
	// guestCookie is the cookie of a guest's session.
	guestCookie = "websockets_guest"
	// defaultCookie carries a token unless the operator names another cookie. In 0.1.0
	// it carried the sessions of guests too.
	defaultCookie = "session"
)

// maxTokenCookies bounds how many cookies with tokens are tried: verifying one may wait
// for the provider's keys.
const maxTokenCookies = 4

// guestCookieNames returns the cookies that may carry a guest's session, in the order in
// which they count. They are read over TLS or not: what a proxy says of that may differ
// between the page and the WebSocket. Names without the path are those of guests from
// before the chat had one.
func guestCookieNames(r *http.Request) []string {
	names := []string{hostPrefix + guestCookie, guestCookie, hostPrefix + defaultCookie, defaultCookie}
	suffix := pathSuffix(r)
	if suffix == "" {
		return names
	}
	return append([]string{hostPrefix + guestCookie + suffix, guestCookie + suffix}, names...)
}

// Bearer returns the token in a request's Authorization header. It reports false if there
// is none: other schemes are for other programs, such as a proxy that asks for a password.
func Bearer(r *http.Request) (token string, ok bool) {
	for _, header := range r.Header.Values("Authorization") {
		scheme, token, _ := strings.Cut(header, " ")
		if strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(token), true
		}
	}
	return "", false
}

// FromRequest returns the session that a request presents, and the name of the cookie
// that carries it: empty for the Authorization header. Tokens in the URL do not count,
// as URLs end up in logs, and those of other programs count as none. The error is
// ErrNoSession, or that of Verify.
func (a Authenticator) FromRequest(r *http.Request) (s Session, cookie string, err error) {
	if a.Guests == nil {
		return a.userFromRequest(r)
	}
	s, cookie, err = a.Guests.FromRequest(r)
	if err == nil {
		err = a.Revocations.Check(r.Context(), s)
	}
	if err != nil {
		return Session{}, cookie, err
	}
	return s, cookie, nil
}

// FromRequest is Authenticator.FromRequest for guests. It does not ask whether the
// session is revoked. Of several sessions the first counts, even if it is not valid: a
// guest whose session has ended must not become another one.
func (g *GuestSessions) FromRequest(r *http.Request) (s Session, cookie string, err error) {
	token, ok := Bearer(r)
	if ok && isGuestToken(token) {
		s, err = g.Verify(token)
		return s, "", err
	}
	cookies := g.cookies(r)
	if len(cookies) == 0 {
		return Session{}, "", ErrNoSession
	}
	s, err = g.Verify(cookies[0].Value)
	return s, cookies[0].Name, err
}

// userFromRequest is FromRequest for users with tokens. Of several cookies the first
// valid one counts: one for this host may be older than one for its parent domain.
func (a Authenticator) userFromRequest(r *http.Request) (s Session, cookie string, err error) {
	token, ok := Bearer(r)
	if ok {
		s, err = a.Verify(r.Context(), token)
		return s, "", err
	}
	err = ErrNoSession
	for _, c := range a.Tokens.cookies(r) {
		cookie = c.Name
		s, err = a.Verify(r.Context(), c.Value)
		if err == nil || errors.Is(err, eventlog.ErrUnavailable) {
			break
		}
	}
	return s, cookie, err
}

// HasCookie reports whether a request presents a session in a cookie, valid or not.
func (a Authenticator) HasCookie(r *http.Request) bool { return len(a.cookies(r)) > 0 }

// cookies returns the cookies of a request that carry sessions, in the order in which
// they count.
func (a Authenticator) cookies(r *http.Request) []*http.Cookie {
	if a.Guests == nil {
		return a.Tokens.cookies(r)
	}
	return a.Guests.cookies(r)
}

func (g *GuestSessions) cookies(r *http.Request) (ours []*http.Cookie) {
	for _, name := range guestCookieNames(r) {
		for _, c := range r.CookiesNamed(name) {
			if g.isOurs(c, r) {
				ours = append(ours, c)
			}
		}
	}
	return ours
}

// isOurs reports whether one of guestCookieNames is this chat's, its session valid or not.
// A chat with a path of its own shares the names without it with other chats on its host,
// so there only a session that it has signed itself is its own.
func (g *GuestSessions) isOurs(c *http.Cookie, r *http.Request) bool {
	suffix := pathSuffix(r)
	if !strings.HasSuffix(c.Name, suffix) {
		_, err := g.Verify(c.Value)
		return err == nil
	}
	own := strings.HasSuffix(c.Name, guestCookie+suffix) // no other program uses the name
	return c.Value != "" && (own || isGuestToken(c.Value))
}

func (v *TokenVerifier) cookies(r *http.Request) (ours []*http.Cookie) {
	for _, name := range []string{hostPrefix + v.cookie, v.cookie} {
		for _, c := range r.CookiesNamed(name) {
			if len(ours) < maxTokenCookies && isToken(c.Value) {
				ours = append(ours, c)
			}
		}
	}
	return ours
}

// IsSecure reports whether the browser sent the request over TLS, to this server or
// to a trusted proxy in front of it (see package web).
func IsSecure(r *http.Request) bool { return r.TLS != nil || r.URL.Scheme == "https" }

// Cookie returns the cookie with a guest's session for the browser that sent r. If r came
// over TLS, the browser sends the cookie over TLS only.
func Cookie(s Session, r *http.Request) *http.Cookie {
	c := &http.Cookie{
		Name: guestCookie + pathSuffix(r), Value: s.Token, Path: "/", MaxAge: int(guestAge.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	// A browser that sends one of our cookies with the prefix uses TLS, whatever a proxy
	// says.
	if IsSecure(r) || slices.ContainsFunc(r.Cookies(), isSecureGuestCookie) {
		c.Name, c.Secure = hostPrefix+c.Name, true
	}
	return c
}

func isSecureGuestCookie(c *http.Cookie) bool {
	return strings.HasPrefix(c.Name, hostPrefix+guestCookie) || c.Name == hostPrefix+defaultCookie && isGuestToken(c.Value)
}

// Forget returns the cookies that make the browser that sent r forget its session. With
// guests, one of them is the session of a new guest.
func (a Authenticator) Forget(r *http.Request) (set []*http.Cookie) {
	var newGuest *http.Cookie
	if a.Guests != nil {
		newGuest = Cookie(a.Guests.New(), r)
		set = append(set, newGuest)
	}
	for _, old := range a.cookies(r) {
		if newGuest != nil && old.Name == newGuest.Name {
			continue // it is replaced
		}
		expired := http.Cookie{Name: old.Name, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode}
		expired.Secure = IsSecure(r) || strings.HasPrefix(old.Name, hostPrefix)
		set = append(set, &expired)
		if a.Guests != nil || strings.HasPrefix(old.Name, hostPrefix) {
			continue
		}
		for _, domain := range parentDomains(r.Host) {
			shared := expired
			shared.Domain = domain
			set = append(set, &shared)
		}
	}
	return set
}

// parentDomains returns the domains for which a cookie that is sent to a host may have
// been set. Browsers ignore those that are too wide, such as co.uk.
func parentDomains(host string) (domains []string) {
	host, _, _ = strings.Cut(host, ":")
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	for strings.Contains(host, ".") {
		domains = append(domains, host)
		_, host, _ = strings.Cut(host, ".")
	}
	return domains
}
