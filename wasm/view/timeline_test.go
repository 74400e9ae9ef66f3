package view

import (
	"strings"
	"testing"
	"time"

	"websockets/shared"
	"websockets/wasm/client"
)

// utc names days as a reader in Greenwich has them.
func utc(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// noon is the day of the messages of these tests, long ago.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// message is one that user wrote some minutes after noon.
func message(seq uint64, user string, minutes int) shared.Message {
	return shared.Message{Seq: seq, ID: "id" + user, Room: "ops", User: user, From: user, Message: "text",
		Sent: noon.Add(time.Duration(minutes) * time.Minute)}
}

// outline writes entries as one line each: a message as its key and what is
// special about it.
func outline(entries []Entry) string {
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(e.Key)
		if e.Follows {
			b.WriteString(" follows")
		}
		if e.State != "" {
			b.WriteString(" " + e.State)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestEntries(t *testing.T) {
	mine := message(6, "me", 8)
	mine.ID = "mine"
	v := client.View{State: client.Online, Me: client.Me{User: "me", Name: "me"}, Room: client.RoomView{
		Messages: []shared.Message{
			message(1, "ann", 0), message(2, "ann", 4), message(3, "ann", 9), message(4, "bob", 9), message(5, "bob", 9),
			mine, message(7, "ann", 24*60),
		},
		Gaps:    []shared.Truncated{{After: 4, First: 5}},
		Pending: []client.Pending{{ID: "next", Message: "text", Written: noon.Add(24 * time.Hour), State: client.Waiting}},
	}}
	want := `day 2026-03-04
#1
#2 follows
#3
#4
gap 4
#5
mine sent
day 2026-03-05
#7
next pending
`
	if got := outline(Entries(v, NamesOf(v), utc, true)); got != want {
		t.Errorf("the timeline is\n%s\nwant\n%s", got, want)
	}
}

func TestStatesInWords(t *testing.T) {
	for _, test := range []struct {
		pending client.Pending
		state   client.State
		want    string
	}{
		{client.Pending{State: client.Waiting}, client.Online, "Sending…"},
		{client.Pending{State: client.Waiting}, client.Offline, "Waiting for the connection"},
		{client.Pending{State: client.Sent}, client.Online, "Sent"},
		{client.Pending{State: client.Failed}, client.Online, "Not sent"},
		{client.Pending{State: client.Failed, Reason: "code 1009"}, client.Online, "Not sent: code 1009"},
		{client.Pending{State: client.Rejected, Reason: "too long"}, client.Online, "Not accepted: too long"},
		{client.Pending{State: client.Unsure, Reason: "it may have been sent"}, client.Online, "It may have been sent."},
	} {
		if got := stateWords(test.pending, test.state); got != test.want {
			t.Errorf("%+v is said as %q, not %q", test.pending, got, test.want)
		}
	}
}

func TestDaysAreSaidAsPeopleDo(t *testing.T) {
	now := time.Now()
	for want, day := range map[string]time.Time{"Today": now, "Yesterday": now.AddDate(0, 0, -1), "2026-03-04": noon} {
		if got := dayName(utc(day), utc); got != want {
			t.Errorf("%v is called %q, not %q", day, got, want)
		}
	}
}
