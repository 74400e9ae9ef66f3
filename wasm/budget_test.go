//go:build !js

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"websockets/shared"
)

// What the page may weigh as it comes over the wire, in bytes. The times are
// aims and reported only: they depend on the machine.
const (
	maxWasm  = 1_300_000
	maxShell = 30_000 // the page, its style, the loader and wasm_exec.js together
)

// loads is how often the page is loaded cold, and how often warm.
const loads = 20

// figure is one line of what was measured.
type figure struct{ what, measured, aim string }

// report prints figures and adds them to the table that the test run keeps.
func report(t *testing.T, figures ...figure) {
	t.Helper()
	var table strings.Builder
	for _, f := range figures {
		fmt.Fprintf(&table, "%-44s %-28s aim %s\n", f.what, f.measured, f.aim)
	}
	t.Logf("\n%s", &table)
	dir := os.Getenv("WEBSOCKETS_ARTIFACTS")
	if dir == "" {
		return
	}
	file, err := os.OpenFile(filepath.Join(dir, "budget.txt"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(table.String()); err != nil {
		t.Fatal(err)
	}
}

var addresses = regexp.MustCompile(`/static/[a-z_]+\.[0-9a-f]{16}\.(css|js|wasm)`)

func TestBudgetOfBytes(t *testing.T) {
	server := startServer(t)
	html, shell := fetch(t, server.URL())
	found := slices.Compact(slices.Sorted(slices.Values(addresses.FindAllString(html, -1))))
	if len(found) != 4 {
		t.Fatalf("the page names %q, want style, loader, wasm_exec.js and wasm", found)
	}
	wasm := 0
	for _, address := range found {
		_, size := fetch(t, strings.TrimSuffix(server.URL(), "/")+address)
		if strings.HasSuffix(address, ".wasm") {
			wasm = size
		} else {
			shell += size
		}
	}
	report(t,
		figure{"wasm, as served", inBytes(wasm), "< " + inBytes(maxWasm)},
		figure{"page, style, loader, wasm_exec.js, as served", inBytes(shell), "< " + inBytes(maxShell)})
	if wasm >= maxWasm {
		t.Errorf("the wasm has %s, its budget is %s (a build for development compresses less: run ./build.sh)", inBytes(wasm), inBytes(maxWasm))
	}
	if shell >= maxShell {
		t.Errorf("page, style, loader and wasm_exec.js have %s, their budget is %s", inBytes(shell), inBytes(maxShell))
	}
}

// fetch gets a file as a browser does, and returns its size on the wire and, if
// it can be read as it came, the text of its plain form.
func fetch(t *testing.T, url string) (text string, size int) {
	t.Helper()
	for _, coding := range []string{"br, gzip", "identity"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept-Encoding", coding)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", url, response.Status, err)
		}
		if coding == "identity" {
			text = string(body)
		} else {
			size = len(body)
		}
	}
	return text, size
}

// inBytes writes a number as 1,234,567 B.
func inBytes(n int) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits + " B"
}

// TestWhatIsLinked: nhooyr's package brings net/http, with crypto/tls and all that.
// The rest is listed here, so that a package more is a decision.
func TestWhatIsLinked(t *testing.T) {
	library := goList(t, "-deps", "nhooyr.io/websocket")
	for _, name := range goList(t, "-deps", "./wasm") {
		ours := strings.HasPrefix(name, "websockets/")
		if !ours && !slices.Contains(library, name) && !slices.Contains([]string{"encoding", "encoding/json", "hash/fnv"}, name) {
			t.Errorf("the wasm links %s", name)
		}
	}
	// Of what nhooyr's package brings most is thrown away again by the linker, as
	// long as we do not use it.
	forbidden := regexp.MustCompile(`^(log|mime|net|net/http|regexp|text/template|html|html/template)$|^(compress|crypto|log|mime)/`)
	for _, name := range goList(t, "-f", `{{join .Imports "\n"}}`, "./wasm", "./wasm/client", "./wasm/view", "./shared") {
		if forbidden.MatchString(name) && !slices.Contains([]string{"crypto/rand", "log", "net"}, name) {
			t.Errorf("our own code imports %s", name)
		}
	}
}

// goList asks about the packages of the browser client.
func goList(t *testing.T, args ...string) []string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	command.Dir = ".."
	command.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list %s: %v", args, err)
	}
	return strings.Fields(string(out))
}

// probe notes in the page when things happen, in milliseconds since it was asked
// for, and keeps the wasm's memory at hand.
const probe = `(() => {
	const probe = window.probe = {longest: 0, blocked: 0};
	const instantiate = WebAssembly.instantiateStreaming;
	WebAssembly.instantiateStreaming = async (...args) => {
		const result = await instantiate.apply(WebAssembly, args);
		probe.compiled = performance.now();
		probe.memory = result.instance.exports.mem;
		return result;
	};
	const Socket = window.WebSocket;
	window.WebSocket = class extends Socket {
		constructor(...args) {
			super(...args);
			probe.dialled ??= performance.now();
			this.addEventListener("open", () => { probe.connected ??= performance.now(); });
		}
	};
	new MutationObserver((_, observer) => {
		if (document.body?.dataset.boot === "ready") {
			probe.ready = performance.now();
			observer.disconnect();
		}
	}).observe(document, {subtree: true, attributeFilter: ["data-boot"]});
	new PerformanceObserver((list) => {
		for (const task of list.getEntries()) {
			probe.longest = Math.max(probe.longest, task.duration);
			probe.blocked += task.duration;
		}
	}).observe({type: "longtask", buffered: true});
})()`

// timing is how far the page was when, in milliseconds since it was asked for.
type timing struct {
	Painted   float64 `json:"painted"`
	Fetched   float64 `json:"fetched"`
	Compiled  float64 `json:"compiled"`
	Dialled   float64 `json:"dialled"`
	Connected float64 `json:"connected"`
	Ready     float64 `json:"ready"`
	Memory    int     `json:"memory"` // of the wasm, in bytes
}

const readTiming = `({
	painted: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
	fetched: performance.getEntriesByType("resource").find(r => r.name.endsWith(".wasm"))?.responseEnd ?? 0,
	compiled: probe.compiled, dialled: probe.dialled, connected: probe.connected, ready: probe.ready,
	memory: probe.memory.buffer.byteLength,
})`

// openProbed opens an empty tab that will note what happens in it.
func openProbed(t *testing.T, parent context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	b := newTab(t, parent, options...)
	b.atStart(probe)
	return b
}

// load goes to the page and waits until a message could be written in it.
func (b *tab) load(url string) (at timing) {
	b.t.Helper()
	b.run("loading", chromedp.Navigate(url))
	b.await("the first room", `window.probe?.ready > 0 && performance.getEntriesByName("first-contentful-paint").length > 0`)
	at, err := chromedp.Run(b.ctx, chromedp.Evaluate[timing](readTiming))
	if err != nil {
		b.t.Fatal(err)
	}
	return at
}

func TestBudgetOfTime(t *testing.T) {
	server := startServer(t)
	browser := startBrowser(t)
	fill(t, server, shared.DefaultRoom, 60)

	// Cold: somebody who was never here. Warm: the same browser comes back.
	var cold, warm []timing
	for range loads {
		b := openProbed(t, browser, chromedp.WithNewBrowserContext())
		cold = append(cold, b.load(server.URL()))
		b.close()
	}
	b := openProbed(t, browser)
	b.load(server.URL())
	for range loads {
		warm = append(warm, b.load(server.URL()))
	}
	for _, m := range []struct {
		name  string
		loads []timing
		ready string
	}{{"cold", cold, "p95 400 ms"}, {"warm", warm, "p95 200 ms"}} {
		row := func(what, aim string, of func(timing) float64) figure {
			all := make([]float64, len(m.loads))
			for i, at := range m.loads {
				all[i] = of(at)
			}
			slices.Sort(all)
			return figure{m.name + ": " + what, fmt.Sprintf("p50 %.0f ms, p95 %.0f ms", all[len(all)/2], all[len(all)*95/100-1]), aim}
		}
		report(t,
			row("first paint", "p50 100 ms", func(at timing) float64 { return at.Painted }),
			row("wasm fetched", "-", func(at timing) float64 { return at.Fetched }),
			row("wasm compiled", "-", func(at timing) float64 { return at.Compiled }),
			row("socket dialled", "-", func(at timing) float64 { return at.Dialled }),
			row("socket connected", "-", func(at timing) float64 { return at.Connected }),
			row("interactive", m.ready, func(at timing) float64 { return at.Ready }))
	}
	report(t, figure{"wasm memory at start", mib(cold[0].Memory), "6 MiB"})
}

// TestBudgetOfMemory: 10,000 messages arrive while the page is open.
func TestBudgetOfMemory(t *testing.T) {
	const messages = 10_000
	server := startServer(t, "--fsync", "interval")
	browser := startBrowser(t)
	b := openProbed(t, browser, chromedp.WithNewBrowserContext())
	b.load(server.URL())
	from := time.Now()
	fill(t, server, shared.DefaultRoom, messages)
	b.awaitMessage("the very last")
	took := time.Since(from)

	type cost struct {
		Memory  int     `json:"memory"`
		Longest float64 `json:"longest"`
		Blocked float64 `json:"blocked"`
		Rows    int     `json:"rows"`
	}
	c, err := chromedp.Run(b.ctx, chromedp.Evaluate[cost](`({
		memory: probe.memory.buffer.byteLength, longest: probe.longest, blocked: probe.blocked,
		rows: document.querySelectorAll("#messages > li").length,
	})`))
	if err != nil {
		t.Fatal(err)
	}
	report(t,
		figure{"wasm memory after 10,000 messages", mib(c.Memory), "16 MiB"},
		figure{"10,000 messages in", took.Round(10 * time.Millisecond).String(), "-"},
		figure{"longest task meanwhile", fmt.Sprintf("%.0f ms", c.Longest), "100 ms"},
		figure{"in tasks over 50 ms, together", fmt.Sprintf("%.0f ms", c.Blocked), "-"})
	if c.Rows > 400 {
		t.Errorf("the page has %d rows, want about 300", c.Rows)
	}
	if c.Memory > 64<<20 {
		t.Errorf("the wasm's memory has %s", mib(c.Memory))
	}
}

func mib(n int) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
