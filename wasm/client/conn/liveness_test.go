package conn

import (
	"testing"
	"time"
)

// TestLiveness steps through what check decides at a time after the last frame.
func TestLiveness(t *testing.T) {
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	const heartbeat = 25 * time.Second
	for _, test := range []struct {
		name       string
		after      time.Duration // since the last frame
		unanswered time.Duration // since the last frame; 0 for none
		suspect    bool
		pinged     time.Duration // since the last frame; 0 for no ping

		ping bool
		err  error
		next time.Duration
	}{
		{name: "quiet", after: time.Second, next: heartbeat + Grace},
		{name: "silent", after: heartbeat + Grace, ping: true, next: heartbeat + 2*Grace},
		{name: "pinged", after: 40 * time.Second, pinged: 36 * time.Second, next: 36*time.Second + Grace},
		{name: "dead", after: 36*time.Second + Grace, pinged: 36 * time.Second, err: errSilent},
		{name: "suspect at once", after: RecentActivity / 2, suspect: true, next: heartbeat + Grace},
		{name: "suspect later", after: 5 * time.Second, suspect: true, ping: true, next: 5*time.Second + Grace},
		{name: "unanswered", after: 2 * time.Second, unanswered: time.Second, next: time.Second + AckTimeout},
		{name: "late answer", after: time.Second + AckTimeout, unanswered: time.Second, ping: true, next: time.Second + AckTimeout + Grace},
		{name: "no answer", after: time.Second, unanswered: time.Second - MaxAckTimeout, err: errNoAck},
	} {
		l := liveness{heartbeat: heartbeat, lastReceived: start}
		if test.pinged != 0 {
			l.pingedAt = start.Add(test.pinged)
		}
		var unanswered, next time.Time
		if test.unanswered != 0 {
			unanswered = start.Add(test.unanswered)
		}
		wakeAt := func(t time.Time) {
			if next.IsZero() || t.Before(next) {
				next = t
			}
		}
		ping, err := l.check(start.Add(test.after), unanswered, test.suspect, wakeAt)
		if ping != test.ping || err != test.err {
			t.Errorf("%s: got ping: %v, error %v, want %v, %v", test.name, ping, err, test.ping, test.err)
		}
		if err == nil && !next.Equal(start.Add(test.next)) {
			t.Errorf("%s: got the next check after %v, want %v", test.name, next.Sub(start), test.next)
		}
	}
}

func TestBackoff(t *testing.T) {
	now := time.Now()
	var b backoff
	limit := MinBackoff
	for range 20 {
		due, earliest := b.next(now)
		wait := due.Sub(now)
		if wait < 0 || wait > limit || !earliest.Equal(now) {
			t.Errorf("wait %d: got %v, %v at the earliest, want at most %v and 0", b.attempts, wait, earliest.Sub(now), limit)
		}
		limit = min(2*limit, MaxBackoff)
	}
	b.attempts, b.notBefore = 0, now.Add(7*time.Second)
	due, earliest := b.next(now)
	if due.Before(b.notBefore) || due.After(b.notBefore.Add(MinBackoff)) || !earliest.Equal(b.notBefore) {
		t.Errorf("wait when the server asks for 7s: got %v, %v at the earliest, want %v more at most", due.Sub(now), earliest.Sub(now), MinBackoff)
	}
}
