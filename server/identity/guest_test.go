package identity

import (
	"errors"
	"net/http/httptest"
	"testing"
)

func TestSessionSurvivesARestart(t *testing.T) {
	key := NewKey()
	s := NewGuests(key).New()
	again, err := NewGuests(key).Verify(s.Token)
	if err != nil || again.User != s.User || again.Fresh {
		t.Fatalf("Verify = %+v, %v; want the user %s", again, err, s.User)
	}
}

func TestForgedSessionIsRefused(t *testing.T) {
	g := NewGuests(NewKey())
	mine, other := g.New(), g.New()
	_, mac, _ := cut(mine.Token)
	for name, token := range map[string]string{
		"another user's id under my signature": other.User + "." + mac,
		"another server's":                     NewGuests(NewKey()).New().Token,
		"no signature":                         mine.User,
		"empty signature":                      mine.User + ".",
		"empty":                                "",
		"cut":                                  mine.Token[:len(mine.Token)-1],
	} {
		if s, err := g.Verify(token); !errors.Is(err, ErrBadSession) {
			t.Errorf("%s: Verify = %+v, %v; want ErrBadSession", name, s, err)
		}
	}
}

func cut(token string) (user, mac string, ok bool) { return token[:16], token[17:], token[16] == '.' }

func TestFromRequest(t *testing.T) {
	g := NewGuests(NewKey())
	s := g.New()

	r := httptest.NewRequest("GET", "/ws", nil)
	if _, err := g.FromRequest(r); !errors.Is(err, ErrNoSession) {
		t.Errorf("a request without a session: %v, want ErrNoSession", err)
	}
	r.AddCookie(Cookie(s, r))
	if got, err := g.FromRequest(r); err != nil || got.User != s.User {
		t.Errorf("by cookie: %+v, %v", got, err)
	}
	r = httptest.NewRequest("GET", "/ws", nil)
	r.Header.Set("Authorization", "Bearer "+s.Token)
	if got, err := g.FromRequest(r); err != nil || got.User != s.User {
		t.Errorf("by bearer token: %+v, %v", got, err)
	}
}
