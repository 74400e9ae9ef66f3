//go:build !js

package main

import (
	"testing"
)

// newTabWhere is an empty tab with the functions of throwing.js, of which one is called
// before the page's own scripts.
func newTabWhere(t *testing.T, call string) *tab {
	t.Helper()
	b := newTab(t)
	b.atStart(script("throwing.js") + call)
	return b
}

// TestBrowserRefusesCalls: in a browser that throws wherever one may, the page works as far
// as it can, and says nothing that is not true.
func TestBrowserRefusesCalls(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	bob := openAs(t, "Bob", server.URL()+"r/den")
	bob.say("in the den")
	ann := newTabWhere(t, `refuseCalls()`)
	ann.open(server.URL())
	ann.name("Ann")
	ann.say("in general")
	ann.awaitSettled()

	// The room is opened although its address is not.
	ann.put("go-room", "den", "\r")
	ann.await("the den", `says("room-name") === "den" && location.pathname === "/"`)
	ann.awaitMessage("in the den")
	ann.say("found it")
	bob.awaitMessage("found it")
	ann.do("allowing it", `allowHistory()`)
	ann.await("the den's address, a little later", `location.pathname === "/r/den"`)

	ann.click("bell")
	ann.await("that it is off", `!pressed("bell") && says("notice").startsWith("Notifications need your permission.")`)
	ann.click("keys")
	ann.await("the keys", `byId("keys-dialog").open`)
	ann.click("keys-close")
	ann.calm()
}

// TestLinkIsCopied: the page says so only if it was.
func TestLinkIsCopied(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := newTabWhere(t, "")
	ann.open(server.URL() + "r/lonely")
	ann.name("Ann")
	for _, test := range []struct{ clipboard, says string }{
		{"none", "The link to this room is "},
		{"denied", "The link to this room is "},
		{"throwing", "The link to this room is "},
		{"allowed", "Link copied: "},
	} {
		ann.do("taking the notice away", js("setClipboard", test.clipboard)+`; byId("notice").querySelector("button").click()`)
		ann.await("no notice", `!visible("notice")`)
		ann.click("copy-link")
		ann.await(test.clipboard, `visible("notice") && byId("notice").querySelector("span").textContent === `+js("String", test.says+server.URL()+"r/lonely"))
	}
	if got := evaluate[int](ann, "what was copied", `copied.length`); got != 1 {
		t.Errorf("links copied: got %d, want 1", got)
	}
	ann.calm()
}
