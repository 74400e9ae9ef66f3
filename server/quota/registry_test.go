package quota

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

var (
	start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	here  = netip.MustParsePrefix("192.0.2.1/32")
)

// after returns a time that long after the start.
func after(d time.Duration) time.Time { return start.Add(d) }

// wantRefusal fails unless the error is a refusal with a reason and a time to wait.
func wantRefusal(t *testing.T, what string, err error) {
	t.Helper()
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Reason == "" || refusal.RetryAfter <= 0 {
		t.Errorf("%s: got %v, want a refusal with a reason and a time to wait", what, err)
	}
}

func TestConnectionsPerAddressAreLimited(t *testing.T) {
	r := NewRegistry(Limits{ConnsPerAddress: 2})
	first, err := r.AcquireAddress(here, start)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.AcquireAddress(here, start); err != nil {
		t.Fatal(err)
	}
	_, err = r.AcquireAddress(here, start)
	wantRefusal(t, "the third connection", err)
	if _, err := r.AcquireAddress(netip.MustParsePrefix("192.0.2.2/32"), start); err != nil {
		t.Errorf("another address: got %v, want no error", err)
	}
	r.Release(start, first)
	if _, err := r.AcquireAddress(here, start); err != nil {
		t.Errorf("after one has gone: got %v, want no error", err)
	}
}

// However many connections an address may have, it may open only some of them a second.
func TestDialsPerAddressAreLimited(t *testing.T) {
	const most = 100
	r := NewRegistry(Limits{ConnsPerAddress: most})
	dial := func(now time.Time) error {
		q, err := r.AcquireAddress(here, now)
		if err == nil {
			r.Release(now, q)
		}
		return err
	}
	for range most {
		if err := dial(start); err != nil {
			t.Fatalf("one of the first %d: got %v, want no error", most, err)
		}
	}
	wantRefusal(t, "one more at once", dial(start))
	for range dialsPerSecond {
		if err := dial(after(time.Second)); err != nil {
			t.Fatalf("one of %d a second later: got %v, want no error", dialsPerSecond, err)
		}
	}
	wantRefusal(t, "one more a second later", dial(after(time.Second)))
}

func TestConnectionsPerUserAreLimited(t *testing.T) {
	r := NewRegistry(Limits{ConnsPerAddress: 1})
	for range MaxUserConns {
		if _, err := r.AcquireUser("ann", start); err != nil {
			t.Fatal(err)
		}
	}
	_, err := r.AcquireUser("ann", start)
	wantRefusal(t, "one connection too many", err)
	if _, err := r.AcquireUser("bob", start); err != nil {
		t.Errorf("another user: got %v, want no error", err)
	}
}

func TestNothingIsRefusedWithoutLimits(t *testing.T) {
	r := NewRegistry(Limits{})
	var address, user *Quota
	for range 10 * MaxUserConns {
		var errAddress, errUser error
		address, errAddress = r.AcquireAddress(here, start)
		user, errUser = r.AcquireUser("ann", start)
		if err := errors.Join(errAddress, errUser); err != nil {
			t.Fatalf("a connection without limits: got %v, want no error", err)
		}
	}
	throttle := r.NewThrottle(address, user)
	for range 10_000 {
		delay, err := throttle.Reserve(start)
		if delay != 0 || err != nil || !throttle.AllowPing(start) || !address.AllowNewRoom(start) {
			t.Fatalf("an event without limits: got a delay of %v, %v, want neither", delay, err)
		}
	}
}

func TestNewRoomsAreLimited(t *testing.T) {
	address, err := NewRegistry(Limits{Rate: 1}).AcquireAddress(here, start)
	if err != nil {
		t.Fatal(err)
	}
	allowed := 0
	for range 2 * NewRoomsBurst {
		if address.AllowNewRoom(start) {
			allowed++
		}
	}
	if allowed != NewRoomsBurst {
		t.Errorf("new rooms at once: got %d, want %d", allowed, NewRoomsBurst)
	}
	if later := after(7 * time.Second); !address.AllowNewRoom(later) || address.AllowNewRoom(later) {
		t.Error("new rooms later: want exactly one")
	}
}

// What an address or user has used is remembered for retention after their last
// connection, and not longer.
func TestQuotasExpire(t *testing.T) {
	r := NewRegistry(Limits{Rate: 1, ConnsPerAddress: 2})
	address, errAddress := r.AcquireAddress(here, start)
	user, errUser := r.AcquireUser("ann", start)
	if err := errors.Join(errAddress, errUser); err != nil {
		t.Fatal(err)
	}
	left := after(100 * retention)
	for _, step := range []struct {
		name string
		do   func()
		want int
	}{
		{"with connections", func() { r.Expire(after(10 * retention)) }, 1},
		{"just left", func() { r.Release(left, address, user); r.Expire(left.Add(retention)) }, 1},
		{"left long ago", func() { r.Expire(left.Add(retention + 1)) }, 0},
	} {
		step.do()
		if len(r.addresses) != step.want || len(r.users) != step.want {
			t.Errorf("quotas %s: got %d of addresses and %d of users, want %d of each", step.name, len(r.addresses), len(r.users), step.want)
		}
	}
}

// At the bound, new addresses and users are refused, and known ones are accepted.
func TestQuotasAreBounded(t *testing.T) {
	r := NewRegistry(Limits{Rate: 1, ConnsPerAddress: 2})
	for i := range maxQuotas {
		address := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		r.addresses[netip.PrefixFrom(address, 32)] = &Quota{}
		r.users[fmt.Sprint("user-", i)] = &Quota{}
	}
	_, err := r.AcquireAddress(here, start)
	wantRefusal(t, fmt.Sprintf("one address more than %d", maxQuotas), err)
	_, err = r.AcquireUser("ann", start)
	wantRefusal(t, fmt.Sprintf("one user more than %d", maxQuotas), err)
	if len(r.addresses) != maxQuotas || len(r.users) != maxQuotas {
		t.Errorf("quotas: got %d and %d, want %d each", len(r.addresses), len(r.users), maxQuotas)
	}
	if _, err := r.AcquireAddress(netip.MustParsePrefix("10.0.0.0/32"), start); err != nil {
		t.Errorf("an address that is known: got %v, want no error", err)
	}
	if _, err := r.AcquireUser("user-0", start); err != nil {
		t.Errorf("a user who is known: got %v, want no error", err)
	}
	r.Expire(start)
	if len(r.addresses) != 1 || len(r.users) != 1 {
		t.Errorf("quotas after the others have expired: got %d and %d, want 1 each", len(r.addresses), len(r.users))
	}
}
