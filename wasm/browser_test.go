//go:build !js

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"websockets/server/servertest"
	"websockets/shared"
)

// patience is how long the page may take for anything: a safety net.
const patience = 30 * time.Second

// tab is one page, with what the DevTools protocol tells of it.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	frames   []frame
	troubles []string // exceptions and errors in the console
}

type frame struct {
	sent bool
	text string
	at   time.Time // when the test heard of it
}

// startBrowser starts Chromium, or says why it cannot.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("NOT RUN: there is no Chromium to run the page in; install chromium")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // as root, in a container, there is none
		chromedp.WindowSize(1280, 800),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting %s: %v", path, err)
	}
	return ctx
}

// startServer runs a server that has the page inside.
func startServer(t *testing.T, flags ...string) *servertest.Process {
	t.Helper()
	if built, _ := filepath.Glob("../static/dist/*.wasm"); len(built) == 0 {
		t.Skip("NOT RUN: the browser client is not built; run ./build.sh")
	}
	return servertest.Start(t, append([]string{"--rate", "0"}, flags...)...)
}

// openAs opens a page as somebody new: in a browser profile of its own.
func openAs(t *testing.T, browser context.Context, url string) *tab {
	t.Helper()
	return openTab(t, browser, url, chromedp.WithNewBrowserContext())
}

func openTab(t *testing.T, parent context.Context, url string, options ...chromedp.ContextOption) *tab {
	t.Helper()
	b := newTab(t, parent, options...)
	b.run("opening "+url, chromedp.Navigate(url))
	b.awaitConnected()
	return b
}

// newTab is an empty tab, for a test that has to prepare it before the page is
// there.
func newTab(t *testing.T, parent context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, options...)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	return b
}

// atStart runs a script before anything of the pages that this tab will open.
func (b *tab) atStart(script string) {
	b.t.Helper()
	params := page.AddScriptToEvaluateOnNewDocumentParams{Source: script}
	if _, err := chromedp.Call(b.ctx, page.AddScriptToEvaluateOnNewDocument, params); err != nil {
		b.t.Fatal(err)
	}
}

// openSecondDevice opens a page in another browser profile as the same person:
// the session is all that they share.
func openSecondDevice(t *testing.T, browser context.Context, first *tab, url string) *tab {
	t.Helper()
	has, err := chromedp.Call(first.ctx, network.GetCookies, network.GetCookiesParams{})
	if err != nil || len(has.Cookies) != 1 {
		t.Fatalf("the session of the first device: %+v, %v", has, err)
	}
	b := newTab(t, browser, chromedp.WithNewBrowserContext())
	cookie := network.SetCookieParams{Name: has.Cookies[0].Name, Value: has.Cookies[0].Value, URL: url}
	if _, err := chromedp.Call(b.ctx, network.SetCookie, cookie); err != nil {
		t.Fatal(err)
	}
	b.run("opening "+url, chromedp.Navigate(url))
	b.awaitConnected()
	return b
}

func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventWebSocketFrameSent:
		b.frames = append(b.frames, frame{true, string(e.Response.PayloadData), time.Now()})
	case *network.EventWebSocketFrameReceived:
		b.frames = append(b.frames, frame{false, string(e.Response.PayloadData), time.Now()})
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		b.troubles = append(b.troubles, text)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			b.troubles = append(b.troubles, e.Entry.Text)
		}
	}
}

func (b *tab) run(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		page, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
		b.t.Fatalf("%s: %v\nthe page says:\n%s\nits console:\n%s", what, err, page, strings.Join(b.trouble(), "\n"))
	}
}

// await waits until a JavaScript expression is true.
func (b *tab) await(what, condition string) {
	b.t.Helper()
	b.run("waiting for "+what, chromedp.Poll[chromedp.Void](condition, chromedp.WithPollingInterval(20*time.Millisecond)))
}

func (b *tab) awaitConnected() {
	b.t.Helper()
	b.await("the connection", `document.getElementById("connection")?.dataset.state === "connected" &&
		document.body.dataset.boot === "ready"`)
}

// name answers the question of the first visit.
func (b *tab) name(name string) {
	b.t.Helper()
	b.await("the question for a name", `document.getElementById("name-dialog").open`)
	b.run("giving a name", chromedp.SendKeys(chromedp.CSS("#name"), name+kb.Enter))
	b.await("the name", fmt.Sprintf(`!document.getElementById("name-dialog").open &&
		document.querySelector("#me .name").textContent === %q`, name))
}

// say types a message and sends it with Enter, and waits until it is shown,
// acked or not.
func (b *tab) say(text string) {
	b.t.Helper()
	b.run("saying "+text, chromedp.SendKeys(chromedp.CSS("#compose"), text+kb.Enter))
	b.awaitMessage(text)
}

const bodies = `Array.from(document.querySelectorAll("#messages li.message .body"), e => e.textContent)`

// messages returns what the timeline shows.
func (b *tab) messages() []string {
	b.t.Helper()
	texts, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](bodies))
	if err != nil {
		b.t.Fatalf("reading the timeline: %v", err)
	}
	return texts
}

func (b *tab) awaitMessage(text string) {
	b.t.Helper()
	b.await(text, fmt.Sprintf(`%s.includes(%q)`, bodies, text))
}

// awaitSettled waits until no message of this tab is on its way any more.
func (b *tab) awaitSettled() {
	b.t.Helper()
	b.await("the acks", `!document.querySelector('#messages li.message[data-state="pending"]')`)
}

// events returns the frames of one type, each of which must be one JSON event
// that a person can read.
func (b *tab) events(sent bool, eventType string) (found []shared.Event) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.frames {
		event, err := shared.DecodeEvent([]byte(f.text))
		if err != nil {
			b.t.Errorf("a frame is not one event: %v\n%s", err, f.text)
		}
		if f.sent == sent && event.Type == eventType {
			found = append(found, event)
		}
	}
	return found
}

func (b *tab) trouble() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.troubles)
}

// expected takes out of the trouble what a test has brought about on purpose, as
// the browser's word that a server which was killed cannot be reached.
func (b *tab) expected(part string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.troubles = slices.DeleteFunc(b.troubles, func(trouble string) bool { return strings.Contains(trouble, part) })
}

// calm fails the test if the page has thrown or logged an error.
func (b *tab) calm() {
	b.t.Helper()
	for _, trouble := range b.trouble() {
		b.t.Errorf("in the console: %s", trouble)
	}
}

// looks are the sizes and colour schemes that pictures are taken in.
var looks = []struct {
	name, scheme  string
	width, height int64
}{
	{"light-1280", "light", 1280, 800},
	{"dark-1280", "dark", 1280, 800},
	{"light-390", "light", 390, 760},
	{"dark-800", "dark", 800, 700},
}

// picture leaves screenshots where the test run collects them.
func (b *tab) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("WEBSOCKETS_ARTIFACTS")
	if dir == "" {
		return
	}
	for _, look := range looks {
		png, err := b.screenshot(look.scheme, look.width, look.height)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+"-"+look.name+".png"), png, 0o644)
		}
		if err != nil {
			b.t.Errorf("a picture of %s, %s: %v", name, look.name, err)
		}
	}
	if _, err := chromedp.Call(b.ctx, emulation.ClearDeviceMetricsOverride, cdp.Empty{}); err != nil {
		b.t.Error(err)
	}
}

func (b *tab) screenshot(scheme string, width, height int64) ([]byte, error) {
	if err := b.dress(scheme, width, height); err != nil {
		return nil, err
	}
	return chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
}

// dress gives the page a colour scheme and a size, in CSS pixels.
func (b *tab) dress(scheme string, width, height int64) error {
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err != nil {
		return err
	}
	_, err = chromedp.Call(b.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1,
	})
	if err != nil {
		return err
	}
	// A picture of colours that are still changing shows what nobody sees.
	settled := chromedp.Evaluate[chromedp.Void](`Promise.allSettled(document.getAnimations().map(a => a.finished))`, chromedp.EvalAwaitPromise)
	return chromedp.Do(b.ctx, settled)
}

func TestTwoPeopleChat(t *testing.T) {
	server := startServer(t)
	browser := startBrowser(t)
	ann := openAs(t, browser, server.URL())
	ann.picture("first-visit")
	ann.name("Ann")
	bob := openAs(t, browser, server.URL())
	bob.name("Bob")

	ann.say("hello Bob")
	bob.awaitMessage("hello Bob")
	bob.say("hello Ann")
	ann.awaitMessage("hello Ann")
	ann.awaitSettled()

	// Markup is text.
	const markup = `<img src=x onerror="document.title='broken'"> <b>bold</b>`
	bob.say(markup)
	ann.awaitMessage(markup)

	// From the browser's console.
	ann.run("sendEvent", chromedp.Evaluate[chromedp.Void](`sendEvent("send_message", {message: "from the console"})`))
	bob.awaitMessage("from the console")
	ann.awaitSettled()
	bob.picture("two-people")

	want := []string{"hello Bob", "hello Ann", markup, "from the console"}
	for who, b := range map[string]*tab{"Ann": ann, "Bob": bob} {
		if got := b.messages(); !slices.Equal(got, want) {
			t.Errorf("%s sees %q, want %q", who, got, want)
		}
		b.calm()
	}

	// What DevTools shows: every frame one event, the messages among them.
	sent := ann.events(true, "send_message")
	if len(sent) != 2 || !strings.Contains(string(sent[0].Payload), `"message":"hello Bob"`) || sent[0].ID == "" {
		t.Errorf("Ann's send_message frames: %s", sent)
	}
	if got := bob.events(false, "new_message"); len(got) != 4 {
		t.Errorf("Bob got %d new_message frames, want 4", len(got))
	}
	var ack shared.AckPayload
	for _, e := range ann.events(false, "ack") {
		if e.ID == sent[1].ID {
			ack, _ = shared.Ack.Decode(e)
		}
	}
	if ack.Room != shared.DefaultRoom || ack.Seq == 0 {
		t.Errorf("the ack of the last message is %+v", ack)
	}
}

func TestChangingRooms(t *testing.T) {
	server := startServer(t)
	browser := startBrowser(t)
	ann := openAs(t, browser, server.URL())
	ann.name("Ann")
	bob := openAs(t, browser, server.URL()+"r/den")
	bob.name("Bob")
	ann.say("in general")
	ann.awaitSettled()

	bob.say("in the den")
	bob.awaitSettled()
	ann.run("changing room", chromedp.SendKeys(chromedp.CSS("#go-room"), "den"+kb.Enter))
	ann.awaitMessage("in the den")
	if got := ann.messages(); slices.Contains(got, "in general") {
		t.Errorf("the den shows what was said in general: %q", got)
	}
	ann.await("the address of the den", `location.pathname === "/r/den"`)
	ann.say("found you")
	bob.awaitMessage("found you")

	ann.run("going back", chromedp.NavigateBack())
	ann.awaitMessage("in general")
	bob.say("gone already?")
	bob.awaitSettled()
	ann.say("back here")
	ann.awaitSettled()
	if got := ann.messages(); !slices.Equal(got, []string{"in general", "back here"}) {
		t.Errorf("general shows %q", got)
	}
	if got := bob.messages(); !slices.Equal(got, []string{"in the den", "found you", "gone already?"}) {
		t.Errorf("the den shows %q", got)
	}
	ann.calm()
	bob.calm()
}

func TestReloadShowsTheLastFifty(t *testing.T) {
	server := startServer(t)
	browser := startBrowser(t)
	ann := openAs(t, browser, server.URL())
	ann.name("Ann")
	var want []string
	for i := range 60 {
		want = append(want, fmt.Sprintf("message %d", i))
	}
	ann.run("sending", chromedp.Evaluate[chromedp.Void](`for (let i = 0; i < 60; i++) sendEvent("send_message", {message: "message " + i})`))
	ann.awaitMessage("message 59")
	ann.awaitSettled()

	ann.run("reloading", chromedp.Reload())
	ann.awaitConnected()
	ann.awaitMessage("message 59")
	if got := ann.messages(); !slices.Equal(got, want[10:]) {
		t.Errorf("after a reload it shows %q", got)
	}
	ann.await("the name that was given", `document.querySelector("#me .name").textContent === "Ann"`)
	ann.run("older ones", chromedp.Click(chromedp.CSS("#older")))
	ann.awaitMessage("message 0")
	if got := ann.messages(); !slices.Equal(got, want) {
		t.Errorf("with the older ones it shows %q", got)
	}
	ann.calm()
}

// TestServerKilled: the server dies without a word and comes back; the open tabs
// reconnect by themselves, and nothing is missing and nothing is there twice.
func TestServerKilled(t *testing.T) {
	server := startServer(t)
	browser := startBrowser(t)
	ann := openAs(t, browser, server.URL())
	ann.name("Ann")
	bob := openAs(t, browser, server.URL())
	bob.name("Bob")

	want := []string{"before"}
	ann.say("before")
	bob.awaitMessage("before")
	for i := range 3 {
		server.Kill()
		for _, b := range []*tab{ann, bob} {
			b.await("noticing", `document.getElementById("connection").dataset.state !== "connected"`)
		}
		offline := fmt.Sprintf("written while it was down %d", i)
		ann.say(offline)
		if i == 0 {
			ann.picture("reconnecting")
		}
		server.Start()
		bob.awaitMessage(offline)
		after := fmt.Sprintf("and after %d", i)
		bob.say(after)
		ann.awaitMessage(after)
		want = append(want, offline, after)
	}
	for who, b := range map[string]*tab{"Ann": ann, "Bob": bob} {
		b.awaitConnected()
		b.awaitSettled()
		if got := b.messages(); !slices.Equal(got, want) {
			t.Errorf("%s sees %q, want %q", who, got, want)
		}
	}
}
