//go:build !js

package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"websockets/server/servertest"
	"websockets/shared"
)

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

//go:embed testdata/*.js
var scripts embed.FS

// script returns JavaScript of the tests. What is not of all pages is in files that
// have the name of their test.
func script(name string) string {
	source, err := scripts.ReadFile("testdata/" + name)
	if err != nil {
		panic(err) // the name is a constant
	}
	return string(source)
}

// js is a call of a function in the page. The arguments are texts, numbers and
// lists.
func js(function string, args ...any) string {
	var list []string
	for _, arg := range args {
		literal, err := json.Marshal(arg)
		if err != nil {
			panic(err)
		}
		list = append(list, string(literal))
	}
	return function + "(" + strings.Join(list, ", ") + ")"
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

// fail ends the test, with what the page shows and its console.
func (b *tab) fail(what string, err error) {
	b.t.Helper()
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("not within %v", servertest.Patience)
	}
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second) // a page that hangs does not answer
	defer cancel()
	page, pageErr := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
	if pageErr != nil {
		page = fmt.Sprintf("nothing: %v", pageErr)
	}
	b.t.Fatalf("%s: %v\nthe page says:\n%s\nits console:\n%s", what, err, page, strings.Join(b.trouble(), "\n"))
}

func (b *tab) run(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, servertest.Patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.fail(what, err)
	}
}

// call sends a command of the DevTools protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, servertest.Patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		b.fail(fmt.Sprintf("%T", params), err)
	}
	return result
}

// evaluate returns the value of a JavaScript expression, a promise's if it is one.
func evaluate[T any](b *tab, what, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, servertest.Patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.fail(what, err)
	}
	return v
}

// do runs JavaScript and waits for the promise, if it gives one.
func (b *tab) do(what, script string) {
	b.t.Helper()
	b.run(what, chromedp.Evaluate[chromedp.Void](script, chromedp.EvalAwaitPromise))
}

// await waits until a JavaScript expression is true.
func (b *tab) await(what, condition string) {
	b.t.Helper()
	b.run("waiting for "+what, chromedp.Poll[chromedp.Void](condition,
		chromedp.WithPollingInterval(10*time.Millisecond), chromedp.WithPollingTimeout(0))) // run's ends it
}

// eventually is servertest.Eventually for what a page does.
func (b *tab) eventually(what string, done func() bool) {
	b.t.Helper()
	if err := servertest.TryEventually(b.ctx, what, done); err != nil {
		b.fail(what, err)
	}
}

// atStart runs a script before anything of the pages that this tab will open.
func (b *tab) atStart(source string) {
	b.t.Helper()
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: source})
}

// believesInFocus makes the page believe that it has the focus, however many other
// windows there are. It is never hidden then.
func (b *tab) believesInFocus(always bool) {
	b.t.Helper()
	call(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: always})
}

// open goes to a page and waits until it is connected.
func (b *tab) open(url string) {
	b.t.Helper()
	b.run("opening "+url, chromedp.Navigate(url))
	b.awaitConnected()
}

// reload loads the page again and waits until it is connected.
func (b *tab) reload() {
	b.t.Helper()
	b.run("reloading", chromedp.Reload())
	b.awaitConnected()
}

// close closes the tab as a user does.
func (b *tab) close() {
	b.t.Helper()
	if err := chromedp.Cancel(b.ctx); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) awaitConnected() {
	b.t.Helper()
	b.await("the connection", `connected()`)
}

func (b *tab) awaitDisconnected() {
	b.t.Helper()
	b.await("noticing that the connection is lost", `disconnected()`)
}

// put puts a text into a field at once, as pasting does, and presses keys behind
// it. What is about the keyboard uses keys.
func (b *tab) put(id, text, keys string) {
	b.t.Helper()
	b.await("focus on "+id, js("focusOn", id))
	b.run("putting "+text+" into "+id,
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, input.InsertText, input.InsertTextParams{Text: text})
			return err
		}),
		chromedp.KeyEvent(keys))
}

// keys presses keys where the focus is.
func (b *tab) keys(what, keys string, hold ...chromedp.Modifier) {
	b.t.Helper()
	b.run(what, chromedp.KeyEvent(keys, chromedp.KeyModifiers(hold...)))
}

// name answers the question of the first visit.
func (b *tab) name(name string) {
	b.t.Helper()
	b.await("the question for a name", `byId("name-dialog").open`)
	b.put("name", name, kb.Enter)
	b.await("the name", js("named", name))
}

// say writes a message and sends it with Enter, and waits until it is shown, acked
// or not.
func (b *tab) say(text string) {
	b.t.Helper()
	b.put("compose", text, kb.Enter)
	b.awaitMessage(text)
}

// goTo changes the room as somebody does who types its name.
func (b *tab) goTo(room string) {
	b.t.Helper()
	b.put("go-room", room, kb.Enter)
	b.awaitRoom(room)
}

// click clicks on the element with that id.
func (b *tab) click(id string) {
	b.t.Helper()
	b.run("clicking "+id, chromedp.Click(chromedp.CSS("#"+id)))
}

// messages returns what the timeline shows.
func (b *tab) messages() []string {
	b.t.Helper()
	return evaluate[[]string](b, "reading the timeline", `texts()`)
}

// wantMessages fails the test unless the timeline shows exactly these.
func (b *tab) wantMessages(who string, want []string) {
	b.t.Helper()
	if d := difference(b.messages(), want); d != "" {
		b.t.Errorf("%s sees: %s", who, d)
	}
}

// difference says where the texts of a timeline part from those that are wanted. It
// is empty when they are equal.
func difference(got, want []string) string {
	if slices.Equal(got, want) {
		return ""
	}
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	around := func(texts []string) []string { return texts[max(0, i-1):min(len(texts), i+4)] }
	return fmt.Sprintf("got %d messages, want %d; they part at %d: got %q, want %q", len(got), len(want), i, around(got), around(want))
}

func (b *tab) awaitMessage(text string) {
	b.t.Helper()
	b.await(text, js("shows", text))
}

// awaitSettled waits until no message of this tab is on its way any more.
func (b *tab) awaitSettled() {
	b.t.Helper()
	b.await("the acks", `settled()`)
}

func (b *tab) awaitRoom(name string) {
	b.t.Helper()
	b.await("room "+name, js("inRoom", name))
}

// awaitFocus waits until the element with that id is the one that keys go to.
func (b *tab) awaitFocus(id string) {
	b.t.Helper()
	b.await("focus on "+id, js("focused", id))
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

// serverWasAway forgets what a browser logs while it cannot reach the server: attempts to
// connect, and questions why they fail.
func (b *tab) serverWasAway() {
	b.expected("WebSocket connection to")
	b.expected("Failed to load resource: net::ERR_")
}

// calm fails the test if the page has thrown or logged an error.
func (b *tab) calm() {
	b.t.Helper()
	for _, trouble := range b.trouble() {
		b.t.Errorf("in the console: got %s, want nothing", trouble)
	}
}

// wellBehaved is calm, and fails the test if the page has violated its policy.
func (b *tab) wellBehaved() {
	b.t.Helper()
	for _, violation := range evaluate[[]string](b, "violations", `violations`) {
		b.t.Errorf("the page has violated its policy: %s", violation)
	}
	b.calm()
}

// dress gives the page a colour scheme and a size, in CSS pixels.
func (b *tab) dress(scheme string, width, height int64) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	b.size(width, height)
	// A picture of colours that are still changing shows what nobody sees.
	b.do("waiting for animations", `Promise.allSettled(document.getAnimations().map(a => a.finished))`)
}

// size gives the page a size in CSS pixels.
func (b *tab) size(width, height int64) {
	b.t.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1})
}

// undress gives the page the window's size again.
func (b *tab) undress() {
	b.t.Helper()
	call(b, emulation.ClearDeviceMetricsOverride, cdp.Empty{})
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

// artifacts is where the test run collects pictures. It is empty when nobody wants
// any.
var artifacts = os.Getenv("WEBSOCKETS_ARTIFACTS")

// picture leaves screenshots where the test run collects them.
func (b *tab) picture(name string) {
	b.t.Helper()
	if artifacts == "" {
		return
	}
	for _, look := range looks {
		b.dress(look.scheme, look.width, look.height)
		b.save(filepath.Join(artifacts, name+"-"+look.name+".png"))
	}
	b.undress()
}

// save takes a picture.
func (b *tab) save(path string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, servertest.Patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.fail("taking a picture", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Error(err)
	}
	if err := os.WriteFile(path, png, 0o644); err != nil {
		b.t.Error(err)
	}
}
