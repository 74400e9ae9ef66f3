//go:build !js

package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"websockets/server/servertest"
	"websockets/shared"
	"websockets/wasm/client"
)

// writer is a client that writes into a room and knows when all of it is in the
// log.
type writer struct {
	*client.Client
	t     *testing.T
	acked sync.WaitGroup
	slots chan struct{} // of the outbox
}

// startWriter connects a writer to a room. It leaves when the test ends.
func startWriter(t *testing.T, server *servertest.Process, room, name string) *writer {
	t.Helper()
	w := &writer{t: t, slots: make(chan struct{}, 500)}
	ready := make(chan struct{})
	var once sync.Once
	c, err := client.New(client.Config{
		URL: server.WS(), Room: room,
		OnAck: func(string, shared.AckPayload) {
			<-w.slots
			w.acked.Done()
		},
		OnChange: func() {
			if w.View().Room.Synced {
				once.Do(func() { close(ready) })
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Client = c
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	select {
	case <-ready:
	case <-time.After(patience):
		t.Fatalf("%s does not get into %s", name, room)
	}
	if err := c.SetName(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return w
}

// write sends a message; it waits while the outbox is full.
func (w *writer) write(text string) {
	w.slots <- struct{}{}
	w.acked.Add(1)
	if _, err := w.Send("", text); err != nil {
		w.t.Error(err)
	}
}

// fill puts n messages of several people into a room. The first is "the very
// first", the last "the very last".
func fill(t *testing.T, server *servertest.Process, room string, n int) {
	t.Helper()
	var writers []*writer
	for i := range 4 {
		writers = append(writers, startWriter(t, server, room, fmt.Sprint("Writer ", i)))
	}
	writers[0].write("the very first")
	writers[0].acked.Wait()
	for i := 1; i < n-1; i++ {
		writers[i/3%4].write(fmt.Sprintf("message %d of a long conversation about nothing in particular", i))
	}
	for _, w := range writers {
		w.acked.Wait()
	}
	writers[0].write("the very last")
	writers[0].acked.Wait()
}

// watched is run in a page before anything else: it keeps what the tests want to
// know of the page.
const watched = `
	const start = WebAssembly.instantiateStreaming;
	WebAssembly.instantiateStreaming = async (...args) => {
		const program = await start.apply(WebAssembly, args);
		window.wasmMiB = () => program.instance.exports.mem.buffer.byteLength / (1 << 20);
		return program;
	};
	window.violations = [];
	document.addEventListener("securitypolicyviolation", e => violations.push(e.violatedDirective + " " + e.blockedURI));
	window.longest = 0;
	new PerformanceObserver(list => list.getEntries().forEach(e => longest = Math.max(longest, e.duration))).observe({type: "longtask"});
	window.frames = n => new Promise(done => { const next = () => n-- > 0 ? requestAnimationFrame(next) : done(); next(); });
	window.rows = () => document.querySelectorAll("#messages > li").length;
	window.texts = () => Array.from(document.querySelectorAll("#messages .body"), e => e.textContent);
`

// openWatched opens a page as somebody new who has a name, with watched in it.
func openWatched(t *testing.T, browser context.Context, url, name string) *tab {
	t.Helper()
	b := openAs(t, browser, url)
	b.name(name)
	if _, err := chromedp.Call(b.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watched}); err != nil {
		t.Fatal(err)
	}
	b.run("reloading", chromedp.Reload())
	b.awaitConnected()
	return b
}

// evaluate returns the value of a JavaScript expression, a promise's if it is one.
func evaluate[T any](b *tab, what, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 2*patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
	return v
}

// wellBehaved fails the test if the page has violated its policy, or has thrown.
func (b *tab) wellBehaved() {
	b.t.Helper()
	for _, violation := range evaluate[[]string](b, "violations", `violations`) {
		b.t.Errorf("it has violated its policy: %s", violation)
	}
	b.calm()
}

// TestTenThousandMessages: a room of 10,000 messages is no slower to open than
// one of 100, can be read from its end to its beginning and back, and never has
// more than about 300 rows in the page.
func TestTenThousandMessages(t *testing.T) {
	const all = 10000
	server := startServer(t, "--fsync", "interval")
	browser := startBrowser(t)
	fill(t, server, "small", 100)
	fill(t, server, "large", all)
	b := openWatched(t, browser, server.URL()+"r/lobby", "Ann")

	// open goes to a room and returns how many ms it took to show its last message.
	open := func(room string) float64 {
		b.run("to the lobby", chromedp.Navigate(server.URL()+"r/lobby"))
		b.awaitConnected()
		b.await("the list of rooms", fmt.Sprintf(`document.querySelector('#room-list a[href="/r/%s"]')`, room))
		return evaluate[float64](b, "opening "+room, fmt.Sprintf(`(async () => {
			const begin = performance.now();
			document.querySelector('#room-list a[href="/r/%s"]').click();
			while (texts().at(-1) !== "the very last") await frames(1);
			return performance.now() - begin;
		})()`, room))
	}
	var small, large []float64
	for range 3 {
		small, large = append(small, open("small")), append(large, open("large"))
	}
	slices.Sort(small)
	slices.Sort(large)
	t.Logf("opening a room: of 100 messages %.0f ms, of 10,000 %.0f ms (median of 3)", small[1], large[1])
	if large[1] > 2*small[1]+100 {
		t.Errorf("opening the large room took %.0f ms, the small one %.0f", large[1], small[1])
	}

	// journey scrolls to one end as fast as frames come, and returns how many steps
	// that took, how many rows there were at most, and how far a message that stayed
	// in sight was from where it had been scrolled to.
	type journey struct{ Steps, Rows, Seen float64 }
	travel := func(to, until string) journey {
		return evaluate[journey](b, "scrolling", fmt.Sprintf(`(async () => {
			const scroll = document.getElementById("scroll"), seen = new Set(texts());
			let steps = 0, most = 0;
			while (!(%s)) {
				if (++steps > 20000) throw new Error("it does not get there: " + texts()[0] + " to " + texts().at(-1));
				scroll.scrollTop %s;
				await frames(1);
				most = Math.max(most, rows());
				texts().forEach(text => seen.add(text));
			}
			return {Steps: steps, Rows: most, Seen: seen.size};
		})()`, until, to))
	}
	before := evaluate[float64](b, "memory", `wasmMiB()`)
	begin := time.Now()
	up := travel("= Math.max(0, scroll.scrollTop - 2000)", `texts()[0] === "the very first" && scroll.scrollTop === 0`)
	upTook := time.Since(begin)
	begin = time.Now()
	down := travel("+= 2000", `texts().at(-1) === "the very last" && document.getElementById("latest").hidden`)
	t.Logf("to the first message in %v (%.0f steps), back in %v (%.0f); at most %.0f rows; the program's memory %.0f MiB before, %.0f after",
		upTook.Round(time.Millisecond), up.Steps, time.Since(begin).Round(time.Millisecond), down.Steps, max(up.Rows, down.Rows), before, evaluate[float64](b, "memory", `wasmMiB()`))
	for _, j := range []journey{up, down} {
		if j.Rows > 400 {
			t.Errorf("there were %.0f rows in the page", j.Rows)
		}
		if j.Seen != all {
			t.Errorf("on one way %.0f messages were in the page, want %d", j.Seen, all)
		}
	}
	// A second time nothing more is needed.
	level := evaluate[float64](b, "memory", `wasmMiB()`)
	travel("= 0", `texts()[0] === "the very first"`)
	b.run("to the end", chromedp.Click(chromedp.CSS("#latest")))
	b.await("the end", `texts().at(-1) === "the very last" && document.getElementById("latest").hidden`)
	if again := evaluate[float64](b, "memory", `wasmMiB()`); again > level+4 {
		t.Errorf("the program's memory grew from %.0f to %.0f MiB", level, again)
	}
	b.wellBehaved()
}
