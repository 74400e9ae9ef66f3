package view

import (
	"strings"
	"testing"
	"time"

	"websockets/shared"
	"websockets/wasm/client"
)

func TestConnectionWords(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	in := func(d time.Duration) time.Time { return now.Add(d) }
	const away, booted = true, true
	for _, test := range []struct {
		name           string
		v              client.View
		noNet, fresh   bool
		dot, word      string
		lost, retry    string
		button, do     string
		look           time.Duration
		refused, newer bool
	}{
		{name: "connected", v: client.View{State: client.Online}, dot: "connected", word: "Connected"},
		{name: "connected, whatever the browser thinks", v: client.View{State: client.Online}, noNet: away, dot: "connected", word: "Connected"},
		{name: "first", v: client.View{State: client.Connecting, Since: ago(0)}, fresh: booted, dot: "connecting", word: "Connecting", look: time.Second},
		{name: "first, long", v: client.View{State: client.Offline, Since: ago(time.Minute), Retry: in(time.Second)}, fresh: booted, dot: "connecting", word: "Connecting",
			lost: "Can't reach the server. Your messages are kept.", retry: "Reconnecting in 1 s", button: "Now", do: DoNow, look: time.Second},
		{name: "just lost", v: client.View{State: client.Offline, Since: ago(4999 * time.Millisecond), Retry: in(8 * time.Second)},
			dot: "connecting", word: "Reconnecting", look: time.Millisecond},
		{name: "lost for 5 s", v: client.View{State: client.Offline, Since: ago(5 * time.Second), Retry: in(7400 * time.Millisecond)},
			dot: "connecting", word: "Reconnecting", lost: "Connection lost. Your messages are kept.", retry: "Reconnecting in 8 s", button: "Now", do: DoNow, look: 400 * time.Millisecond},
		{name: "due", v: client.View{State: client.Offline, Since: ago(time.Minute), Retry: now},
			dot: "connecting", word: "Reconnecting", lost: "Connection lost. Your messages are kept.", retry: "Reconnecting…", button: "Now", do: DoNow, look: time.Second},
		{name: "trying", v: client.View{State: client.Connecting, Since: ago(time.Hour)},
			dot: "connecting", word: "Reconnecting", lost: "Connection lost. Your messages are kept.", retry: "Reconnecting…", button: "Now", do: DoNow, look: time.Second},
		{name: "refused", v: client.View{State: client.Offline, Since: ago(time.Minute), Retry: in(time.Second), Refusal: "you have too many tabs open"}, fresh: booted, dot: "connecting", word: "Connecting",
			lost: "Not connected: you have too many tabs open. Your messages are kept.", retry: "Reconnecting in 1 s", button: "Now", do: DoNow, look: time.Second},
		{name: "refused again", v: client.View{State: client.Connecting, Since: ago(time.Minute), Refusal: strings.Repeat("x", 500)},
			dot: "connecting", word: "Reconnecting", lost: "Not connected: x", retry: "Reconnecting…", button: "Now", do: DoNow, look: time.Second},
		{name: "refused, and no network", v: client.View{State: client.Offline, Since: ago(time.Minute), Refusal: "you have too many tabs open"}, noNet: away, dot: "offline", word: "Offline",
			lost: "This device is offline. Your messages are kept.", button: "Now", do: DoNow},
		{name: "no network", v: client.View{State: client.Offline, Since: ago(time.Second), Retry: in(time.Second)}, noNet: away, dot: "offline", word: "Offline", look: time.Second},
		{name: "no network for long", v: client.View{State: client.Offline, Since: ago(time.Minute), Retry: in(time.Second)}, noNet: away, dot: "offline", word: "Offline",
			lost: "This device is offline. Your messages are kept.", button: "Now", do: DoNow},
		{name: "session", v: client.View{State: client.Ended, Since: ago(0), Code: shared.CloseSession}, dot: "offline", word: "Disconnected",
			lost: "Your session has ended. Your messages are kept.", button: "Continue as a new guest", do: DoContinue, refused: true},
		{name: "token", v: client.View{State: client.Ended, Since: ago(0), Code: shared.CloseToken}, dot: "offline", word: "Disconnected",
			lost: "You are not signed in, or your sign-in has expired.", button: "Reload", do: DoReload},
		{name: "sent away", v: client.View{State: client.Ended, Since: ago(0), Code: shared.CloseSessionRevoked}, dot: "offline", word: "Disconnected",
			lost: "An administrator ended your session.", button: "Reload", do: DoReload},
		{name: "policy", v: client.View{State: client.Ended, Since: ago(0), Code: shared.ClosePolicy}, dot: "offline", word: "Disconnected",
			lost: "The server closed the connection because of too many", button: "Connect again", do: DoConnect},
		{name: "too big", v: client.View{State: client.Ended, Since: ago(0), Code: shared.CloseTooBig}, dot: "offline", word: "Disconnected",
			lost: "The server closed the connection because a message was too large", button: "Connect again", do: DoConnect},
		{name: "not understood", v: client.View{State: client.Ended, Since: ago(0), Code: shared.CloseUnsupportedData}, dot: "offline", word: "Disconnected",
			lost: "The server didn't understand this page.", button: "Reload", do: DoReload},
		{name: "any other", v: client.View{State: client.Ended, Since: ago(0), Code: 4999, Reason: "closed: " + strings.Repeat("x", 500)}, dot: "offline", word: "Disconnected",
			lost: "The server closed the connection (closed: ", button: "Connect again", do: DoConnect},
		{name: "our own", v: client.View{State: client.Ended, Since: ago(time.Hour)}, dot: "offline", word: "Disconnected"},
		{name: "same version", v: client.View{State: client.Online, Version: "v1"}, dot: "connected", word: "Connected"},
		{name: "another version", v: client.View{State: client.Online, Version: "v2"}, dot: "connected", word: "Connected", newer: true},
		{name: "another version, and lost", v: client.View{State: client.Offline, Version: "v2", Since: ago(0)}, dot: "connecting", word: "Reconnecting", newer: true, look: time.Second},
	} {
		got := ConnectionOf(test.v, now, !test.noNet, !test.fresh, true, "v1")
		lost := got.Lost
		if test.lost != "" && strings.HasPrefix(lost, test.lost) {
			lost = test.lost
		}
		want := Connection{Dot: test.dot, Label: test.word, Lost: test.lost, Retry: test.retry, Button: test.button, Do: test.do,
			Refused: test.refused, Newer: test.newer, RefreshIn: test.look}
		if whole := got; lost != test.lost || len(whole.Lost) > 300 {
			t.Errorf("%s: it says %q, want %q", test.name, whole.Lost, test.lost)
		}
		if got.Lost = test.lost; got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", test.name, got, want)
		}
	}
}

// A browser that is full or blocks storage loses messages with the page: nothing else is
// said.
func TestConnectionWordsWithoutStorage(t *testing.T) {
	now := time.Now()
	for want, v := range map[string]client.View{
		"Connection lost. Keep this page open: this browser can't store unsent messages.":        {State: client.Offline, Since: now.Add(-time.Minute), Retry: now},
		"Your session has ended. Keep this page open: this browser can't store unsent messages.": {State: client.Ended, Code: shared.CloseSession},
		"An administrator ended your session.":                                                   {State: client.Ended, Code: shared.CloseSessionRevoked},
	} {
		if got := ConnectionOf(v, now, true, true, false, "").Lost; got != want {
			t.Errorf("banner: got %q, want %q", got, want)
		}
	}
}

func TestWouldBeLostWords(t *testing.T) {
	for n, want := range map[int]string{
		0: "", 1: "1 message has not been sent and will be lost.", 12: "12 messages have not been sent and will be lost.",
	} {
		if got := UnsentWarning(n); got != want {
			t.Errorf("UnsentWarning(%d): got %q, want %q", n, got, want)
		}
	}
}
