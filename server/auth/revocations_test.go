package auth

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"websockets/server/eventlog"
	"websockets/server/eventlog/memlog"
)

// openLog opens a log in memory, which is closed when the test ends.
func openLog(t *testing.T) *memlog.Log {
	t.Helper()
	log := memlog.Open(memlog.Options{})
	t.Cleanup(log.Close)
	return log
}

// newAuthenticator returns an Authenticator of guests on a store in memory.
func newAuthenticator(t *testing.T) (Authenticator, eventlog.Values) {
	t.Helper()
	users := openLog(t).Values(eventlog.Users)
	return Authenticator{Guests: NewGuestSessions(newKeys(t)), Revocations: NewRevocations(users)}, users
}

// A revocation refuses the sessions that were issued up to then. Later ones, and those of
// other users, stay valid.
func TestRevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := newAuthenticator(t)
		ann, bob := a.Guests.New(), a.Guests.New()
		refreshed := a.Guests.Refresh(ann.User)
		if _, err := a.Verify(t.Context(), ann.Token); err != nil {
			t.Errorf("before: got %v, want no error", err)
		}
		if err := a.Revocations.Revoke(t.Context(), ann.User); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		again := a.Guests.Refresh(ann.User)
		for name, test := range map[string]struct {
			session Session
			want    error
		}{
			"her old session":          {ann, ErrBadSession},
			"her other session":        {refreshed, ErrBadSession},
			"a session issued later":   {again, nil},
			"another user's":           {bob, nil},
			"a forged session of hers": {Session{User: ann.User, Token: again.Token + "x"}, ErrBadSession},
		} {
			s, err := a.Verify(t.Context(), test.session.Token)
			if !errors.Is(err, test.want) {
				t.Errorf("%s: got %v, want %v", name, err, test.want)
			}
			if err != nil && s.User != "" {
				t.Errorf("%s: got %+v with the error, want no session", name, s)
			}
			r := httptest.NewRequest("GET", "/ws", nil)
			r.AddCookie(Cookie(test.session, r))
			if _, _, err := a.FromRequest(r); !errors.Is(err, test.want) {
				t.Errorf("%s, by cookie: got %v, want %v", name, err, test.want)
			}
		}
	})
}

// Every server that shares the store learns of a revocation and of the sessions it ends.
func TestRevocationsAreWatched(t *testing.T) {
	a, users := newAuthenticator(t)
	elsewhere := NewRevocations(users)
	ann := a.Guests.New()
	var got []string
	for _, revocations := range []*Revocations{a.Revocations, elsewhere} {
		err := revocations.Watch(func(user string, upTo time.Time) {
			got = append(got, fmt.Sprint(user, ann.IsRevoked(upTo), ann.IsRevoked(ann.Issued.Add(-1))))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// The log in memory calls watchers before Put returns.
	if err := users.Put(t.Context(), ann.User, revokedKey, []byte("no time")); err != nil {
		t.Fatal(err)
	}
	if err := elsewhere.Revoke(t.Context(), ann.User); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprint(ann.User, true, false)
	if len(got) != 2 || got[0] != want || got[1] != want {
		t.Errorf("revocations seen: got %q, want %q twice", got, want)
	}
}

// A session is refused if the store cannot be reached or its value cannot be read. The
// two errors differ.
func TestRevocationsFailClosed(t *testing.T) {
	a, users := newAuthenticator(t)
	ann, bob := a.Guests.New(), a.Guests.New()
	// Version 0.1.0 used this key and this format.
	for user, value := range map[string]string{ann.User: "no time", bob.User: "2200-01-02T03:04:05.006007008Z"} {
		if err := users.Put(t.Context(), user, "sent-away", []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []Session{ann, bob} {
		if _, err := a.Verify(t.Context(), s.Token); !errors.Is(err, ErrBadSession) {
			t.Errorf("Verify: got %v, want ErrBadSession", err)
		}
	}
	log := memlog.Open(memlog.Options{})
	log.Close()
	a.Revocations = NewRevocations(log.Values(eventlog.Users))
	_, err := a.Verify(t.Context(), ann.Token)
	if !errors.Is(err, eventlog.ErrUnavailable) || errors.Is(err, ErrBadSession) {
		t.Errorf("Verify without a store: got %v, want ErrUnavailable", err)
	}
}
