package auth

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"websockets/server/servertest"
)

func TestMain(m *testing.M) { os.Exit(servertest.MainWithoutLeaks(m)) }

func newKeys(t *testing.T) Keys {
	t.Helper()
	keys, changed := Keys(nil).Rotate(time.Now())
	if !changed || len(keys) != 1 {
		t.Fatalf("first rotation: got %d keys, changed %v, want 1, changed", len(keys), changed)
	}
	return keys
}

func TestSessionSurvivesARestart(t *testing.T) {
	keys := newKeys(t)
	s := NewGuestSessions(keys).New()
	kept, err := ParseKeys(keys.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	again, err := NewGuestSessions(kept).Verify(s.Token)
	if err != nil || again.User != s.User || again.IsNew || !again.Issued.Equal(s.Issued) {
		t.Fatalf("Verify: got %+v, %v, want user %s", again, err, s.User)
	}
}

func TestForgedSessionIsRefused(t *testing.T) {
	g := NewGuestSessions(newKeys(t))
	mine, other := g.New(), g.New()
	parts := strings.Split(mine.Token, ".")
	forged := func(i int, part string) string {
		changed := append([]string(nil), parts...)
		changed[i] = part
		return strings.Join(changed, ".")
	}
	for name, token := range map[string]string{
		"another user's id under my signature": forged(0, other.User),
		"another time":                         forged(2, "zzzzzz"),
		"another key":                          forged(1, "AAAAAA"),
		"another server's":                     NewGuestSessions(newKeys(t)).New().Token,
		"no signature":                         strings.Join(parts[:3], "."),
		"empty signature":                      forged(3, ""),
		"user alone":                           mine.User,
		"empty":                                "",
		"dots":                                 "...",
		"cut":                                  mine.Token[:len(mine.Token)-1],
		"more":                                 mine.Token + ".x",
	} {
		if s, err := g.Verify(token); !errors.Is(err, ErrBadSession) {
			t.Errorf("%s: Verify: got %+v, %v, want ErrBadSession", name, s, err)
		}
	}
}

// A session stays valid while newer keys sign other sessions, until it expires. Its key
// expires with it.
func TestKeysRotate(t *testing.T) {
	now := time.Now()
	keys := newKeys(t)
	g := NewGuestSessions(keys)
	g.now = func() time.Time { return now }
	s := g.New()
	for now.Before(s.Expires.Add(-keyAge)) {
		now = now.Add(keyAge + time.Second)
		rotated, changed := keys.Rotate(now)
		if !changed || rotated[0].ID == keys[0].ID {
			t.Fatalf("after %v: got no new key, want one", now.Sub(s.Issued))
		}
		if again, changed := rotated.Rotate(now.Add(time.Hour)); changed || len(again) != len(rotated) {
			t.Fatalf("an hour later: got changed %v and %d keys, want the same %d", changed, len(again), len(rotated))
		}
		keys = rotated
		g.SetKeys(keys)
		if _, err := g.Verify(s.Token); err != nil {
			t.Fatalf("the session after %v: got %v, want no error", now.Sub(s.Issued), err)
		}
	}
	if most := int(guestAge/keyAge) + 2; len(keys) > most {
		t.Errorf("keys: got %d, want at most %d", len(keys), most)
	}
	now = s.Expires
	if _, err := g.Verify(s.Token); !errors.Is(err, ErrExpired) {
		t.Errorf("the expired session: got %v, want ErrExpired", err)
	}
	now = now.Add(keyAge + time.Second)
	if keys, _ = keys.Rotate(now); keys[len(keys)-1].ID == strings.Split(s.Token, ".")[1] {
		t.Error("the key of an expired session: got it kept, want it removed")
	}
	// A new key does not sign yet, because other servers may not know it.
	newer, _ := keys.Rotate(now.Add(2 * keyAge))
	g.SetKeys(newer)
	for after, want := range map[time.Duration]string{0: newer[1].ID, propagationDelay + time.Second: newer[0].ID} {
		now = newer[0].Made.Add(after)
		if signed := strings.Split(g.New().Token, ".")[1]; signed != want {
			t.Errorf("signing key %v after the newest was made: got %q, want %q", after, signed, want)
		}
	}
	if refreshed := g.Refresh(s.User); refreshed.User != s.User || g.NeedsRefresh(refreshed) || !g.NeedsRefresh(s) {
		t.Errorf("Refresh: got %+v, want a session of %s that needs no refresh", refreshed, s.User)
	}
}
