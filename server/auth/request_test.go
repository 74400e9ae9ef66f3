package auth

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// request returns a request that presents something.
func request(address, authorization, cookies string) *http.Request {
	r := httptest.NewRequest("GET", address, nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	if cookies != "" {
		r.Header.Set("Cookie", cookies)
	}
	return r
}

// What a proxy, or another program on the same host, puts into a request is no session.
// A session counts under each name and over each scheme, so that the page and the
// WebSocket agree, whatever a proxy says of the scheme.
func TestGuestOfRequest(t *testing.T) {
	a, _ := newAuthenticator(t)
	ann, bob := a.Guests.New(), a.Guests.New()
	elsewhere := NewGuestSessions(newKeys(t)).New().Token
	const foreign = "session=eyJfZnJlc2giOmZhbHNlfQ.Zx.abc"
	for name, test := range map[string]struct {
		authorization, cookies string
		user, cookie           string
		err                    error
	}{
		"nothing":                  {err: ErrNoSession},
		"a Bearer":                 {authorization: "Bearer " + ann.Token, user: ann.User},
		"in lower case":            {authorization: "bearer " + ann.Token, user: ann.User},
		"in capitals":              {authorization: "BEARER  " + ann.Token, user: ann.User},
		"a forged Bearer":          {authorization: "Bearer " + ann.Token + "x", err: ErrBadSession},
		"another server's Bearer":  {authorization: "Bearer " + elsewhere, cookies: "websockets_guest=" + ann.Token, err: ErrBadSession},
		"another program's Bearer": {authorization: "Bearer some.other.apps", err: ErrNoSession},
		"a password":               {authorization: "Basic dTpw", err: ErrNoSession},
		"a password and a cookie":  {authorization: "Basic dTpw", cookies: "websockets_guest=" + ann.Token, user: ann.User, cookie: "websockets_guest"},
		"Negotiate and a cookie":   {authorization: "Negotiate abc", cookies: "websockets_guest=" + ann.Token, user: ann.User, cookie: "websockets_guest"},
		"a JWT and a cookie":       {authorization: "Bearer a.b.c", cookies: "websockets_guest=" + ann.Token, user: ann.User, cookie: "websockets_guest"},
		"a Bearer and a cookie":    {authorization: "Bearer " + ann.Token, cookies: "websockets_guest=" + bob.Token, user: ann.User},

		"another program's cookie":     {cookies: foreign, err: ErrNoSession},
		"the same over TLS":            {cookies: "__Host-" + foreign, err: ErrNoSession},
		"another program's and ours":   {cookies: foreign + "; websockets_guest=" + ann.Token, user: ann.User, cookie: "websockets_guest"},
		"two of the same name":         {cookies: foreign + "; session=" + ann.Token, user: ann.User, cookie: "session"},
		"another name":                 {cookies: "sid=" + ann.Token, err: ErrNoSession},
		"the name of 0.1.0":            {cookies: "session=" + ann.Token, user: ann.User, cookie: "session"},
		"the name of 0.1.0 over TLS":   {cookies: "__Host-session=" + ann.Token, user: ann.User, cookie: "__Host-session"},
		"the name over TLS":            {cookies: "__Host-websockets_guest=" + ann.Token, user: ann.User, cookie: "__Host-websockets_guest"},
		"the name over TLS wins":       {cookies: "websockets_guest=" + bob.Token + "; __Host-websockets_guest=" + ann.Token, user: ann.User, cookie: "__Host-websockets_guest"},
		"the new name wins":            {cookies: "__Host-session=" + bob.Token + "; session=" + bob.Token + "; websockets_guest=" + ann.Token, user: ann.User, cookie: "websockets_guest"},
		"a session that is not valid":  {cookies: "websockets_guest=" + ann.Token + "x; session=" + bob.Token, cookie: "websockets_guest", err: ErrBadSession},
		"half a session":               {cookies: "websockets_guest=" + ann.User, cookie: "websockets_guest", err: ErrBadSession},
		"a forged one of the old name": {cookies: "session=" + ann.Token + "x", cookie: "session", err: ErrBadSession},
		"an empty cookie":              {cookies: "websockets_guest=; session=" + ann.Token, user: ann.User, cookie: "session"},
	} {
		for _, address := range []string{"http://chat.example/ws?token=" + bob.Token, "https://chat.example/ws"} {
			r := request(address, test.authorization, test.cookies)
			s, cookie, err := a.FromRequest(r)
			if s.User != test.user || cookie != test.cookie || !errors.Is(err, test.err) {
				t.Errorf("%s, %s: got user %q by %q, %v, want %q by %q, %v", name, r.URL.Scheme, s.User, cookie, err, test.user, test.cookie, test.err)
			}
			ours := strings.Contains(test.cookies, ann.User) || strings.Contains(test.cookies, bob.User)
			if got, want := a.HasCookie(r), ours && name != "another name"; got != want {
				t.Errorf("%s, %s: HasCookie: got %v, want %v", name, r.URL.Scheme, got, want)
			}
		}
	}
}

// A chat with a path of its own has cookies of its own. It takes guests from before it had
// the path, and leaves those of other chats on the host alone.
func TestGuestsUnderAPath(t *testing.T) {
	a, _ := newAuthenticator(t)
	ann, bob := a.Guests.New(), a.Guests.New()
	elsewhere := NewGuestSessions(newKeys(t)).New().Token
	for name, test := range map[string]struct {
		cookies      string
		user, cookie string
		err          error
		forgotten    []string // with "@" those that are deleted
	}{
		"ours": {
			cookies: "websockets_guest!a!b=" + ann.Token, user: ann.User, cookie: "websockets_guest!a!b",
			forgotten: []string{"websockets_guest!a!b"},
		},
		"ours over TLS wins": {
			cookies: "websockets_guest!a!b=" + bob.Token + "; __Host-websockets_guest!a!b=" + ann.Token,
			user:    ann.User, cookie: "__Host-websockets_guest!a!b",
			forgotten: []string{"__Host-websockets_guest!a!b", "websockets_guest!a!b@"},
		},
		"ours wins over the name without the path": {
			cookies: "__Host-websockets_guest=" + bob.Token + "; websockets_guest!a!b=" + ann.Token, user: ann.User, cookie: "websockets_guest!a!b",
			forgotten: []string{"__Host-websockets_guest!a!b", "websockets_guest!a!b@", "__Host-websockets_guest@"},
		},
		"ours is not valid": {
			cookies: "websockets_guest=" + bob.Token + "; websockets_guest!a!b=x", cookie: "websockets_guest!a!b", err: ErrBadSession,
			forgotten: []string{"websockets_guest!a!b", "websockets_guest@"},
		},
		"the name without the path": {
			cookies: "websockets_guest=" + ann.Token, user: ann.User, cookie: "websockets_guest",
			forgotten: []string{"websockets_guest!a!b", "websockets_guest@"},
		},
		"the name of 0.1.0": {
			cookies: "session=" + ann.Token, user: ann.User, cookie: "session",
			forgotten: []string{"websockets_guest!a!b", "session@"},
		},
		"of a chat at the root": {
			cookies: "websockets_guest=" + elsewhere + "; session=" + elsewhere, err: ErrNoSession,
			forgotten: []string{"websockets_guest!a!b"},
		},
		"of a chat at another path": {
			cookies: "websockets_guest!a=" + elsewhere + "; __Host-websockets_guest!b=" + elsewhere, err: ErrNoSession,
			forgotten: []string{"__Host-websockets_guest!a!b"}, // the browser has TLS
		},
	} {
		r := WithPath(request("http://chat.example/", "", test.cookies), "/a/b")
		s, cookie, err := a.FromRequest(r)
		if s.User != test.user || cookie != test.cookie || !errors.Is(err, test.err) {
			t.Errorf("%s: got user %q by %q, %v, want %q by %q, %v", name, s.User, cookie, err, test.user, test.cookie, test.err)
		}
		var forgotten []string
		for _, c := range a.Forget(r) {
			if c.Path != "/" || strings.HasPrefix(c.Name, "__Host-") && !c.Secure {
				t.Errorf("%s: got %v, want it for the path /, and Secure with the prefix", name, c)
			}
			if c.MaxAge < 0 {
				c.Name += "@"
			}
			forgotten = append(forgotten, c.Name)
		}
		if !slices.Equal(forgotten, test.forgotten) {
			t.Errorf("%s: Forget set %q, want %q", name, forgotten, test.forgotten)
		}
	}
}

// A token in its cookie counts over TLS and behind a proxy that terminates it, also when
// the cookie is that of the parent domain, whose place among several is not known.
func TestUserOfRequest(t *testing.T) {
	users, _ := newAuthenticator(t)
	sign := func(user string, change ...func(*jwt.Token, jwt.MapClaims)) string {
		return token(t, jwt.SigningMethodHS256, testSecret, append(change, claim("sub", user))...)
	}
	ann, bob, old, forged := sign("ann"), sign("bob"), sign("old", claim("exp", 1)), sign("ann")+"x"
	const foreign = "=eyJfZnJlc2giOmZhbHNlfQ.Zx.abc"
	for cookieFlag, name := range map[string]string{"": "session", "id_token": "id_token"} {
		verifier, err := NewTokenVerifier(t.Context(), TokenOptions{Algorithm: "HS256", Key: testSecret, Cookie: cookieFlag})
		if err != nil {
			t.Fatal(err)
		}
		a := Authenticator{Tokens: verifier, Revocations: users.Revocations}
		for what, test := range map[string]struct {
			authorization, cookies string
			user                   string
			err                    error
		}{
			"nothing":                     {err: ErrNoSession},
			"a Bearer":                    {authorization: "bEARER " + ann, cookies: name + "=" + bob, user: "ann"},
			"a foreign Bearer":            {authorization: "Bearer abc", cookies: name + "=" + ann, err: ErrBadSession},
			"a password":                  {authorization: "Basic dTpw", cookies: name + "=" + ann, user: "ann"},
			"a password alone":            {authorization: "Basic dTpw", err: ErrNoSession},
			"a cookie":                    {cookies: name + "=" + ann, user: "ann"},
			"a cookie for this host":      {cookies: "__Host-" + name + "=" + ann, user: "ann"},
			"both":                        {cookies: name + "=" + bob + "; __Host-" + name + "=" + ann, user: "ann"},
			"another name":                {cookies: "sid=" + ann, err: ErrNoSession},
			"a guest's cookie":            {cookies: "websockets_guest=" + ann, err: ErrNoSession},
			"another program's":           {cookies: name + foreign, err: ErrNoSession},
			"another program's and ours":  {cookies: name + foreign + "; " + name + "=" + ann, user: "ann"},
			"an old one and a newer":      {cookies: name + "=" + old + "; " + name + "=" + ann, user: "ann"},
			"an old one of this host":     {cookies: "__Host-" + name + "=" + old + "; " + name + "=" + ann, user: "ann"},
			"an old one":                  {cookies: name + "=" + old, err: ErrExpired},
			"a forged one":                {cookies: name + "=" + forged, err: ErrBadSession},
			"too many to try all of them": {cookies: strings.Repeat(name+"="+forged+"; ", maxTokenCookies) + name + "=" + ann, err: ErrBadSession},
		} {
			for _, address := range []string{"http://chat.example/ws?token=" + bob, "https://chat.example/ws"} {
				r := request(address, test.authorization, test.cookies)
				s, _, err := a.FromRequest(r)
				if s.User != test.user || !errors.Is(err, test.err) {
					t.Errorf("%s in %s, %s: got %q, %v, want %q, %v", what, name, r.URL.Scheme, s.User, err, test.user, test.err)
				}
			}
		}
	}
}

// Scripts cannot read the cookie, other sites cannot send it, and over TLS it is sent
// over TLS only. A browser that has sent such a cookie uses TLS, whatever a proxy says.
func TestCookie(t *testing.T) {
	s := NewGuestSessions(newKeys(t)).New()
	withTLS := request("http://chat.example/", "", "")
	withTLS.TLS = &tls.ConnectionState{}
	plain := "websockets_guest=" + s.Token + "; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax"
	secure := "__Host-websockets_guest=" + s.Token + "; Path=/; Max-Age=34560000; HttpOnly; Secure; SameSite=Lax"
	for r, want := range map[*http.Request]string{
		request("http://chat.example/", "", ""):                                   plain,
		request("http://chat.example/", "", "websockets_guest="+s.Token):          plain,
		request("http://chat.example/", "", "__Host-session=a.b.c"):               plain,
		request("https://chat.example/", "", ""):                                  secure,
		withTLS:                                                                   secure,
		request("http://chat.example/", "", "__Host-websockets_guest="+s.Token):   secure,
		request("http://chat.example/", "", "a=b; __Host-session="+s.Token):       secure,
		request("https://chat.example/", "Basic dTpw", "session=a; __Host-a=b"):   secure,
		request("http://chat.example/", "Bearer "+s.Token, "__Host-other=a; b=c"): plain,
	} {
		if got := Cookie(s, r).String(); got != want {
			t.Errorf("cookie for %s with %q: got\n%s\nwant\n%s", r.URL, r.Header, got, want)
		}
	}
}

// After Forget a browser that has kept its cookies presents another user, or none, over
// each scheme. Cookies of other programs stay.
func TestForget(t *testing.T) {
	guests, _ := newAuthenticator(t)
	ann := guests.Guests.New().Token
	verifier := newVerifier(t, "HS256", testSecret)
	tokens := Authenticator{Tokens: verifier, Revocations: guests.Revocations}
	jwt := token(t, jwt.SigningMethodHS256, testSecret)
	for _, test := range []struct {
		authenticator    Authenticator
		address, cookies string
		set              []string // NAME=1 has a new session, NAME@DOMAIN is deleted
	}{
		{guests, "http://chat.example/", "", []string{"websockets_guest=1"}},
		{guests, "http://chat.example/", "session=other", []string{"websockets_guest=1"}},
		{guests, "http://chat.example/", "session=other; session=" + ann, []string{"websockets_guest=1", "session@"}},
		{guests, "http://chat.example/", "websockets_guest=" + ann, []string{"websockets_guest=1"}},
		{guests, "https://chat.example/", "websockets_guest=" + ann, []string{"__Host-websockets_guest=1", "websockets_guest@"}},
		{guests, "http://chat.example/", "__Host-websockets_guest=" + ann, []string{"__Host-websockets_guest=1"}},
		{guests, "http://chat.example/", "__Host-session=" + ann + "; session=" + ann, []string{"__Host-websockets_guest=1", "__Host-session@", "session@"}},
		{tokens, "https://chat.example/", "", nil},
		{tokens, "https://chat.example/", "session=other", nil},
		{tokens, "https://chat.example:8443/", "session=" + jwt, []string{"session@", "session@chat.example"}},
		{tokens, "http://eu.chat.example/", "session=" + jwt, []string{"session@", "session@eu.chat.example", "session@chat.example"}},
		{tokens, "https://chat.example/", "__Host-session=" + jwt, []string{"__Host-session@"}},
		{tokens, "http://127.0.0.1:8080/", "session=" + jwt, []string{"session@"}},
		{tokens, "http://[::1]:8080/", "session=" + jwt, []string{"session@"}},
		{tokens, "http://localhost/", "session=" + jwt, []string{"session@"}},
	} {
		var set []string
		for _, c := range test.authenticator.Forget(request(test.address, "", test.cookies)) {
			if c.Path != "/" || !c.HttpOnly || strings.HasPrefix(c.Name, "__Host-") && !c.Secure {
				t.Errorf("%s with %q: got %v, want it HttpOnly, for the path /, and Secure with the prefix", test.address, test.cookies, c)
			}
			if c.MaxAge < 0 {
				set = append(set, c.Name+"@"+c.Domain)
				continue
			}
			s, err := guests.Guests.Verify(c.Value)
			if err != nil || s.Token == ann {
				t.Errorf("%s with %q: got the session %+v, %v, want a new one", test.address, test.cookies, s, err)
			}
			set = append(set, fmt.Sprint(c.Name, "=1"))
		}
		if !slices.Equal(set, test.set) {
			t.Errorf("%s with %q: got %q, want %q", test.address, test.cookies, set, test.set)
		}
	}
}
