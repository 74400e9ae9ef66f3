//go:build perf && !js

package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/performance"

	"websockets/server/servertest"
	"websockets/shared"
)

// openMeasured opens a page as somebody new, in a tab that tells nobody of each
// frame: that is done by the thread that is measured here.
func openMeasured(t *testing.T, server *servertest.Process, room string) *tab {
	t.Helper()
	b := newMeasured(t, newProfile(t))
	call(b, network.Disable, cdp.Empty{})
	call(b, performance.Enable, performance.EnableParams{})
	b.atStart(script("timeline.js"))
	b.open(server.URL() + "r/" + room)
	b.name("Ann")
	return b
}

// work is what the page's main thread has done, in seconds.
type work struct{ task, script, style, layout float64 }

// worked asks the browser what the page has done up to now.
func (b *tab) worked() (w work) {
	b.t.Helper()
	for _, m := range call(b, performance.GetMetrics, cdp.Empty{}).Metrics {
		switch m.Name {
		case "TaskDuration":
			w.task = m.Value
		case "ScriptDuration":
			w.script = m.Value
		case "RecalcStyleDuration":
			w.style = m.Value
		case "LayoutDuration":
			w.layout = m.Value
		}
	}
	return w
}

// maxTask is how long the page's longest task should be, in milliseconds, and
// failsTask the factor by which one is too long on any machine: a second, in which
// nobody can type.
const maxTask, failsTask = 100, 10

// reportWork reports what n messages cost that took some milliseconds to show.
func (b *tab) reportWork(what string, n int, ms float64, before work) {
	b.t.Helper()
	now := b.worked()
	row := func(part string, seconds float64) servertest.Figure {
		return servertest.Figure{Name: what + ": " + part + ", each", Got: seconds * 1e6 / float64(n), Unit: "us"}
	}
	servertest.Report(b.t,
		servertest.Figure{Name: what + ": shown", Got: float64(n) / ms * 1000, Unit: "1/s", MoreIsBetter: true},
		row("main thread", now.task-before.task), row("script", now.script-before.script),
		row("style", now.style-before.style), row("layout", now.layout-before.layout),
		servertest.Figure{Name: what + ": the main thread's share", Got: (now.task - before.task) / ms * 1e5, Unit: "%"},
		servertest.Figure{Name: what + ": longest task", Got: evaluate[float64](b, "asking for the longest task", `longestTask()`), Aim: maxTask, Unit: "ms", Fails: failsTask})
}

// reportMemory reports the program's memory. It does not depend on the machine, but by
// when the collector ran.
func (b *tab) reportMemory(when string, aim float64) {
	b.t.Helper()
	servertest.Report(b.t, servertest.Figure{Name: "page: wasm memory " + when, Got: evaluate[float64](b, "memory", `memoryMiB()`), Aim: aim, Unit: "MiB", Fails: 4})
}

func (b *tab) wantFewRows() {
	b.t.Helper()
	if got := evaluate[int](b, "counting rows", `rows()`); got > maxRows {
		b.t.Errorf("rows in the page: got %d, want at most %d", got, maxRows)
	}
}

// TestPerfTenThousandArrive: 10,000 messages arrive while the page is open.
func TestPerfTenThousandArrive(t *testing.T) {
	const messages = 10_000
	server := startServer(t, "--fsync", "interval")
	b := openMeasured(t, server, shared.DefaultRoom)
	b.do("beginning", `longest = 0`)
	before, begin := b.worked(), time.Now()
	fill(t, server, shared.DefaultRoom, messages)
	evaluate[bool](b, "the end", js("shown", "the very last"))
	b.reportWork("10,000 messages arrive", messages, servertest.Milliseconds(time.Since(begin)), before)
	b.reportMemory("after 10,000 messages", 16)
	b.wantFewRows()
}

// TestPerfCatchingUp: the page has missed 10,000 messages and gets them as fast as
// it can take them. In the end it shows what a page shows that comes anew.
func TestPerfCatchingUp(t *testing.T) {
	const missed = 10_000
	server := startServer(t, "--fsync", "interval")
	b := openMeasured(t, server, shared.DefaultRoom)
	fill(t, server, shared.DefaultRoom, 100)
	b.awaitMessage("the very last")
	b.do("cutting the connection", `cut()`)
	b.awaitDisconnected()
	want := fill(t, server, shared.DefaultRoom, missed)

	before := b.worked()
	ms := evaluate[float64](b, "catching up", `catchUp()`)
	b.reportWork("caught up with 10,000 missed", missed, ms, before)
	b.wantFewRows()
	got := b.messages()
	if len(got) < shared.JoinBacklog {
		t.Fatalf("messages in the page, having caught up: got %d, want %d at least", len(got), shared.JoinBacklog)
	}
	b.wantMessages("Ann, having caught up,", want[len(want)-len(got):])
	b.reload()
	b.awaitMessage("the very last")
	b.wantMessages("Ann, anew,", want[len(want)-shared.JoinBacklog:])
}

// TestPerfLiveRoom: what a message costs in a room where 200 are written each
// second, by a page that draws all the while.
func TestPerfLiveRoom(t *testing.T) {
	const seconds, rate = 15, 200
	server := startServer(t, "--fsync", "interval")
	b := openMeasured(t, server, shared.DefaultRoom)
	fill(t, server, shared.DefaultRoom, 400) // all rows are in use
	b.awaitMessage("the very last")
	people := []*person{enter(t, server, shared.DefaultRoom, "Bob"), enter(t, server, shared.DefaultRoom, "Cem")}
	b.do("beginning", `watchRows(); longest = 0; most = drawn = 0`)
	before, begin := b.worked(), time.Now()
	tick := time.NewTicker(time.Second / rate)
	defer tick.Stop()
	n := 0
	for ; time.Since(begin) < seconds*time.Second; n++ {
		<-tick.C
		people[n/2%2].write(fmt.Sprintf("line %d, see https://example.com/%d and `code`", n, n))
	}
	for _, p := range people {
		p.settle()
	}
	written := time.Now()
	people[0].say("the end")
	evaluate[bool](b, "the end", js("shown", "the end"))
	took := time.Since(begin)
	b.reportWork("200 messages/s", n+1, servertest.Milliseconds(took), before)
	servertest.Report(t,
		servertest.Figure{Name: "200 messages/s: frames drawn", Got: evaluate[float64](b, "counting frames", `drawn`) / took.Seconds(), Unit: "1/s", MoreIsBetter: true},
		servertest.Figure{Name: "200 messages/s: the last one shown", Got: servertest.Milliseconds(time.Since(written)), Unit: "ms"})
	b.reportMemory("after 200 messages/s", 16)
	if most := evaluate[int](b, "counting rows", `most`); most > maxRows {
		t.Errorf("rows in the page: got %d, want at most %d", most, maxRows)
	}
	b.await("the end in sight", `endInSight()`)
	b.wellBehaved()
}

// TestPerfLargeRoom: a room of 10,000 messages is no slower to open than one of
// 100, and can be read from its end to its beginning and back.
func TestPerfLargeRoom(t *testing.T) {
	const all = 10_000
	server := startServer(t, "--fsync", "interval")
	fill(t, server, "small", 100)
	fill(t, server, "large", all)
	b := openMeasured(t, server, "lobby")

	var small, large []float64
	open := func(room string) float64 {
		b.open(server.URL() + "r/lobby")
		b.await("the list of rooms", js("roomLink", room)+` !== null`)
		return evaluate[float64](b, "opening "+room, js("openRoom", room))
	}
	for range 5 {
		small, large = append(small, open("small")), append(large, open("large"))
	}
	slices.Sort(small)
	slices.Sort(large)
	servertest.Report(t,
		servertest.Figure{Name: "opening a room of 100", Got: small[2], Unit: "ms"},
		servertest.Figure{Name: "opening a room of 10,000", Got: large[2], Unit: "ms"},
		// The medians of five lie within a factor of two of each other. If the room's
		// size mattered, it would be a hundred.
		servertest.Figure{Name: "opening a room of 10,000, to one of 100", Got: large[2] / small[2], Aim: 1.5, Unit: "times", Fails: 4})

	b.reportMemory("before a journey", 16)
	for _, way := range []struct {
		name   string
		pixels int
	}{{"to the first of 10,000 messages", -3000}, {"back to the last", 3000}} {
		begin := time.Now()
		j := b.travel(way.name, way.pixels, all)
		servertest.Report(t, servertest.Figure{
			Name: fmt.Sprintf("%s, %d steps: each", way.name, j.Steps), Got: servertest.Milliseconds(time.Since(begin)) / float64(j.Steps), Unit: "ms",
		})
	}
	level := evaluate[float64](b, "memory", `memoryMiB()`)
	b.travel("to the first of 10,000 messages again", -3000, all)
	b.click("latest")
	b.await("the end", `lastText() === "the very last" && atEnd()`)
	// A second time nothing more is needed, but for what the collector has not taken
	// yet.
	servertest.Report(t, servertest.Figure{Name: "page: wasm memory after a second journey, to that before it", Got: evaluate[float64](b, "memory", `memoryMiB()`) / level, Aim: 1.1, Unit: "times", Fails: 1.5})
	b.wellBehaved()
}
