//go:build !js

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"websockets/shared"
)

func (b *tab) awaitBanner(words ...string) {
	b.t.Helper()
	for _, w := range words {
		b.await("the banner "+w, js("banner().includes", w))
	}
}

// awaitReload waits for a page without window.before.
func (b *tab) awaitReload() {
	b.t.Helper()
	b.eventually("waiting for the page to be loaded again", func() bool {
		// While a page goes and another comes, there may be nothing to ask.
		again, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`reloaded()`))
		return err == nil && again
	})
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

func TestBannerAfterFiveSeconds(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := openAs(t, "Ann", server.URL())
	lost := time.Now()
	server.Kill()
	ann.awaitDisconnected()
	if said := evaluate[string](ann, "asking the page", `banner()`); said != "" && time.Since(lost) < 4*time.Second {
		t.Errorf("the banner at once: got %q, want none", said)
	}
	ann.awaitBanner("Connection lost. Your messages are kept.", "Reconnecting", "Now")
	if away := time.Since(lost); away < 5*time.Second {
		t.Errorf("the banner came after: got %v, want 5 s at least", away)
	}
	ann.await("the countdown", `banner().match(/Reconnecting in [1-9]\d* s Now/)`)
	ann.axe("lost")
	if role := evaluate[string](ann, "asking the page", `byId("lost").getAttribute("role")`); role != "alert" {
		t.Errorf("the role of the banner: got %q, want alert", role)
	}
	server.Start()
	ann.click("reconnect")
	ann.awaitConnected()
	ann.await("no banner", `banner() === ""`)
}

// offline takes the tab's network away, or gives it back.
func (b *tab) offline(away bool) {
	b.t.Helper()
	call(b, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: away, DownloadThroughput: -1, UploadThroughput: -1})
}

// TestOfflineAndOnline: the network's return is answered with an attempt, also when
// the next one would not be due for long.
func TestOfflineAndOnline(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	middle := startMiddle(t, server)
	ann := newTab(t)
	ann.atStart(script("dials.js"))
	ann.open(middle.URL)
	ann.name("Ann")
	middle.cut()
	ann.offline(true)
	ann.await("being offline", `says("connection") === "Offline"`)
	ann.awaitBanner("This device is offline. Your messages are kept.")
	ann.say("written offline")
	ann.do("stopping the page's time", `stopTime()`)
	before := evaluate[int](ann, "counting attempts", `dialled`)
	middle.open()
	ann.offline(false)
	ann.eventually("waiting for an attempt that no timer began", func() bool {
		return evaluate[int](ann, "counting attempts", `dialled`) > before
	})
	ann.do("letting its time go on", `startTime()`)
	ann.awaitConnected()
	ann.awaitSettled()
	ann.awaitMessages("written offline")
}

// freeze makes the browser stop the page, as it does with a tab in the background
// or when the machine sleeps; thaw lets it go on.
func (b *tab) freeze() { b.lifecycle("frozen") }
func (b *tab) thaw()   { b.lifecycle("active") }

func (b *tab) lifecycle(state page.SetWebLifecycleStateState) {
	b.t.Helper()
	call(b, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: state})
}

func TestBackFromSleep(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	middle := startMiddle(t, server)
	ann := openAs(t, "Ann", middle.URL)
	bob := openAs(t, "Bob", server.URL())
	var want []string
	bobSays := func(n int, what string) {
		t.Helper()
		bob.do("saying "+what, js("sendAll", what, n))
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
		ann.eventually("waking it until it pings", func() bool { // not while something was just heard
			ann.do("waking", wakes)
			return len(ann.events(true, "ping")) > pings
		})
		ann.eventually("waiting for the pong", func() bool { return len(ann.events(false, "pong")) > pongs })
		if n, dialled := len(ann.events(true, "ping"))-pings, middle.connections()-opened; n != 1 || dialled != 0 {
			t.Errorf("%s: got %d pings and %d new connections, want 1 and 0", wakes, n, dialled)
		}
	}

	// The browser froze the page, which ends its connection, and left it hidden;
	// meanwhile others went on, and the server became another process.
	ann.believesInFocus(false)
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
	ann.wantMessages("Ann, after a sleep,", want)
	ann.await("a hidden page", `document.hidden`)
	bobSays(1, "to a hidden page ")
	ann.awaitMessage("to a hidden page 0")
	ann.wantMessages("Ann, hidden,", want)
}

func TestFinalClosesSayWhatToDo(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	middle := startMiddle(t, server)
	ann := openAs(t, "Ann", middle.URL)
	for _, end := range []struct {
		code         int
		says, button string
	}{
		{shared.ClosePolicy, "because of too many messages or errors", "Connect again"},
		{shared.CloseTooBig, "a message was too large", "Connect again"},
		{4999, "The server closed the connection (the connection was closed with code 4999: because).", "Connect again"},
		{shared.CloseUnsupportedData, "The server didn't understand this page.", "Reload"},
	} {
		opened := middle.connections()
		middle.shut(end.code, "because")
		ann.awaitBanner(end.says, end.button)
		ann.await("the dot", `says("connection") === "Disconnected"`)
		if middle.connections() != opened {
			t.Errorf("after close code %d: got another connection, want none", end.code)
		}
		ann.do("an eye on reloads", `window.before = true`)
		ann.click("reconnect")
		if end.button == "Reload" {
			ann.awaitReload()
		}
		ann.awaitConnected()
		ann.await("no banner", `banner() === ""`)
	}
	ann.say("still here")
	ann.awaitSettled()
}

// The server has another store, and with it another key: it does not know the
// session. The reader decides; the room, the draft and the outbox stay.
func TestRefusedSessionContinuesAsNewGuest(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	profile := newProfile(t)
	ann := openIn(t, profile, server.URL()+"r/den")
	ann.name("Ann")
	other := openIn(t, profile, server.URL())
	was := ann.welcomedAs()
	server.Kill()
	ann.awaitDisconnected()
	ann.say("written before")
	ann.put("compose", "half a thou", "")
	files, _ := filepath.Glob(filepath.Join(server.Dir, "*"))
	for _, file := range files {
		if err := os.RemoveAll(file); err != nil {
			t.Fatal(err)
		}
	}
	server.Start()
	ann.await("the question", `byId("session-dialog").open`)
	if got := len(ann.events(true, "send_message")); got != 0 {
		t.Errorf("messages sent as somebody else, unasked: got %d, want none", got)
	}
	ann.axe("session-ended")
	ann.click("session-later")
	ann.awaitBanner("Your session has ended.", "Continue as a new guest")
	other.await("the question in the other tab", `byId("session-dialog").open`)
	ann.click("reconnect")
	ann.click("session-continue")
	ann.await("the question for a name, with the old one", `byId("name-dialog").open && byId("name").value === "Ann"`)
	ann.run("taking it", chromedp.Click(chromedp.CSS("#name-form .primary")))
	ann.awaitConnected()
	ann.awaitMessages("written before")
	other.click("session-continue")
	other.awaitConnected()
	if now := ann.welcomedAs(); now == was || other.welcomedAs() != now {
		t.Errorf("the tabs' users: got %s and %s, want one that is not %s", now, other.welcomedAs(), was)
	}
	const want = "/r/den half a thou"
	if got := evaluate[string](ann, "asking the page", `location.pathname + " " + byId("compose").value`); got != want {
		t.Errorf("it goes on with: got %q, want %q", got, want)
	}
}

func TestNewVersionOffersReload(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	middle := startMiddle(t, server)
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
	ann := openAs(t, "Ann", middle.URL)
	ann.do("an eye on reloads", `window.before = true`)
	ann.await("the offer", `!byId("newer").hidden`)
	middle.send(`{"type":"from_the_future","payload":{"a":1},"id":"f"}`)
	middle.send(`{"type":"from_the_future"}`)
	ann.say("all the same")
	ann.awaitSettled()
	if !evaluate[bool](ann, "asking the page", `window.before`) {
		t.Error("the page was loaded again, unasked")
	}
	ann.calm()

	// A server of old: what a newer one tells is missing. And it is the page's own
	// version again.
	middle.changes(nil)
	ann.put("compose", "half a thou", "")
	ann.click("reload")
	ann.awaitReload()
	ann.awaitConnected()
	ann.await("no offer", `byId("newer").hidden`)
	middle.changes(func(frame string) string {
		if i := strings.Index(frame, `,"limits":`); i >= 0 && strings.Contains(frame, `"type":"welcome"`) {
			return frame[:i] + "}}"
		}
		return frame
	})
	middle.shut(shared.CloseRestart, "")
	ann.awaitDisconnected()
	ann.awaitConnected()
	ann.awaitFocus("compose")
	ann.keys("the rest of the draft", kb.End+"ght"+kb.Enter)
	ann.awaitMessages("all the same", "half a thought")
	ann.calm()
}

// TestTheLogIsReplaced: the page says that what it showed is gone.
func TestTheLogIsReplaced(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := openAs(t, "Ann", server.URL())
	ann.say("in the first log")
	ann.awaitSettled()
	server.Kill()
	streams, err := filepath.Glob(filepath.Join(server.Dir, "jetstream", "*", "streams", "*"))
	if err != nil || len(streams) < 3 {
		t.Fatalf("the log's streams: got %q, %v, want 3 at least", streams, err)
	}
	for _, stream := range streams {
		if !strings.HasPrefix(filepath.Base(stream), "KV_") { // who Ann is stays
			if err := os.RemoveAll(stream); err != nil {
				t.Fatal(err)
			}
		}
	}
	server.Start()
	ann.await("the note", `document.querySelector("#messages .note")?.textContent === "This room's history was replaced. Earlier messages are gone."`)
	ann.say("in the second log")
	ann.wantMessages("Ann", []string{"in the second log"})
}
