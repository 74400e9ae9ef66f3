package userdata

import (
	"errors"
	"strings"
	"testing"

	"websockets/server/eventlog"
)

func TestNames(t *testing.T) {
	users := openLog(t).Values(eventlog.Users)
	names := NewNames(users)
	expect := func(user, want string, wantChosen bool) {
		t.Helper()
		name, chosen, err := NewNames(users).Get(t.Context(), user) // as after a restart
		if err != nil || name != want || chosen != wantChosen {
			t.Errorf("name of %s: got %q, chosen %v, %v, want %q, %v", user, name, chosen, err, want, wantChosen)
		}
	}
	expect("ann", DefaultName("ann"), false)
	for _, name := range []string{"Ann", "Ada Lovelace"} {
		if err := names.Set(t.Context(), "ann", name); err != nil {
			t.Fatal(err)
		}
		expect("ann", name, true)
	}
	expect("bob", DefaultName("bob"), false)
	// Version 0.1.0 stored names under this key.
	if err := users.Put(t.Context(), "bob@example.com", "name", []byte("Bob")); err != nil {
		t.Fatal(err)
	}
	expect("bob@example.com", "Bob", true)
}

func TestDefaultNamesTellUsersApart(t *testing.T) {
	a, b := DefaultName("ann@example.com"), DefaultName("bob@example.com")
	if a == b || DefaultName("ann@example.com") != a {
		t.Errorf("default names: got %q and %q, want two that stay the same", a, b)
	}
	if tag, ok := strings.CutPrefix(a, "Guest "); !ok || len(tag) != 4 {
		t.Errorf("default name: got %q, want Guest and 4 characters", a)
	}
}

func TestNamesWithoutAStore(t *testing.T) {
	names := NewNames(closedUsers(t))
	if name, _, err := names.Get(t.Context(), "ann"); !errors.Is(err, eventlog.ErrUnavailable) || name != "" {
		t.Errorf("Get: got %q, %v, want ErrUnavailable", name, err)
	}
	if err := names.Set(t.Context(), "ann", "Ann"); !errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("Set: got %v, want ErrUnavailable", err)
	}
}
