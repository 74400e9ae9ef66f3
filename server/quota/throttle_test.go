package quota

import (
	"errors"
	"testing"
	"time"
)

// newThrottle returns the throttle of a connection, alone at its address.
func newThrottle(t *testing.T, limits Limits) Throttle {
	t.Helper()
	r := NewRegistry(limits)
	address, errAddress := r.AcquireAddress(here, start)
	user, errUser := r.AcquireUser("ann", start)
	if err := errors.Join(errAddress, errUser); err != nil {
		t.Fatal(err)
	}
	return r.NewThrottle(address, user)
}

// A burst is not delayed. Events beyond it are handled at the rate, and after MaxDelay
// they are refused for RefusalPeriod. Then events are handled again, and after a rest so
// is a burst.
func TestThrottle(t *testing.T) {
	const rate = 10
	throttle := newThrottle(t, Limits{Rate: rate})
	now := start
	within := func(want time.Duration) {
		t.Helper()
		delay, err := throttle.Reserve(now)
		if err != nil || delay.Round(time.Millisecond) != want {
			t.Fatalf("an event at %v: got a delay of %v, %v, want %v", now.Sub(start), delay, err, want)
		}
		now = now.Add(delay)
	}
	refused := func(n int) {
		t.Helper()
		_, err := throttle.Reserve(now)
		wantRefusal(t, "an event beyond the rate", err)
		if got := throttle.Refused(); got != n {
			t.Errorf("refused events: got %d, want %d", got, n)
		}
	}
	for range Burst * rate {
		within(0)
	}
	for range MaxDelay / (time.Second / rate) {
		within(time.Second / rate)
	}
	refused(1)
	now = now.Add(RefusalPeriod - time.Millisecond)
	refused(2)
	now = now.Add(time.Millisecond)
	within(0)
	now = now.Add(Burst * time.Second)
	for range Burst * rate {
		within(0)
	}
}

// All connections of a user share a rate, and so do all of an address.
func TestRateIsShared(t *testing.T) {
	const rate = 10
	for name, c := range map[string]struct {
		users func(i int) string
		most  int // events at once of all connections together
	}{
		"by a user":    {func(int) string { return "ann" }, Burst * rate * userRate},
		"by a network": {func(i int) string { return string(rune('a' + i)) }, Burst * rate * addressRate},
	} {
		r := NewRegistry(Limits{Rate: rate})
		atOnce := 0
		for i := range 2 * addressRate {
			address, errAddress := r.AcquireAddress(here, start)
			user, errUser := r.AcquireUser(c.users(i), start)
			if err := errors.Join(errAddress, errUser); err != nil {
				t.Fatal(err)
			}
			throttle := r.NewThrottle(address, user)
			for range Burst * rate {
				if delay, err := throttle.Reserve(start); delay == 0 && err == nil {
					atOnce++
				}
			}
		}
		if atOnce != c.most {
			t.Errorf("events at once, shared %s: got %d, want %d", name, atOnce, c.most)
		}
	}
}

func TestPingsAreLimited(t *testing.T) {
	throttle := newThrottle(t, Limits{Rate: 1})
	for i := range MaxPings {
		if !throttle.AllowPing(after(time.Duration(i))) {
			t.Fatalf("ping %d: got it refused, want it taken", i+1)
		}
	}
	if throttle.AllowPing(after(time.Second - 1)) {
		t.Error("one ping too many in a second: got it taken, want it refused")
	}
	if !throttle.AllowPing(after(time.Second)) {
		t.Error("a ping in the next second: got it refused, want it taken")
	}
}
