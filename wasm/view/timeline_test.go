package view

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"websockets/shared"
	"websockets/wasm/client"
)

// utc names times as a reader in Greenwich has them.
var utc = Clock{
	Day:    func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
	Moment: func(t time.Time) string { return t.UTC().Format("Jan 2 15:04") },
}

// noon is the day of the messages of these tests, long ago.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// message is one that user wrote some minutes after noon.
func message(seq uint64, user string, minutes int) shared.Message {
	return shared.Message{Seq: seq, ID: "id" + strconv.FormatUint(seq, 10), Room: "ops", User: user, From: user, Message: "text",
		Sent: noon.Add(time.Duration(minutes) * time.Minute)}
}

// room is a View of a room at its tail, as client.View makes it. Messages are
// those of others with sequences from first to last.
func room(first, last uint64) client.View {
	v := client.View{State: client.Online, Me: client.Me{User: "me", Name: "me"}, Current: "ops"}
	v.Room = client.RoomView{Name: "ops", Epoch: "e", Synced: true, ReadSeq: last, ReadKnown: true}
	for seq := first; seq <= last; seq++ {
		v.Room.Messages = append(v.Room.Messages, message(seq, "ann", 0))
	}
	v.Room.Latest = v.Room.Messages
	return v
}

// show shows a View and returns its rows.
func (t *Timeline) show(v client.View) []Entry { return t.Show(v, NamesOf(v), utc, false) }

// outline writes rows as one line each: a key and what is special about it.
func outline(rows []Entry) string {
	var b strings.Builder
	for _, e := range rows {
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

// seqs returns the first and the last message of rows.
func seqs(rows []Entry) (first, last uint64) {
	for _, e := range rows {
		if e.Seq != 0 {
			if first == 0 {
				first = e.Seq
			}
			last = e.Seq
		}
	}
	return first, last
}

// rowOf returns the index of a row, -1 if there is none.
func rowOf(rows []Entry, key string) int {
	return slices.IndexFunc(rows, func(e Entry) bool { return e.Key == key })
}

func TestRowsOfARoom(t *testing.T) {
	mine := message(6, "me", 8)
	mine.ID = "mine"
	v := client.View{State: client.Online, Me: client.Me{User: "me", Name: "me"}, Room: client.RoomView{
		Name: "ops", Epoch: "e", ReadSeq: 7, WasReset: true,
		Messages: []shared.Message{
			message(1, "ann", 0), message(2, "ann", 4), message(3, "ann", 9), message(4, "bob", 9), message(5, "bob", 9),
			mine, message(7, "ann", 24*60), message(8, "ann", 0), // by a clock that went back
			message(9, "bob", 24*60),
		},
		Gaps:     []shared.Truncated{{After: 4, First: 5}, {After: 9, First: 20}},
		Outgoing: []client.OutgoingMessage{{ID: "next", Text: "text", Written: noon.Add(24 * time.Hour), State: client.Pending}},
	}}
	v.Room.Latest = v.Room.Messages
	var timeline Timeline
	rows := timeline.show(v)
	want := `started over
day 2026-03-04
#1
#2 follows
#3
#4
gap 4
#5
mine sent
day 2026-03-05
#7
#8
#9
gap 9
next pending
`
	if got := outline(rows); got != want {
		t.Errorf("the timeline is\n%s\nwant\n%s", got, want)
	}
	for key, want := range map[string]string{
		"started over": "This room's history was replaced. Earlier messages are gone.",
		"gap 4":        "Some messages are gone · from Mar 4 12:09 to Mar 4 12:09",
		"gap 9":        "Some messages are gone · from Mar 5 12:00 on",
	} {
		if i := rowOf(rows, key); rows[i].Text != want || rows[i].Kind != Note {
			t.Errorf("%s: got %q, want %q", key, rows[i].Text, want)
		}
	}
}

func TestStatesInWords(t *testing.T) {
	for _, test := range []struct {
		outgoing            client.OutgoingMessage
		state               client.State
		word, reason, retry string
	}{
		{client.OutgoingMessage{State: client.Pending}, client.Online, "Sending…", "", ""},
		{client.OutgoingMessage{State: client.Pending}, client.Offline, "Waiting for the connection", "", ""},
		{client.OutgoingMessage{State: client.Sent}, client.Online, "Sent", "", ""},
		{client.OutgoingMessage{State: client.Failed}, client.Online, "Not sent", "", "Retry"},
		{client.OutgoingMessage{State: client.Failed, Reason: "closed with code 1009"}, client.Online, "Not sent", "Closed with code 1009.", "Retry"},
		{client.OutgoingMessage{State: client.Rejected, Reason: "too long"}, client.Online, "Not accepted: too long", "", ""},
		{client.OutgoingMessage{State: client.Uncertain, Reason: "it may be"}, client.Online, "May have been sent already", "It may be.", "Send again"},
	} {
		e := outgoingEntry(client.View{State: test.state}, Names{}, test.outgoing)
		if e.StateLabel != test.word || e.Reason != test.reason || e.Retry != test.retry || e.State != string(test.outgoing.State) {
			t.Errorf("%+v: got %q, %q, %q, want %q, %q, %q", test.outgoing, e.StateLabel, e.Reason, e.Retry, test.word, test.reason, test.retry)
		}
	}
}

func TestDaysAreSaidAsPeopleDo(t *testing.T) {
	now := time.Date(2026, 7, 8, 9, 10, 11, 0, time.UTC)
	for want, day := range map[string]time.Time{"Today": now, "Yesterday": now.AddDate(0, 0, -1), "2026-03-04": noon} {
		if got := utc.dayName(utc.Day(day), now); got != want {
			t.Errorf("%v: got %q, want %q", day, got, want)
		}
	}
}

// berlin names days as a browser in Berlin does. In 2026 summer begins on March 29, a day
// of 23 hours, and ends on October 25, a day of 25. Go in a browser does not know that.
var berlin = Clock{Day: func(t time.Time) string {
	offset := time.Hour
	summer, winter := time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC), time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC)
	if !t.Before(summer) && t.Before(winter) {
		offset = 2 * time.Hour
	}
	return t.UTC().Add(offset).Format(time.DateOnly)
}}

// TestYesterdayOnLongAndShortDays asks at each quarter of an hour around such days.
func TestYesterdayOnLongAndShortDays(t *testing.T) {
	for _, month := range []time.Time{time.Date(2026, 3, 27, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 23, 0, 0, 0, 0, time.UTC)} {
		for now := month; now.Before(month.AddDate(0, 0, 5)); now = now.Add(15 * time.Minute) {
			today, err := time.Parse(time.DateOnly, berlin.Day(now))
			if err != nil {
				t.Fatal(err)
			}
			for back, want := range []string{"Today", "Yesterday", today.AddDate(0, 0, -2).Format(time.DateOnly)} {
				day := today.AddDate(0, 0, -back).Format(time.DateOnly)
				if got := berlin.dayName(day, now); got != want {
					t.Errorf("%s at %s: got %q, want %q", day, now.Format(time.RFC3339), got, want)
				}
			}
		}
	}
}

func TestTheEndHasTheLastRows(t *testing.T) {
	var timeline Timeline
	v := room(1, 500)
	if first, last := seqs(timeline.show(v)); first != 351 || last != 500 {
		t.Errorf("page: got %d to %d, want 351 to 500", first, last)
	}
	// A row looks the same whichever others are in the page.
	if e := timeline.rows[0]; e.Kind != Message || !e.Follows {
		t.Errorf("first row: got %+v, want a message that follows", e)
	}
	if timeline.LatestButton(v) != "" || timeline.OlderButton(v.Room) {
		t.Error("buttons at the end: got one to it or to older messages, want none")
	}
	v = room(1, 600)
	if first, last := seqs(timeline.show(v)); first != 451 || last != 600 {
		t.Errorf("page: got %d to %d, want 451 to 600", first, last)
	}
	// In sight is a part of it, near the end.
	if moved, load := timeline.UpdateWindow(v.Room, 100, 149); moved || load != NoLoad {
		t.Errorf("Look at the end: got %v, %v, want false, %v", moved, load, NoLoad)
	}
}

func TestTheWayDownTellsWhatIsNew(t *testing.T) {
	var timeline Timeline
	v := room(1, 100)
	timeline.show(v)
	if !timeline.Scrolled(false) || timeline.Scrolled(false) {
		t.Error("Scrolled(false) twice: want true, then false")
	}
	if got := timeline.LatestButton(v); got != "↓ Latest" {
		t.Errorf("button: got %q, want ↓ Latest", got)
	}
	v = room(1, 103)
	v.Room.Latest[101].User = "me" // from another device
	timeline.show(v)
	if got := timeline.LatestButton(v); got != "↓ 2 new" {
		t.Errorf("button: got %q, want ↓ 2 new", got)
	}
	v = room(1, 300)
	timeline.show(v)
	if got := timeline.LatestButton(v); got != "↓ 99+ new" {
		t.Errorf("button: got %q, want ↓ 99+ new", got)
	}
	if !timeline.Scrolled(true) {
		t.Error("Scrolled(true): got false, want true")
	}
	timeline.show(v)
	if got := timeline.LatestButton(v); got != "" {
		t.Errorf("button: got %q, want none", got)
	}
	// The end of what is in the page is not the room's: what is pending comes after
	// that.
	timeline.Scrolled(false)
	v.Room.Newer = true
	v.Room.Outgoing = []client.OutgoingMessage{{ID: "mine", State: client.Failed}}
	if rowOf(timeline.show(v), "mine") >= 0 {
		t.Error("a pending message with newer ones to load: got it shown, want it left out")
	}
	if timeline.Scrolled(true); timeline.AtEnd {
		t.Error("at the end of a part of the room: got AtEnd, want false")
	}
}

func TestReadIsWhatIsSeenAtTheEnd(t *testing.T) {
	var timeline Timeline
	v := room(1, 10)
	v.Room.ReadSeq = 5
	timeline.show(v)
	if got := timeline.Read(v.Room, false); got != 10 {
		t.Errorf("read: got %d, want 10", got)
	}
	if got := timeline.Read(v.Room, true); got != 0 {
		t.Errorf("read with the page hidden: got %d, want 0", got)
	}
	v.Room.Synced = false
	if got := timeline.Read(v.Room, false); got != 0 {
		t.Errorf("read while messages are missing: got %d, want 0", got)
	}
	v.Room.Synced, timeline.AtEnd = true, false
	if got := timeline.Read(v.Room, false); got != 0 {
		t.Errorf("read further up: got %d, want 0", got)
	}
	timeline.AtEnd, v.Room.ReadSeq = true, 10
	if got := timeline.Read(v.Room, false); got != 0 {
		t.Errorf("read again: got %d, want 0", got)
	}
}

// wantDivider checks before which row the divider stands; empty is nowhere.
func wantDivider(t *testing.T, rows []Entry, before string) {
	t.Helper()
	got := ""
	if i := rowOf(rows, "new"); i >= 0 {
		got = rows[i+1].Key
	}
	if got != before {
		t.Errorf("the divider is before %q, want %q", got, before)
	}
}

func TestTheDivider(t *testing.T) {
	var timeline Timeline
	v := room(1, 10)
	v.Room.ReadSeq, v.Room.Synced = 6, false
	wantDivider(t, timeline.show(v), "")
	v.Room.Synced = true
	v.Room.Messages[6].User = "me" // ours is not new
	rows := timeline.show(v)
	wantDivider(t, rows, "#8")
	if rows[rowOf(rows, "#8")].Follows {
		t.Error("the row after the divider: got one without a head, want one with it")
	}

	if timeline.hasDivider, timeline.dividerPending, v.Room.ReadKnown = false, true, false; timeline.show(v) == nil || timeline.hasDivider {
		t.Error("divider with the read mark unknown: got one, want none")
	}
	v.Room.ReadKnown = true
	wantDivider(t, timeline.show(v), "#8")

	// Reading and new messages leave it where it is.
	v = room(1, 12)
	v.Room.Messages[6].User = "me"
	wantDivider(t, timeline.show(v), "#8")
	timeline.Scrolled(false)
	v = room(1, 15)
	v.Room.ReadSeq = 12
	wantDivider(t, timeline.show(v), "#7")
	if !timeline.Dismiss(v.Room) {
		t.Error("Dismiss: got false, want true")
	}
	wantDivider(t, timeline.show(v), "")

	// Dismissed, what was there is not new again; what comes while away is.
	v = room(1, 17)
	v.Room.ReadSeq = 12
	wantDivider(t, timeline.show(v), "#16")

	// Out of sight it goes where the next unread message is.
	timeline.AtEnd = true
	v = room(1, 17)
	wantDivider(t, timeline.Show(v, Names{}, utc, true), "#16")
	v = room(1, 20)
	v.Room.ReadSeq = 17
	wantDivider(t, timeline.Show(v, Names{}, utc, true), "#18")
	v = room(1, 22)
	v.Room.ReadSeq = 17
	wantDivider(t, timeline.Show(v, Names{}, utc, true), "#18")
	wantDivider(t, timeline.show(v), "#18")
	v = room(1, 25)
	v.Room.ReadSeq = 22
	wantDivider(t, timeline.show(v), "#18")

	// Who writes has seen it.
	timeline.Sent(v.Room)
	wantDivider(t, timeline.show(v), "")
	v = room(1, 26)
	v.Room.ReadSeq = 25
	wantDivider(t, timeline.show(v), "")

	// Another room, another divider.
	v = room(1, 30)
	v.Room.Name, v.Room.ReadSeq = "other", 0
	wantDivider(t, timeline.show(v), "#1")
	v.Room.Name = "third"
	v.Room.ReadSeq = 30
	wantDivider(t, timeline.show(v), "")
	// Another log: its sequences say nothing about the one before.
	v.Room.Epoch, v.Room.ReadSeq = "e2", 0
	wantDivider(t, timeline.show(v), "")
}

// What is unread may begin further up than the View reaches.
func TestTheDividerIsFurtherUp(t *testing.T) {
	var timeline Timeline
	v := room(100, 150)
	v.Room.ReadSeq, v.Room.More = 90, true
	wantDivider(t, timeline.show(v), "")
	timeline.Scrolled(false)
	v = room(50, 150)
	v.Room.ReadSeq, v.Room.More = 90, true
	wantDivider(t, timeline.show(v), "#91")
	// The view knows the first unread message and none before it.
	v = room(91, 150)
	v.Room.ReadSeq, v.Room.More = 90, true
	wantDivider(t, timeline.show(v), "#91")
}

// The server has told how many are unread, more than the View had then.
func TestTheDividerIsCountedBackTo(t *testing.T) {
	for above, want := range map[int]string{30: "#70", 99: "#1", 120: "#1", -1: ""} {
		var timeline Timeline
		v := room(101, 150)
		v.Room.ReadSeq, v.Room.UnreadAbove, v.Room.More = 100, above, true
		wantDivider(t, timeline.show(v), "")
		timeline.Scrolled(false)
		v = room(1, 150)
		v.Room.Messages[80].User = "me" // ours are not counted
		v.Room.ReadSeq = 150            // by now
		wantDivider(t, timeline.show(v), want)
		v = room(1, 160)
		wantDivider(t, timeline.show(v), want)
	}
}

func TestEsc(t *testing.T) {
	var timeline Timeline
	v := room(1, 10)
	v.Room.ReadSeq = 8
	timeline.show(v)
	timeline.Scrolled(false)
	if !timeline.Dismiss(v.Room) || timeline.AtEnd {
		t.Error("the first Dismiss: want it to remove the divider alone")
	}
	if !timeline.Dismiss(v.Room) || !timeline.AtEnd {
		t.Error("the second Dismiss: want it to go to the end")
	}
	if timeline.Dismiss(v.Room) {
		t.Error("the third Dismiss: got true, want false")
	}
}

// TestScrollingThroughARoom is a reader who scrolls up and down in a room of
// 3,000, with steps at random, of which the View is a window as client's: what he
// has in sight stays in the page, with more beyond it, and there are no more than
// maxRows at all.
func TestScrollingThroughARoom(t *testing.T) {
	const all, window, page, inSight = 3000, 600, 200, 25
	for seed := range uint64(5) {
		random := rand.New(rand.NewPCG(seed, 5))
		var timeline Timeline
		v := room(all-499, all)
		v.Room.More = true
		rows := timeline.show(v)
		timeline.Scrolled(false)
		sight, direction := all-30, -1 // the first message in sight, and where he goes
		var i, j int
		look := func() (bool, Load) {
			i, j = rowOf(rows, "#"+strconv.Itoa(sight)), rowOf(rows, "#"+strconv.Itoa(sight+inSight-1))
			if i < 0 || j < 0 {
				first, last := seqs(rows)
				t.Fatalf("seed %d: page: got %d to %d, want %d to %d in it", seed, first, last, sight, sight+inSight-1)
			}
			return timeline.UpdateWindow(v.Room, i, j)
		}
		turned := false
		for steps := 0; !turned || sight < all-inSight+1; steps++ {
			if steps > 500 {
				t.Fatalf("seed %d: after 500 steps at %d, want the end", seed, sight)
			}
			step := direction * random.IntN(60)
			if random.IntN(5) == 0 {
				step = -step
			}
			first, last := seqs(rows) // nobody scrolls beyond what is in the page
			sight = max(int(first), min(int(last)-inSight+1, sight+step))
			if sight == 1 {
				turned, direction = true, 1
			}
			if _, load := look(); load != NoLoad {
				first, last := int(v.Room.Messages[0].Seq), int(v.Room.Messages[len(v.Room.Messages)-1].Seq)
				if load == Older {
					first = max(1, first-page)
					last = min(last, first+window-1)
				} else {
					last = min(all, last+page)
					first = max(first, last-window+1)
				}
				v = room(uint64(first), uint64(last))
				v.Room.More, v.Room.Newer = first > 1, last < all
			}
			rows = timeline.show(v)
			if moved, _ := look(); moved {
				rows = timeline.show(v)
			}
			if moved, load := look(); moved || load != NoLoad && i >= margin && j < len(rows)-margin {
				t.Fatalf("seed %d: at %d of %d to %d: got %v again, want it to rest", seed, sight, v.Room.Messages[0].Seq, v.Room.Messages[len(v.Room.Messages)-1].Seq, load)
			}
			if first, last := seqs(rows); last-first >= maxRows {
				t.Fatalf("seed %d: page: got %d to %d, want fewer than %d", seed, first, last, maxRows)
			}
		}
	}
}
