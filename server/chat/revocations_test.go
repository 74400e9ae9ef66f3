package chat

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"websockets/server/auth"
	"websockets/server/servertest"
	"websockets/shared"
)

// A session is revoked after it was verified and before its connection is registered.
// The connection is closed like those that are open.
func TestSessionRevokedDuringHandshakeIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		ann := s.join("x")
		ann.Leave()
		// The origin is checked between the two.
		upgrader := &s.manager.acceptor.upgrader
		checkOrigin := upgrader.CheckOrigin
		upgrader.CheckOrigin = func(r *http.Request) bool {
			if err := s.manager.RevokeSessions(r.Context(), ann.Welcome.User); err != nil {
				t.Error(err)
			}
			return checkOrigin(r)
		}
		late := s.upgrade(servertest.DialOptions{Room: "x", Session: ann.Welcome.Session})
		late.AwaitClose(shared.CloseSessionRevoked)
		late.None("an event before it", func(shared.Event) bool { return true })
		upgrader.CheckOrigin = checkOrigin
		s.join("x").Say("others are not affected")
	})
}

func TestRecentRevocations(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var recent recentRevocations
	check := func(what, user string, issued time.Time, want bool) {
		t.Helper()
		if got := recent.include(&auth.Session{User: user, Issued: issued}); got != want {
			t.Errorf("%s: got revoked %v, want %v", what, got, want)
		}
	}
	check("a session before any revocation", "ann", time.Time{}, false)
	recent.add("ann", now, now)
	recent.add("ann", now.Add(-time.Hour), now) // an older one changes nothing
	check("a session that was issued before", "ann", now.Add(-time.Minute), true)
	check("a session without a time", "ann", time.Time{}, true)
	check("a session that was issued later", "ann", now.Add(time.Nanosecond), false)
	check("another user's session", "bob", now.Add(-time.Minute), false)
	recent.expire(now.Add(revocationMemory))
	check("a session as long as it is remembered", "ann", now.Add(-time.Minute), true)
	recent.expire(now.Add(revocationMemory + 1))
	if n := len(recent.byUser); n != 0 {
		t.Errorf("revocations that are remembered later: got %d, want none", n)
	}
}
