package view

import (
	"strings"
	"testing"
	"time"

	"websockets/shared"
	"websockets/wasm/client"
)

func TestHint(t *testing.T) {
	now := noon
	online := client.View{State: client.Online}
	paused := client.View{State: client.Online, PausedUntil: now.Add(2500 * time.Millisecond), Queued: 2}
	lost := client.View{State: client.Offline, Since: now.Add(-time.Second)}
	lostLong := client.View{State: client.Connecting, Since: now.Add(-time.Minute)}
	queued := client.View{State: client.Offline, Since: now.Add(-time.Second), Queued: 3}
	long := func(n int) string { return strings.Repeat("ä", n) }
	const slow = "Sending is paused. It resumes automatically."
	for _, test := range []struct {
		v              client.View
		typed, problem string
		begun          bool
		want           Hint
	}{
		{online, "", "", true, Hint{}},
		{online, long(3275), "", true, Hint{}}, // 80 % of 4,096 is 3,276.8
		{online, long(3276), "", true, Hint{Text: "3,276 of 4,096 characters"}},
		{online, long(4096), "", true, Hint{Text: "4,096 of 4,096 characters"}},
		{online, long(4097), "", true, Hint{Text: "4,097 of 4,096 characters", Bad: true, StatusText: "The message is too long. The maximum is 4,096 characters."}},
		{online, long(5000), "No.", true, Hint{Text: "No.", Bad: true, StatusText: "No."}},
		{client.View{State: client.Online, Limits: shared.Limits{MessageLength: 10}}, "12345678", "", true, Hint{Text: "8 of 10 characters"}},
		{lost, "", "", true, Hint{}},
		{lost, "text", "", true, Hint{Text: "Will send when reconnected", StatusText: "Will send when reconnected"}},
		{lost, "text", "", false, Hint{}}, // it has not been connected yet
		{lostLong, "", "", true, Hint{Text: "Will send when reconnected", StatusText: "Will send when reconnected"}},
		{queued, "", "", true, Hint{Text: "Will send when reconnected (3 queued)", StatusText: "Will send when reconnected"}},
		{queued, "", "", false, Hint{Text: "Will send when reconnected (3 queued)", StatusText: "Will send when reconnected"}},
		{paused, "", "", true, Hint{Text: "Sending resumes in 3 s (2 queued)", Wait: "3 s", StatusText: slow}},
		{paused, long(4000), "", true, Hint{Text: "4,000 of 4,096 characters", Wait: "3 s"}},
		{client.View{State: client.Online, PausedUntil: now.Add(-1), Queued: 1}, "", "", true, Hint{}},
	} {
		if got := HintOf(test.v, test.typed, test.problem, test.begun, now); got != test.want {
			t.Errorf("%s with %d bytes typed, %d queued: got %+v, want %+v", test.v.State, len(test.typed), test.v.Queued, got, test.want)
		}
	}
}

func TestMessageOf(t *testing.T) {
	for typed, want := range map[string]string{
		"": "", " \n\t": "", "\u200b\n\u2800": "", "\n\n  indented \n more \n\n": "  indented \n more", "x": "x",
	} {
		if got := MessageOf(typed); got != want {
			t.Errorf("%q is the message got %q, want %q", typed, got, want)
		}
	}
}
