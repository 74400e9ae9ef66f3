//go:build !js

package main

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestFullStorageIsRead: a browser without space gives back what it has, messages are sent
// all the same, and the reader is asked before they leave some behind.
func TestFullStorageIsRead(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	profile := newProfile(t)
	ann := openIn(t, profile, server.URL()+"r/full")
	ann.name("Ann")
	ann.say("before")
	ann.awaitSettled()
	server.Kill()
	ann.awaitDisconnected()
	ann.say("written offline")
	ann.awaitOutbox(1)
	ann.put("compose", "a draft", "")
	ann.await("the draft in the store", `localStorage.getItem("draft/full")?.endsWith(" a draft")`)
	ann.close()
	server.Start()

	again := newTabIn(t, profile)
	again.atStart(script("throwing.js"))
	again.run("the store, without the program", chromedp.Navigate(server.URL()+"healthz"))
	again.do("filling it", `fillStorage()`)
	again.open(server.URL() + "r/full")
	again.awaitMessages("before", "written offline")
	again.awaitComposer("the draft", "a draft")
	again.keys("sending it", kb.Enter)
	again.awaitMessages("before", "written offline", "a draft")
	again.awaitOutbox(0)
	if evaluate[bool](again, "asking to leave", `asksToStay()`) {
		t.Error("with nothing unsent the page asks whether to leave")
	}

	server.Kill()
	again.awaitDisconnected()
	// What was sent has made some space.
	again.do("filling it", `fillStorage()`)
	again.say("in memory only")
	again.await("the truth about it", `/Keep this page open: this browser can't store unsent messages/.test(banner())`)
	if !evaluate[bool](again, "asking to leave", `asksToStay()`) {
		t.Error("with a message in memory only the page does not ask whether to leave")
	}
	server.Start()
	again.awaitConnected()
	again.awaitMessages("before", "written offline", "a draft", "in memory only")
	again.await("nothing to lose", `!asksToStay()`)
	again.serverWasAway()
	again.expected("404") // of /healthz, the icon
	again.calm()
}

// TestForgetMeWithFullStorage: the other tabs hear of it.
func TestForgetMeWithFullStorage(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	profile := newProfile(t)
	one := newTabIn(t, profile)
	one.atStart(script("throwing.js"))
	one.open(server.URL())
	one.name("Ann")
	two := openIn(t, profile, server.URL())
	one.do("filling it", `fillStorage()`)
	for _, b := range []*tab{one, two} {
		b.do("an eye on reloads", `window.before = true`)
	}
	one.click("me")
	one.click("forget")
	one.click("forget-yes")
	for _, b := range []*tab{one, two} {
		b.awaitReload()
		b.awaitConnected()
	}
	two.await("the question for a name", `byId("name-dialog").open`)
}

// TestNoStorage: without storage, whyever, the page works, and says what is lost with it.
func TestNoStorage(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	gate := startGate(t, server.Addr)
	for _, kind := range []string{"none", "blocked", "broken"} {
		t.Run(kind, func(t *testing.T) {
			ann := newTabWhere(t, js("blockStorage", kind))
			ann.open("http://127.0.0.1:" + gate.port + "/r/" + kind)
			ann.name("Ann")
			ann.say("sent")
			ann.awaitSettled()
			gate.close()
			ann.awaitDisconnected()
			ann.say("in memory only")
			ann.await("the truth about it", `/Keep this page open: this browser can't store unsent messages/.test(banner())`)
			if !evaluate[bool](ann, "asking to leave", `asksToStay()`) {
				t.Error("with a message in memory only the page does not ask whether to leave")
			}
			gate.open()
			ann.awaitConnected()
			ann.awaitMessages("sent", "in memory only")
			ann.serverWasAway()
			ann.calm()
		})
	}
}

// TestBackForwardCache: a page that comes back while the network is away stays, with what
// was written, and each message is sent once, whatever other tabs have done meanwhile.
func TestBackForwardCache(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	for _, test := range []struct{ name, host string }{
		{"with locks", "127.0.0.1"},
		{"without locks", "0.0.0.0"}, // not this machine for the browser, so a page that is not secure
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			gate := startGate(t, server.Addr)
			url := "http://" + test.host + ":" + gate.port + "/r/" + strings.ReplaceAll(test.name, " ", "-")
			profile := newProfile(t)
			open := func() *tab {
				b := newTabIn(t, profile)
				b.atStart(script("throwing.js") + script("outbox.js"))
				b.open(url)
				return b
			}
			one := open()
			one.name("Ann")
			two := open()
			gate.close()
			one.awaitDisconnected()
			two.awaitDisconnected()
			one.do("an eye on reloads", `window.before = true`)

			one.say("before leaving")
			one.do("leaving and coming back", `leave(); comeIntoView().then(comeBack)`)
			one.say("after a return")
			one.awaitOutbox(2)
			two.do("coming into view", `comeIntoView()`)
			if got := two.messages(); len(got) != 0 {
				t.Errorf("messages of the tab that came back, in the other one: got %q, want none", got)
			}

			// While it is away, the other tab takes its messages over.
			one.do("leaving", `leave()`)
			two.eventually("waiting for the other tab to take over", func() bool {
				two.do("coming into view", `comeIntoView()`)
				return len(two.messages()) == 2
			})
			one.do("coming back", `comeBack()`)
			one.do("settling", `comeIntoView()`)
			one.say("after another return")
			one.awaitOutbox(3)
			if !evaluate[bool](one, "asking for the page", `window.before === true`) {
				t.Error("the page was loaded again")
			}
			one.close() // its last message is not in the outbox that the other tab has
			two.eventually("waiting for the other tab to take over the rest", func() bool {
				two.do("coming into view", `comeIntoView()`)
				return len(two.messages()) == 3
			})
			gate.open()
			two.do("no more waiting", `dispatchEvent(new Event("online"))`)
			two.awaitConnected()
			two.awaitMessages("before leaving", "after a return", "after another return")
			two.awaitOutbox(0)
			two.serverWasAway()
			two.calm()
		})
	}
}

// TestBackWithoutNetwork: whether the browser has cached the page itself or what it was
// made of, Back leads to it while the server is away.
func TestBackWithoutNetwork(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1", "0.0.0.0"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			ann := newTabIn(t, wholeChromium(t), chromedp.WithNewBrowserContext()) // the shell has no cache of pages
			ann.open(strings.Replace(server.URL(), "127.0.0.1", host, 1) + "r/den")
			ann.name("Ann")
			ann.say("hello")
			ann.awaitSettled()
			ann.keys("a draft", "not sent yet")
			ann.run("leaving", chromedp.Navigate("about:blank"))
			server.Kill()
			ann.do("going back", `history.back()`)
			// chromedp is not told of a page that comes from the back/forward cache, so its
			// polls would wait in the page before.
			await := func(what, condition string) {
				ann.eventually(what, func() bool {
					is, err := chromedp.Run(ann.ctx, chromedp.Evaluate[bool](condition))
					return err == nil && is
				})
			}
			await("the page", `visible("compose") && byId("compose").value === "not sent yet"`)
			server.Start()
			await("the connection", `connected() && `+js("shows", "hello"))
		})
	}
}
