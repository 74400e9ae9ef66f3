//go:build !js

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"websockets/shared"
)

// banner is what the banner says, empty while it is not there.
const banner = `(b => b.hidden ? "" : b.innerText.replace(/\s+/g, " ").trim())(document.getElementById("banner"))`

func (b *tab) awaitBanner(words ...string) {
	b.t.Helper()
	for _, w := range words {
		b.await("the banner "+w, fmt.Sprintf(`%s.includes(%q)`, banner, w))
	}
}

// awaitReload waits for a page without window.before.
func (b *tab) awaitReload() {
	b.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		// While a page goes and another comes, there may be nothing to ask.
		again, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`!window.before && document.readyState === "complete"`))
		if err == nil && again {
			return
		}
	}
	b.t.Fatal("the page was not loaded again")
}

// welcomedAs returns the user of the last welcome.
func (b *tab) welcomedAs() string {
	b.t.Helper()
	all := b.events(false, shared.Welcome.Name())
	if len(all) == 0 {
		b.t.Fatal("no welcome")
	}
	w, err := shared.Welcome.Decode(all[len(all)-1])
	if err != nil {
		b.t.Fatal(err)
	}
	return w.User
}

func TestALostConnectionIsToldAfterFiveSeconds(t *testing.T) {
	server := startServer(t)
	ann := openAs(t, startBrowser(t), server.URL())
	ann.name("Ann")
	lost := time.Now()
	server.Kill()
	ann.awaitDisconnected()
	if said := evaluate[string](ann, "asking the page", banner); said != "" && time.Since(lost) < 4*time.Second {
		t.Errorf("at once it says %q", said)
	}
	ann.awaitBanner("The connection is lost. What you write is kept.", "Reconnecting", "Now")
	if away := time.Since(lost); away < 5*time.Second {
		t.Errorf("the banner came after %v", away)
	}
	ann.await("the countdown", banner+`.match(/Reconnecting in [1-9]\d* s Now/)`)
	ann.axe("lost")
	if role := evaluate[string](ann, "asking the page", `document.getElementById("lost").getAttribute("role")`); role != "alert" {
		t.Errorf("what is lost has the role %q", role)
	}
	server.Start()
	ann.run("Now", chromedp.Click(chromedp.CSS("#reconnect")))
	ann.awaitConnected()
	ann.await("no banner", banner+` === ""`)
}

// offline takes the tab's network away, or gives it back.
func (b *tab) offline(away bool) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, network.OverrideNetworkState, network.OverrideNetworkStateParams{
		Offline: away, DownloadThroughput: -1, UploadThroughput: -1,
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// dials notes when the page opens a WebSocket and when the network comes back, in
// the page's milliseconds.
const dials = `(() => {
	const real = WebSocket;
	window.dialled = [];
	window.WebSocket = function (...args) { dialled.push(performance.now()); return new real(...args) };
	addEventListener("online", event => { window.onlineAt = event.timeStamp });
})()`

func TestOfflineAndOnline(t *testing.T) {
	server := startServer(t)
	middle := startMiddle(t, server)
	ann := openAs(t, startBrowser(t), middle.URL)
	ann.name("Ann")
	ann.run("noting dials", chromedp.Evaluate[chromedp.Void](dials))
	middle.cut()
	ann.offline(true)
	ann.await("being offline", `document.getElementById("connection").textContent === "Offline"`)
	ann.awaitBanner("This device is offline. What you write is kept.")
	ann.say("written offline")
	middle.open()
	ann.offline(false)
	ann.awaitConnected()
	// An attempt that was due a moment earlier may have done it.
	if wait := evaluate[float64](ann, "asking the page", `dialled.at(-1) - onlineAt`); wait > 500 {
		t.Errorf("it tried %.0f ms after the network was back", wait)
	}
	ann.awaitSettled()
	ann.awaitMessages("written offline")
}

// freeze makes the browser stop the page, as it does with a tab in the background
// or when the machine sleeps; thaw lets it go on.
func (b *tab) freeze() { b.lifecycle("frozen") }
func (b *tab) thaw()   { b.lifecycle("active") }

func (b *tab) lifecycle(state page.SetWebLifecycleStateState) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: state})
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestBackFromSleep(t *testing.T) {
	server := startServer(t)
	middle := startMiddle(t, server)
	browser := startBrowser(t)
	ann := openAs(t, browser, middle.URL)
	ann.name("Ann")
	bob := openAs(t, browser, server.URL())
	bob.name("Bob")
	var want []string
	bobSays := func(n int, what string) {
		t.Helper()
		bob.run("saying "+what, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`for (let i = 0; i < %d; i++) sendEvent("send_message", {message: %q + i})`, n, what)))
		for i := range n {
			want = append(want, fmt.Sprint(what, i))
		}
		bob.awaitMessage(want[len(want)-1])
		bob.awaitSettled()
	}
	bobSays(1, "before ")
	ann.awaitMessage("before 0")

	// The machine slept, and the connection outlived it: one ping shows that.
	for _, wakes := range []string{`dispatchEvent(new Event("focus"))`, `document.dispatchEvent(new Event("resume"))`} {
		pings, pongs, opened := len(ann.events(true, "ping")), len(ann.events(false, "pong")), middle.connections()
		deadline := time.Now().Add(patience)
		for len(ann.events(true, "ping")) == pings && time.Now().Before(deadline) { // not while something was just heard
			ann.run("waking", chromedp.Evaluate[chromedp.Void](wakes))
		}
		for len(ann.events(false, "pong")) == pongs && time.Now().Before(deadline) {
			ann.await("the page", `true`)
		}
		if n := len(ann.events(true, "ping")) - pings; n != 1 || middle.connections() != opened {
			t.Errorf("%s: %d pings and %d new connections", wakes, n, middle.connections()-opened)
		}
	}

	// The browser froze the page, which ends its connection, and left it hidden;
	// meanwhile others went on, and the server became another process.
	ann.freeze()
	bobSays(30, "asleep ")
	server.Kill()
	bob.awaitDisconnected()
	server.Start()
	bob.awaitConnected()
	bobSays(70, "restarted ")
	ann.thaw()
	ann.awaitMessage("restarted 69")
	ann.awaitConnected()
	if got := ann.messages(); !slices.Equal(got, want) {
		t.Errorf("after a sleep it shows %q", got)
	}
	ann.await("a hidden page", `document.hidden`)
	bobSays(1, "to a hidden page ")
	ann.awaitMessage("to a hidden page 0")
	if got := ann.messages(); !slices.Equal(got, want) {
		t.Errorf("hidden it shows %q", got)
	}
}

func TestFinalClosesSayWhatToDo(t *testing.T) {
	server := startServer(t)
	middle := startMiddle(t, server)
	ann := openAs(t, startBrowser(t), middle.URL)
	ann.name("Ann")
	for _, end := range []struct {
		code         int
		says, button string
	}{
		{shared.ClosePolicy, "too much came from here at once", "Connect again"},
		{shared.CloseTooBig, "a message was larger than it takes", "Connect again"},
		{4999, "The server has ended the connection for good (the connection was closed with code 4999: because).", "Connect again"},
		{shared.CloseUnsupportedData, "The server did not understand this page.", "Reload"},
	} {
		opened := middle.connections()
		middle.shut(end.code, "because")
		ann.awaitBanner(end.says, end.button)
		ann.await("the dot", `document.getElementById("connection").textContent === "Disconnected"`)
		if middle.connections() != opened {
			t.Errorf("%d: it came back by itself", end.code)
		}
		ann.run("an eye on reloads", chromedp.Evaluate[chromedp.Void](`window.before = true`))
		ann.run(end.button, chromedp.Click(chromedp.CSS("#reconnect")))
		if end.button == "Reload" {
			ann.awaitReload()
		}
		ann.awaitConnected()
		ann.await("no banner", banner+` === ""`)
	}
	ann.say("still here")
	ann.awaitSettled()
}

// The server has another store, and with it another key: it does not know the
// session. The reader decides; the room, the draft and the outbox stay.
func TestARefusedSessionIsContinuedAsANewGuest(t *testing.T) {
	server := startServer(t)
	profile := startProfile(t, startBrowser(t))
	ann := openTab(t, profile, server.URL()+"r/den")
	ann.name("Ann")
	other := openTab(t, profile, server.URL())
	was := ann.welcomedAs()
	server.Kill()
	ann.awaitDisconnected()
	ann.say("written before")
	ann.run("a draft", chromedp.SendKeys(chromedp.CSS("#compose"), "half a thou"))
	files, _ := filepath.Glob(filepath.Join(server.Dir, "*"))
	for _, file := range files {
		if err := os.RemoveAll(file); err != nil {
			t.Fatal(err)
		}
	}
	server.Start()
	ann.await("the question", `document.getElementById("session-dialog").open`)
	if got := len(ann.events(true, "send_message")); got != 0 {
		t.Errorf("%d messages were sent as somebody else, unasked", got)
	}
	ann.axe("session-ended")
	ann.run("not now", chromedp.Click(chromedp.CSS("#session-later")))
	ann.awaitBanner("Your session has ended.", "Continue as a new guest")
	other.await("the question in the other tab", `document.getElementById("session-dialog").open`)
	ann.run("asked again", chromedp.Click(chromedp.CSS("#reconnect")))
	ann.run("continuing", chromedp.Click(chromedp.CSS("#session-continue")))
	ann.await("the question for a name, with the old one", `document.getElementById("name-dialog").open && document.getElementById("name").value === "Ann"`)
	ann.run("taking it", chromedp.Click(chromedp.CSS("#name-form .primary")))
	ann.awaitConnected()
	ann.awaitMessages("written before")
	other.run("continuing there", chromedp.Click(chromedp.CSS("#session-continue")))
	other.awaitConnected()
	if now := ann.welcomedAs(); now == was || other.welcomedAs() != now {
		t.Errorf("the tabs were %s, and are %s and %s", was, now, other.welcomedAs())
	}
	if got := evaluate[string](ann, "asking the page", `location.pathname + " " + document.getElementById("compose").value`); got != "/r/den half a thou" {
		t.Errorf("it goes on with %q", got)
	}
}

func TestAnotherVersionOffersAReload(t *testing.T) {
	server := startServer(t)
	middle := startMiddle(t, server)
	browser := startBrowser(t)
	// A server to come: another version, fields and events that nobody knows.
	middle.changes(func(frame string) string {
		frame = strings.Replace(frame, `"payload":{`, `"payload":{"new_field":{"a":[1]},`, 1)
		frame = strings.Replace(frame, `]},}`, `]}}`, 1) // it was empty
		frame = strings.TrimSuffix(frame, "}") + `,"new_part":true}`
		if strings.Contains(frame, `"type":"welcome"`) {
			i := strings.Index(frame, `"version":"`) + len(`"version":"`)
			frame = frame[:i] + "x" + frame[i:]
		}
		return frame
	})
	ann := openAs(t, browser, middle.URL)
	ann.name("Ann")
	ann.run("an eye on reloads", chromedp.Evaluate[chromedp.Void](`window.before = true`))
	ann.await("the offer", `!document.getElementById("newer").hidden`)
	middle.send(`{"type":"from_the_future","payload":{"a":1},"id":"f"}`)
	middle.send(`{"type":"from_the_future"}`)
	ann.say("all the same")
	ann.awaitSettled()
	if !evaluate[bool](ann, "asking the page", `window.before`) {
		t.Error("it was loaded again by itself")
	}
	ann.calm()

	// A server of old: what a newer one tells is missing. And it is the page's own
	// version again.
	middle.changes(nil)
	ann.run("a draft", chromedp.SendKeys(chromedp.CSS("#compose"), "half a thou"))
	ann.run("reloading", chromedp.Click(chromedp.CSS("#reload")))
	ann.awaitReload()
	ann.awaitConnected()
	ann.await("no offer", `document.getElementById("newer").hidden`)
	middle.changes(func(frame string) string {
		if i := strings.Index(frame, `,"limits":`); i >= 0 && strings.Contains(frame, `"type":"welcome"`) {
			return frame[:i] + "}}"
		}
		return frame
	})
	middle.shut(shared.CloseRestart, "")
	ann.awaitDisconnected()
	ann.awaitConnected()
	ann.run("the rest of the draft", chromedp.SendKeys(chromedp.CSS("#compose"), "ght"+kb.Enter))
	ann.awaitMessages("all the same", "half a thought")
	ann.calm()
}
