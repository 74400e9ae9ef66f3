//go:build !js

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

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

// holdFrames keeps the page's frames from it until letFrames is called.
const holdFrames = `{
	const frame = window.requestAnimationFrame.bind(window), held = [];
	window.requestAnimationFrame = draw => held.push(draw);
	window.letFrames = () => { window.requestAnimationFrame = frame; held.forEach(frame); };
}`

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

	// A journey scrolls to one end: how many steps that took, how many rows there
	// were at most, how many messages were in the page, and how far the message at
	// the upper edge jumped at most, in CSS pixels, when rows were put in or taken
	// out after a step.
	type journey struct {
		Steps, Rows, Seen, Jump float64
		Where                   string
	}
	travel := func(to, until string) journey {
		return evaluate[journey](b, "scrolling", fmt.Sprintf(`(async () => {
			const scroll = document.getElementById("scroll"), seen = new Set(texts());
			let steps = 0, most = 0, jump = 0, where = "";
			const edge = scroll.getBoundingClientRect().top;
			const top = e => e.getBoundingClientRect().top, bottom = e => e.getBoundingClientRect().bottom; // its head may go
			while (!(%s)) {
				if (++steps > 20000) throw new Error("it does not get there: " + texts()[0] + " to " + texts().at(-1));
				scroll.scrollTop %s;
				const first = Array.from(document.querySelectorAll("#messages .message")).find(e => top(e) >= edge), was = bottom(first);
				await frames(2);
				if (document.getElementById("latest").hidden === false) {
					const far = first.isConnected ? Math.abs(bottom(first) - was) : 9999;
					if (far > jump) {
						jump = far;
						where = "in step " + steps + " at " + first.querySelector(".body").textContent + ", from " + was + " to " + bottom(first);
					}
				}
				most = Math.max(most, rows());
				texts().forEach(text => seen.add(text));
			}
			return {Steps: steps, Rows: most, Seen: seen.size, Jump: jump, Where: where};
		})()`, until, to))
	}
	before := evaluate[float64](b, "memory", `wasmMiB()`)
	begin := time.Now()
	up := travel("= Math.max(0, scroll.scrollTop - 3000)", `texts()[0] === "the very first" && scroll.scrollTop === 0`)
	upTook := time.Since(begin)
	begin = time.Now()
	down := travel("+= 3000", `texts().at(-1) === "the very last" && document.getElementById("latest").hidden`)
	t.Logf("to the first message in %v (%.0f steps), back in %v (%.0f); at most %.0f rows; the program's memory %.0f MiB before, %.0f after",
		upTook.Round(time.Millisecond), up.Steps, time.Since(begin).Round(time.Millisecond), down.Steps, max(up.Rows, down.Rows), before, evaluate[float64](b, "memory", `wasmMiB()`))
	for _, j := range []journey{up, down} {
		if j.Rows > 400 {
			t.Errorf("there were %.0f rows in the page", j.Rows)
		}
		if j.Jump > 2 {
			t.Errorf("what was in sight jumped by %.1f pixels %s", j.Jump, j.Where)
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

// TestWhatIsReadStays: a page that is slow to draw does not fetch so much of what
// lies beyond that what is in sight goes.
func TestWhatIsReadStays(t *testing.T) {
	server := startServer(t, "--fsync", "interval")
	browser := startBrowser(t)
	fill(t, server, "large", 3000)
	b := openWatched(t, browser, server.URL()+"r/large", "Ann")
	b.awaitMessage("the very last")
	evaluate[float64](b, "counting what is asked and answered", `(() => {
		window.asked = window.answered = 0;
		const send = WebSocket.prototype.send;
		WebSocket.prototype.send = function(text) {
			if (text.includes('"load_history"')) {
				if (!asked++) this.addEventListener("message", e => answered += e.data.includes('"type":"history"'));
			}
			return send.call(this, text);
		};
		return 0;
	})()`)
	const scroll = `document.getElementById("scroll")`
	for _, way := range []struct{ to, until string }{
		{"-= 1500", `texts()[0] === "the very first"`},
		{"+= 1500", `texts().at(-1) === "the very last"`},
	} {
		jumped := evaluate[float64](b, "reading on, from when more is asked for without a frame", fmt.Sprintf(`(async () => {
			for (const before = asked; asked === before; await frames(1)) {
				if (%s) throw new Error("there is no more");
				%s.scrollTop %s;
			}
			const turn = () => new Promise(done => setTimeout(done));
			%s
			for (let i = 0; i < 20; i++) {
				while (asked !== answered) await turn();
				%s.dispatchEvent(new Event("scroll"));
				await turn();
			}
			const edge = %s.getBoundingClientRect().top, place = e => e.getBoundingClientRect().bottom;
			const first = Array.from(document.querySelectorAll("#messages .message")).find(e => e.getBoundingClientRect().top >= edge);
			const was = place(first), text = first.querySelector(".body").textContent;
			letFrames();
			await frames(2);
			return first.isConnected && first.querySelector(".body").textContent === text ? Math.abs(place(first) - was) : 9999;
		})()`, way.until, scroll, way.to, holdFrames, scroll, scroll))
		if jumped > 2 {
			t.Errorf("scrollTop %s: what was in sight jumped by %.1f pixels", way.to, jumped)
		}
		evaluate[float64](b, "going to the end of the way", fmt.Sprintf(`(async () => {
			while (!(%s)) { %s.scrollTop %s; await frames(2); }
			return 0;
		})()`, way.until, scroll, way.to))
	}
	b.wellBehaved()
}

// TestABusyRoom: 200 messages a second are shown as they come, by a page that
// answers all the while.
func TestABusyRoom(t *testing.T) {
	const seconds, rate = 15, 200
	server := startServer(t, "--fsync", "interval")
	browser := startBrowser(t)
	b := openWatched(t, browser, server.URL()+"r/busy", "Ann")
	writers := []*writer{startWriter(t, server, "busy", "Bob"), startWriter(t, server, "busy", "Cem")}
	evaluate[float64](b, "beginning", `(longest = 0, window.drawn = 0, window.most = 0, (function next() {
		drawn++; most = Math.max(most, rows()); requestAnimationFrame(next) })(), 0)`)

	begin := time.Now()
	tick := time.NewTicker(time.Second / rate)
	defer tick.Stop()
	n := 0
	for ; time.Since(begin) < seconds*time.Second; n++ {
		<-tick.C
		writers[n/2%2].write(fmt.Sprintf("line %d, see https://example.com/%d and `code`", n, n))
	}
	for _, w := range writers {
		w.acked.Wait()
	}
	took := time.Since(begin)
	writers[0].write("the very last")
	b.awaitMessage("the very last")
	behind := time.Since(begin) - took
	type measured struct{ Longest, Drawn, Most, MiB float64 }
	got := evaluate[measured](b, "measuring", `({Longest: longest, Drawn: drawn, Most: most, MiB: wasmMiB()})`)
	t.Logf("%.0f messages/s for %v: the longest task %.0f ms, %.0f frames/s, at most %.0f rows, the last message %v after it was written, the program's memory %.0f MiB",
		float64(n)/took.Seconds(), took.Round(time.Second), got.Longest, got.Drawn/time.Since(begin).Seconds(), got.Most, behind.Round(time.Millisecond), got.MiB)
	if got.Most > 400 {
		t.Errorf("there were %.0f rows in the page", got.Most)
	}
	b.await("the end in sight", `document.getElementById("latest").hidden &&
		document.querySelector("#messages > li:last-child").getBoundingClientRect().bottom <= document.getElementById("scroll").getBoundingClientRect().bottom`)
	b.wellBehaved()
}

// TestTextIsText: whatever people write is shown as they wrote it, and harms
// neither the page nor its neighbours.
func TestTextIsText(t *testing.T) {
	server := startServer(t)
	browser := startBrowser(t)
	const name = `<i>Eve</i> "&amp;`
	eve := startWriter(t, server, "general", name)
	nasty := []string{
		`<img src=x onerror="document.title='broken'"><script>document.title="broken"</script>`,
		`javascript:document.title="broken" and [click](javascript:alert(1)) data:text/html,<script>1</script>`,
		"\u202eright to left, not closed",
		"\u2066\u202d isolates and overrides \u2069\u2069\u2069\u202c\u202c",
		"zero\u200bwidth\u200d\ufeff\u2060 and \u00ad soft",
		"\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 mixed",
		strings.Repeat("\U0001f600", shared.MaxMessageLength),
		strings.Repeat("W", 4000),
		"Z" + strings.Repeat("\u0334\u0300\u0325\u0359", 200),
		"https://example.com/" + strings.Repeat("a", 3000),
		strings.Repeat("\n", 20) + "far down" + strings.Repeat(" ", 300) + "|",
	}
	for _, text := range nasty {
		eve.write(text)
	}
	eve.acked.Wait()
	bob := startWriter(t, server, "general", "Bob")
	kind := []string{"\U0001f44d\U0001f3fd \u2764\ufe0f", "run `go test ./...` first", "unharmed"}
	for _, text := range kind {
		bob.write(text)
	}
	bob.acked.Wait()

	b := openWatched(t, browser, server.URL(), "Ann")
	b.awaitMessage("unharmed")
	kind[1] = "run go test ./... first" // the backticks are shown by what stands in them
	if got := b.messages(); !slices.Equal(got, append(slices.Clone(nasty), kind...)) {
		t.Errorf("what is shown is %q", got)
	}
	if from := evaluate[string](b, "the name", `document.querySelector("#messages .from").textContent`); from != name {
		t.Errorf("the name is shown as %q", from)
	}
	if links := evaluate[[]string](b, "links", `Array.from(document.querySelectorAll("#messages a"), a => a.protocol)`); !slices.Equal(links, []string{"https:"}) {
		t.Errorf("the links lead to %q", links)
	}
	if title := evaluate[string](b, "the title", `document.title`); strings.Contains(title, "broken") {
		t.Errorf("the title is %q", title)
	}
	const last = `Array.from(document.querySelectorAll("#messages .message"))`
	if code := evaluate[string](b, "code", last+`.at(-2).querySelector("code").textContent`); code != "go test ./..." {
		t.Errorf("the code is %q", code)
	}
	if sizes := evaluate[[]string](b, "sizes", last+`.slice(-3, -1).map(e => getComputedStyle(e.querySelector(".body")).fontSize)`); !slices.Equal(sizes, []string{"32px", "15px"}) {
		t.Errorf("emoji alone, and text, are %s high", sizes)
	}
	if says := evaluate[bool](b, "the time", last+`.every(e => {
		const time = e.querySelector("time"), at = new Date(time.dateTime);
		return Math.abs(Date.now() - at) < 600000 && /(UTC|GMT|[A-Z]{2,4}T)/.test(time.title) && time.textContent.includes(String(at.getMinutes()).padStart(2, "0"));
	})`); !says {
		t.Errorf("a time is %s", evaluate[string](b, "a time", last+`.at(-1).querySelector("time").title`))
	}
	b.run("scrolling up", chromedp.Evaluate[chromedp.Void](`document.getElementById("scroll").scrollTop = 0`))
	b.await("the way down", `!document.getElementById("latest").hidden`)
	b.picture("hostile-text")
	for _, width := range []int64{1280, 800, 390} {
		if _, err := b.screenshot("light", width, 760); err != nil {
			t.Fatal(err)
		}
		// Nothing is wider than its place.
		for _, wide := range evaluate[[]string](b, "widths", `[document.documentElement, document.getElementById("scroll"), document.getElementById("messages")]
			.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.tagName + ": " + e.scrollWidth + " in " + e.clientWidth)`) {
			t.Errorf("at %d pixels it is too wide: %s", width, wide)
		}
		// And nothing is cut off but marks heaped on one letter, and blanks.
		for _, cut := range evaluate[[]string](b, "lines", `Array.from(document.querySelectorAll("#messages .body")).filter(body => {
			const range = document.createRange();
			range.selectNodeContents(body);
			const box = body.getBoundingClientRect();
			return !/^Z|far down/.test(body.textContent) && Array.from(range.getClientRects()).some(line => line.left < box.left - 1 || line.right > box.right + 1);
		}).map(body => body.textContent.slice(0, 30))`) {
			t.Errorf("at %d pixels it does not fit: %q", width, cut)
		}
		// The row after the unclosed overrides reads from left to right.
		if apart := evaluate[float64](b, "the last row", `(() => {
			const row = document.querySelectorAll("#messages .message:not(.follows)")[1];
			const from = row.querySelector(".from").getBoundingClientRect(), time = row.querySelector("time").getBoundingClientRect();
			return time.left - from.right;
		})()`); apart < 0 || apart > 40 {
			t.Errorf("at %d pixels the time stands %.0f pixels after the name", width, apart)
		}
	}
	b.wellBehaved()
}

// TestMessageStates: a message is one and the same row from the moment it is
// written, and says what became of it and what can be done.
func TestMessageStates(t *testing.T) {
	server := startServer(t)
	browser := startBrowser(t)
	g := startGate(t, server.Addr)
	ann := openAs(t, browser, "http://127.0.0.1:"+g.port+"/")
	ann.name("Ann")
	ann.say("first")
	ann.awaitSettled()
	g.close()
	ann.awaitDisconnected()
	ann.run("watching the rows", chromedp.Evaluate[chromedp.Void](`
		window.taken = 0;
		new MutationObserver(changes => changes.forEach(c => taken += c.removedNodes.length)).observe(document.getElementById("messages"), {childList: true})`))
	ann.say("written without a connection")
	const row = `document.querySelector("#messages .message:last-child")`
	ann.await("its state", row+`.dataset.state === "pending" && `+row+`.querySelector(".state span").textContent === "Waiting for the connection"`)
	ann.await("the clock, after 400 ms", `getComputedStyle(`+row+`.querySelector(".state")).opacity === "1" && `+row+`.querySelector(".state svg").getBoundingClientRect().width > 0`)
	ann.picture("waiting")
	ann.run("keeping the row", chromedp.Evaluate[chromedp.Void](`window.kept = `+row))
	g.open()
	ann.await("that it is sent", `kept.isConnected && kept.dataset.state === "sent" && kept.querySelector(".state span").textContent === "Sent"`)
	if taken := evaluate[float64](ann, "rows taken out", `taken`); taken != 0 {
		t.Errorf("%v rows were taken out on the way", taken)
	}

	// What an earlier page could not send, in the browser's store.
	kept := func(id, text, state, reason string) string {
		return fmt.Sprintf(`localStorage.setItem("outbox/gone/%s", JSON.stringify({v: 1, order: 1, room: "general", message: %q,
			written: "2026-01-02T03:04:05Z", user: "", state: %q, reason: %q}));`, id, text, state, reason)
	}
	ann.run("putting messages into the store", chromedp.Evaluate[chromedp.Void](
		kept("f1", "failed one", "failed", "the connection was closed with code 1009")+kept("r1", "rejected one", "rejected", "too loud")+
			kept("u1", "unsure one", "unsure", "part of the room's log is gone: this message may have been sent")+kept("u2", "unsure two", "unsure", "as well")))
	ann.run("reloading", chromedp.Reload())
	ann.awaitConnected()
	ann.awaitMessage("unsure two")
	ann.picture("undecided")
	said := func(id string) string {
		return evaluate[string](ann, "what is said", fmt.Sprintf(`Array.from(document.querySelector('[data-key="%s"] .state').children).filter(e => e.checkVisibility()).map(e => e.textContent).join(" · ")`, id))
	}
	for id, want := range map[string]string{
		"f1": "Not sent · Retry · Delete",
		"r1": "Not accepted: too loud · Edit · Delete",
		"u1": "May have been sent already · Send again · Delete",
	} {
		if got := said(id); got != want {
			t.Errorf("%s says %q, want %q", id, got, want)
		}
	}
	do := func(id, act string) {
		ann.run(act+" "+id, chromedp.Click(chromedp.CSS(fmt.Sprintf(`[data-key="%s"] [data-act="%s"]`, id, act))))
	}
	ann.run("keeping the rows", chromedp.Evaluate[chromedp.Void](`window.f1 = document.querySelector('[data-key="f1"]'); window.u1 = document.querySelector('[data-key="u1"]')`))
	do("f1", "retry")
	ann.await("that it is sent", `f1.isConnected && f1.dataset.state === "sent"`)
	do("u1", "retry")
	ann.await("that it is sent again", `u1.isConnected && u1.dataset.state === "sent"`)
	do("u2", "delete")
	ann.await("that it is gone", `!document.querySelector('[data-key="u2"]')`)
	do("r1", "edit")
	ann.await("the text in the composer", `document.getElementById("compose").value === "rejected one" && document.activeElement.id === "compose" && !document.querySelector('[data-key="r1"]')`)
	ann.awaitOutbox(0)
}

// TestNewMessages: one divider where the unread begin, which stays until it is
// not needed; and a screen reader hears of new messages, not of history.
func TestNewMessages(t *testing.T) {
	server := startServer(t)
	browser := startBrowser(t)
	bob := startWriter(t, server, "general", "Bob")
	for i := range 120 {
		bob.write(fmt.Sprint("history ", i))
	}
	bob.acked.Wait()
	ann := openWatched(t, browser, server.URL(), "Ann")
	ann.awaitMessage("history 119")
	ann.run("leaving", chromedp.SendKeys(chromedp.CSS("#go-room"), "den"+kb.Enter))
	ann.await("the den", `location.pathname === "/r/den"`)
	ann.say("alone here")
	for i := range 3 {
		bob.write(fmt.Sprint("unread ", i))
	}
	bob.acked.Wait()
	ann.run("watching", chromedp.Evaluate[chromedp.Void](`
		window.aloud = [];
		new MutationObserver(changes => changes.forEach(c => c.addedNodes.forEach(e => {
			const body = e.querySelector(".body");
			if (body && !e.closest("[aria-live=off]")) aloud.push(body.textContent);
		}))).observe(document.getElementById("messages"), {childList: true})`))
	ann.run("coming back", chromedp.NavigateBack())
	ann.awaitMessage("unread 2")
	const divider = `Array.from(document.querySelectorAll("#messages .divider"), e => e.nextElementSibling.querySelector(".body").textContent).join()`
	ann.await("the divider", divider+` === "unread 0"`)
	ann.picture("new-messages")
	ann.await("that history has passed", `!document.getElementById("scroll").hasAttribute("aria-live")`)
	bob.write("live")
	ann.awaitMessage("live")

	// Further up it loads history, and new messages are counted.
	ann.run("scrolling up", chromedp.Evaluate[chromedp.Void](`document.getElementById("scroll").scrollTop = 0`))
	ann.awaitMessage("history 0")
	ann.await("that history has passed", `!document.getElementById("scroll").hasAttribute("aria-live")`)
	bob.write("further down")
	ann.await("the way down", `document.getElementById("latest").textContent === "↓ 1 new"`)
	if got := evaluate[string](ann, "the divider", divider); got != "unread 0" {
		t.Errorf("the divider moved before %q", got)
	}
	ann.run("going down", chromedp.Click(chromedp.CSS("#latest")))
	ann.await("the end", `document.getElementById("latest").hidden`)
	ann.await("the divider still", divider+` === "unread 0"`)
	esc := func() { ann.run("Esc", chromedp.KeyEvent(kb.Escape)) }
	esc()
	ann.await("no divider", divider+` === ""`)
	ann.run("scrolling up", chromedp.Evaluate[chromedp.Void](`document.getElementById("scroll").scrollTop -= 300`))
	ann.await("the way down", `!document.getElementById("latest").hidden`)
	esc()
	ann.await("the end", `document.getElementById("latest").hidden`)
	if got := evaluate[[]string](ann, "what is read aloud", `aloud`); !slices.Equal(got, []string{"live", "further down"}) {
		t.Errorf("what is read aloud: %q", got)
	}

	// Who writes has seen what is new.
	ann.run("leaving", chromedp.NavigateForward())
	ann.awaitMessage("alone here")
	bob.write("unread again")
	bob.acked.Wait()
	ann.run("coming back", chromedp.NavigateBack())
	ann.await("the divider", divider+` === "unread again"`)
	ann.say("seen it")
	ann.await("no divider", divider+` === ""`)

	// A page that is opened anew, with more that is unread than it begins with.
	ann.awaitSettled()
	ann.run("leaving", chromedp.NavigateForward())
	ann.awaitMessage("alone here")
	for i := range 70 {
		bob.write(fmt.Sprint("late ", i))
	}
	bob.acked.Wait()
	ann.run("opening the room", chromedp.Navigate(server.URL()))
	ann.awaitConnected()
	ann.awaitMessage("late 69")
	ann.run("scrolling up", chromedp.Evaluate[chromedp.Void](`document.getElementById("scroll").scrollTop = 0`))
	ann.awaitMessage("seen it")
	ann.await("the divider", divider+` === "late 0"`)
	ann.wellBehaved()
}

// TestTheLogIsReplaced: the page says that what it showed is gone.
func TestTheLogIsReplaced(t *testing.T) {
	server := startServer(t)
	browser := startBrowser(t)
	ann := openAs(t, browser, server.URL())
	ann.name("Ann")
	ann.say("in the first log")
	ann.awaitSettled()
	server.Kill()
	streams, err := filepath.Glob(filepath.Join(server.Dir, "jetstream", "*", "streams", "*"))
	if err != nil || len(streams) < 3 {
		t.Fatalf("the log's files are %q, %v", streams, err)
	}
	for _, stream := range streams {
		if !strings.HasPrefix(filepath.Base(stream), "KV_") { // who Ann is stays
			if err := os.RemoveAll(stream); err != nil {
				t.Fatal(err)
			}
		}
	}
	server.Start()
	ann.await("the note", `document.querySelector("#messages .note")?.textContent === "The room's log was replaced; what was shown before is gone."`)
	ann.say("in the second log")
	if got := ann.messages(); !slices.Equal(got, []string{"in the second log"}) {
		t.Errorf("it shows %q", got)
	}
}

// TestRowsAreUsedAgain: a row in which many messages were shown before looks like
// one that is made for its message.
func TestRowsAreUsedAgain(t *testing.T) {
	const all, compared = 400, 40
	server := startServer(t, "--fsync", "interval")
	b := openWatched(t, startBrowser(t), server.URL()+"r/busy", "Ann")
	writers := []*writer{startWriter(t, server, "busy", "Bob"), startWriter(t, server, "busy", "Cem")}
	texts := []string{"plain", "see https://example.com/1", "\U0001f44d", "run `go test`", "a <b> & more", "two\nlines"}
	for i := range all {
		if i%9 == 0 {
			b.run("writing", chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`sendEvent("send_message", {message: %q})`, texts[i%5])))
			b.awaitSettled()
		}
		writers[i%7%2].write(texts[i%len(texts)])
	}
	for _, w := range writers {
		w.acked.Wait()
	}
	writers[0].write("the very last")
	b.awaitMessage("the very last")
	rows := fmt.Sprintf(`Array.from(document.querySelectorAll("#messages > .message"), e => [e.className, e.dataset.key, e.dataset.state ?? "none", e.style.cssText, ...Array.from(e.children, c => new XMLSerializer().serializeToString(c))].join("\n")).slice(-%d)`, compared)
	used := evaluate[[]string](b, "the rows", rows)
	b.run("reloading", chromedp.Reload())
	b.awaitConnected()
	b.awaitMessage("the very last")
	made := evaluate[[]string](b, "the rows", rows)
	for i := range min(len(used), len(made)) {
		if used[i] != made[i] {
			t.Fatalf("a row is\n%s\nand when it is made anew\n%s", used[i], made[i])
		}
	}
	if len(used) != compared || len(made) != compared {
		t.Errorf("there are %d and %d rows", len(used), len(made))
	}
	b.wellBehaved()
}
