//go:build !js

package main

import (
	"fmt"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"websockets/shared"
)

// openTimeline opens a page with the functions of timeline.js.
func openTimeline(t *testing.T, name, url string) *tab {
	t.Helper()
	b := newTab(t)
	b.atStart(script("timeline.js"))
	b.open(url)
	b.name(name)
	return b
}

// maxRows is more than the page ever has: some 300, and what is on its way.
const maxRows = 400

// journey is a way through a room: see timeline.js.
type journey struct {
	There bool    `json:"there"`
	Steps int     `json:"steps"`
	Rows  int     `json:"rows"`
	Seen  int     `json:"seen"` // different messages
	Jump  float64 `json:"jump"`
	Where string  `json:"where"`
}

// travel scrolls to the room's beginning or end, some pixels a step, and fails the
// test unless each of its messages was in the page, and what was in sight stayed
// where it was.
func (b *tab) travel(way string, pixels, all int) (j journey) {
	b.t.Helper()
	b.do("setting out", `setOut()`)
	for !j.There {
		j = evaluate[journey](b, way, js("travel", pixels))
		if j.Steps > 20*all {
			b.t.Fatalf("%s: not there after %d steps", way, j.Steps)
		}
	}
	if j.Rows > maxRows {
		b.t.Errorf("%s: got %d rows in the page, want at most %d", way, j.Rows, maxRows)
	}
	if j.Jump > 2 {
		b.t.Errorf("%s: what was in sight jumped by %.1f pixels, want 2 at most, %s", way, j.Jump, j.Where)
	}
	if j.Seen != all {
		b.t.Errorf("%s: got %d messages in the page one after the other, want %d", way, j.Seen, all)
	}
	return j
}

// TestReadingALargeRoom: it can be read from its end to its beginning and back,
// nothing is left out, nothing jumps, and the page never has all of it.
func TestReadingALargeRoom(t *testing.T) {
	t.Parallel()
	const all = 1500
	server := startServer(t, "--fsync", "interval")
	fill(t, server, "large", all)
	b := openTimeline(t, "Ann", server.URL()+"r/large")
	b.awaitMessage("the very last")
	b.travel("up", -3000, all)
	b.travel("down", 3000, all)
	b.do("scrolling up once more", `byId("scroll").scrollTop = 0`)
	b.await("the way down", `!atEnd()`)
	b.click("latest")
	b.await("the end", `lastText() === "the very last" && atEnd()`)
	if mib := evaluate[float64](b, "memory", `memoryMiB()`); mib > 64 {
		t.Errorf("the program's memory: got %.0f MiB, want at most 64", mib)
	}
	b.wellBehaved()
}

// TestVisibleRowsStayWhileLoading: a page that is slow to draw does not fetch so much of what
// lies beyond that what is in sight goes.
func TestVisibleRowsStayWhileLoading(t *testing.T) {
	t.Parallel()
	server := startServer(t, "--fsync", "interval")
	fill(t, server, "large", 1500)
	b := openTimeline(t, "Ann", server.URL()+"r/large")
	b.awaitMessage("the very last")
	b.do("counting what is asked and answered", `countHistory()`)
	for _, pixels := range []int{-1500, 1500} {
		if jumped := evaluate[float64](b, "reading on, from when more is asked for without a frame", js("jumpWithoutFrames", pixels)); jumped > 2 {
			t.Errorf("by %d pixels: what was in sight jumped by %.1f pixels, want 2 at most", pixels, jumped)
		}
	}
	b.wellBehaved()
}

// TestALiveRoom: what is written is shown, all of it, in its order, and the end
// stays in sight.
func TestALiveRoom(t *testing.T) {
	t.Parallel()
	const batches, size = 12, 50
	server := startServer(t, "--fsync", "interval")
	b := openTimeline(t, "Ann", server.URL()+"r/busy")
	b.do("watching", `watchRows()`)
	bob := enter(t, server, "busy", "Bob")
	for i := range batches {
		var want []string
		for j := range size {
			want = append(want, fmt.Sprintf("line %d, see https://example.com/%d and code", i*size+j, j))
		}
		bob.say(want...)
		b.awaitMessage(want[size-1])
		got := b.messages()
		if d := difference(got[max(0, len(got)-size):], want); d != "" {
			t.Errorf("batch %d: %s", i, d)
		}
	}
	b.await("the end in sight", `endInSight()`)
	if most := evaluate[int](b, "counting rows", `most`); most > maxRows {
		t.Errorf("rows in the page: got %d, want at most %d", most, maxRows)
	}
	b.wellBehaved()
}

// TestCatchingUp: a page that was cut off while much was written shows in the end
// what a page shows that comes anew.
func TestCatchingUp(t *testing.T) {
	t.Parallel()
	server := startServer(t, "--fsync", "interval")
	middle := startMiddle(t, server)
	b := openTimeline(t, "Ann", middle.URL+"r/busy")
	b.say("before")
	b.awaitSettled()
	middle.cut()
	b.awaitDisconnected()
	want := fill(t, server, "busy", 1500)
	middle.open()
	b.do("having the network back", `dispatchEvent(new Event("online"))`)
	b.awaitMessage("the very last")
	got := b.messages()
	if len(got) < shared.JoinBacklog || len(got) > maxRows {
		t.Fatalf("messages in the page, having caught up: got %d, want %d to %d", len(got), shared.JoinBacklog, maxRows)
	}
	b.wantMessages("Ann, having caught up,", want[len(want)-len(got):])
	b.reload()
	b.awaitMessage("the very last")
	b.wantMessages("Ann, anew,", want[len(want)-shared.JoinBacklog:])
}

// TestNewMessages: one divider where the unread begin, which stays until it is
// not needed; and a screen reader hears of new messages, not of history.
func TestNewMessages(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	bob := enter(t, server, "general", "Bob")
	for i := range 120 {
		bob.write(fmt.Sprint("history ", i))
	}
	bob.settle()
	ann := openTimeline(t, "Ann", server.URL())
	ann.awaitMessage("history 119")
	ann.goTo("den")
	ann.say("alone here")
	bob.say("unread 0", "unread 1", "unread 2")
	ann.do("listening", `listen()`)
	ann.run("coming back", chromedp.NavigateBack())
	ann.awaitMessage("unread 2")
	ann.await("the divider", `dividers() === "unread 0"`)
	ann.picture("new-messages")
	ann.await("that history has passed", `!byId("scroll").hasAttribute("aria-live")`)
	bob.say("live")
	ann.awaitMessage("live")

	// Further up it loads history, and new messages are counted.
	ann.do("scrolling up", `byId("scroll").scrollTop = 0`)
	ann.awaitMessage("history 0")
	ann.await("that history has passed", `!byId("scroll").hasAttribute("aria-live")`)
	bob.say("further down")
	ann.await("the way down", `says("latest") === "↓ 1 new"`)
	if got := evaluate[string](ann, "the divider", `dividers()`); got != "unread 0" {
		t.Errorf("the divider: got it before %q, want it before \"unread 0\"", got)
	}
	ann.click("latest")
	ann.await("the end", `atEnd()`)
	ann.await("the divider still", `dividers() === "unread 0"`)
	esc := func() { ann.keys("Esc", kb.Escape) }
	esc()
	ann.await("no divider", `dividers() === ""`)
	ann.do("scrolling up", `byId("scroll").scrollTop -= 300`)
	ann.await("the way down", `!atEnd()`)
	esc()
	ann.await("the end", `atEnd()`)
	if got := evaluate[[]string](ann, "what is read aloud", `aloud`); !slices.Equal(got, []string{"live", "further down"}) {
		t.Errorf("what is read aloud: got %q, want the two that came while the room was open", got)
	}

	// Who writes has seen what is new.
	ann.run("leaving", chromedp.NavigateForward())
	ann.awaitMessage("alone here")
	bob.say("unread again")
	ann.run("coming back", chromedp.NavigateBack())
	ann.await("the divider", `dividers() === "unread again"`)
	ann.say("seen it")
	ann.await("no divider", `dividers() === ""`)

	// A page that is opened anew, with more that is unread than it begins with. For the
	// server what Ann wrote is unread until her page has told that she has seen it.
	ann.awaitSettled()
	ann.awaitMarked()
	ann.run("leaving", chromedp.NavigateForward())
	ann.awaitMessage("alone here")
	for i := range 70 {
		bob.write(fmt.Sprint("late ", i))
	}
	bob.settle()
	ann.open(server.URL())
	ann.awaitMessage("late 69")
	ann.do("scrolling up", `byId("scroll").scrollTop = 0`)
	ann.awaitMessage("seen it")
	ann.await("the divider", `dividers() === "late 0"`)
	ann.wellBehaved()
}

// awaitMarked waits until the page has told the server that the last message that
// it sent is read.
func (b *tab) awaitMarked() {
	b.t.Helper()
	acks := b.events(false, shared.Ack.Name())
	ack, err := shared.Ack.Decode(acks[len(acks)-1])
	if err != nil || ack.Seq == 0 {
		b.t.Fatalf("the last ack: got %+v, %v, want that of a message", ack, err)
	}
	b.eventually("waiting for a read mark", func() bool {
		marks := b.events(true, shared.MarkRead.Name())
		mark, err := shared.MarkRead.Decode(marks[len(marks)-1])
		return err == nil && mark.Room == ack.Room && mark.Seq >= ack.Seq
	})
}

// TestRowReuse: a row in which many messages were shown before looks like
// one that is made for its message.
func TestRowReuse(t *testing.T) {
	t.Parallel()
	const all, compared = 300, 40
	server := startServer(t, "--fsync", "interval")
	b := openTimeline(t, "Ann", server.URL()+"r/busy")
	people := []*person{enter(t, server, "busy", "Bob"), enter(t, server, "busy", "Cem")}
	texts := []string{"plain", "see https://example.com/1", "\U0001f44d", "run `go test`", "a <b> & more", "two\nlines"}
	for i := range all {
		if i%9 == 0 {
			b.do("writing", js("send", texts[i%5]))
			b.awaitSettled()
		}
		people[i%7%2].write(texts[i%len(texts)])
	}
	for _, p := range people {
		p.settle()
	}
	people[0].say("the very last")
	b.awaitMessage("the very last")
	used := evaluate[[]string](b, "the rows", js("rowsAsMade", compared))
	b.reload()
	b.awaitMessage("the very last")
	made := evaluate[[]string](b, "the rows", js("rowsAsMade", compared))
	for i := range min(len(used), len(made)) {
		if used[i] != made[i] {
			t.Fatalf("a row that was used again: got\n%s\nwant, as it is made anew,\n%s", used[i], made[i])
		}
	}
	if len(used) != compared || len(made) != compared {
		t.Errorf("rows to compare: got %d and %d, want %d", len(used), len(made), compared)
	}
	b.wellBehaved()
}
