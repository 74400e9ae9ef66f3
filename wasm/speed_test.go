//go:build !js

package main

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"

	"websockets/server/servertest"
	"websockets/shared"
)

// speedProbe is run in a page before anything else. cut() ends the connection and
// lets no other come about until mend(); shown(text) is kept when that is the
// last message in the page.
const speedProbe = `(() => {
	const Socket = window.WebSocket;
	let socket, none = false;
	window.WebSocket = class extends Socket {
		constructor(url, ...rest) {
			super(none ? url.replace("/ws", "/none") : url, ...rest);
			socket = this;
		}
	};
	window.cut = () => { none = true; socket.close(4000); };
	window.mend = () => { none = false; window.dispatchEvent(new Event("online")); };
	window.shown = text => new Promise(done => {
		const look = () => document.querySelector("#messages > :last-child .body")?.textContent === text ? done() : requestAnimationFrame(look);
		look();
	});
	new PerformanceObserver(list => list.getEntries().forEach(e => longest = Math.max(longest, e.duration))).observe({type: "longtask"});
	window.longest = 0;
})()`

// work is what the page's main thread has done, in seconds.
type work struct{ task, script, style, layout float64 }

func (w work) less(v work) work {
	return work{w.task - v.task, w.script - v.script, w.style - v.style, w.layout - v.layout}
}

// each says how much that is for each of n messages.
func (w work) each(n int) string {
	us := func(s float64) float64 { return s * 1e6 / float64(n) }
	return fmt.Sprintf("%.0f us (script %.0f, style %.0f, layout %.0f)", us(w.task), us(w.script), us(w.style), us(w.layout))
}

// worked asks the browser what the page has done up to now.
func (b *tab) worked() (w work) {
	b.t.Helper()
	result, err := chromedp.Call(b.ctx, performance.GetMetrics, cdp.Empty{})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, m := range result.Metrics {
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

// openMeasured opens a page as somebody new, in a browser that tells nobody of
// each frame: that is done by the thread that is measured here.
func openMeasured(t *testing.T, browser context.Context, server *servertest.Process, room string) *tab {
	t.Helper()
	b := newTab(t, browser, chromedp.WithNewBrowserContext())
	if _, err := chromedp.Call(b.ctx, network.Disable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, performance.Enable, performance.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	b.atStart(speedProbe)
	b.run("opening", chromedp.Navigate(server.URL()+"r/"+room))
	b.awaitConnected()
	b.name("Ann")
	return b
}

// TestSpeedOfCatchingUp: the page has missed 10,000 messages and gets them as fast
// as it can take them. In the end it shows what a page shows that comes anew.
func TestSpeedOfCatchingUp(t *testing.T) {
	const missed = 10_000
	server := startServer(t, "--fsync", "interval")
	b := openMeasured(t, startBrowser(t), server, shared.DefaultRoom)
	fill(t, server, shared.DefaultRoom, 100)
	b.awaitMessage("the very last")
	evaluate[bool](b, "cutting the connection", `(cut(), true)`)
	b.await("noticing", `document.getElementById("connection").dataset.state !== "connected"`)
	fill(t, server, shared.DefaultRoom, missed)

	before := b.worked()
	ms := evaluate[float64](b, "catching up", `(async () => {
		const writer = document.querySelector("#messages > :last-child .body");
		writer.textContent = "what was the very last"; // there will be another one
		longest = 0;
		const begin = performance.now();
		mend();
		await shown("the very last");
		return performance.now() - begin;
	})()`)
	w := b.worked().less(before)
	b.reportSpeed("caught up with 10,000 missed", missed, ms, w)

	shown := b.messages()
	if len(shown) < shared.JoinBacklog || len(shown) > 400 {
		t.Fatalf("there are %d messages in the page", len(shown))
	}
	b.run("reloading", chromedp.Reload())
	b.awaitConnected()
	b.awaitMessage("the very last")
	if want := b.messages(); !slices.Equal(shown[len(shown)-shared.JoinBacklog:], want) {
		t.Errorf("having caught up it shows %q, anew %q", shown, want)
	}
}

// TestSpeedOfALiveRoom: what a message costs in a room where 200 are written each
// second.
func TestSpeedOfALiveRoom(t *testing.T) {
	const seconds, rate = 10, 200
	server := startServer(t, "--fsync", "interval")
	b := openMeasured(t, startBrowser(t), server, shared.DefaultRoom)
	fill(t, server, shared.DefaultRoom, 400) // all rows are in use
	b.awaitMessage("the very last")
	writers := []*writer{startWriter(t, server, shared.DefaultRoom, "Bob"), startWriter(t, server, shared.DefaultRoom, "Cem")}
	before := b.worked()
	evaluate[bool](b, "beginning", `(longest = 0, true)`)
	begin := time.Now()
	tick := time.NewTicker(time.Second / rate)
	defer tick.Stop()
	n := 0
	for ; time.Since(begin) < seconds*time.Second; n++ {
		<-tick.C
		writers[n/2%2].write(fmt.Sprintf("line %d of a conversation about nothing in particular", n))
	}
	for _, w := range writers {
		w.acked.Wait()
	}
	writers[0].write("the end")
	evaluate[bool](b, "the end", `shown("the end").then(() => true)`)
	took := time.Since(begin)
	b.reportSpeed(fmt.Sprintf("%d messages/s", rate), n+1, took.Seconds()*1000, b.worked().less(before))
}

func (b *tab) reportSpeed(what string, messages int, ms float64, w work) {
	b.t.Helper()
	longest := evaluate[float64](b, "asking the page", `new Promise(done => setTimeout(() => done(longest), 100))`)
	report(b.t,
		figure{what + ": shown", fmt.Sprintf("%.0f messages/s", float64(messages)/ms*1000), "-"},
		figure{what + ": main thread, each", w.each(messages), "-"},
		figure{what + ": the main thread's share", fmt.Sprintf("%.0f %%", w.task/ms*1e5), "-"},
		figure{what + ": longest task", fmt.Sprintf("%.0f ms", longest), "100 ms"})
}
