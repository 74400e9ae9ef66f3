//go:build !js

package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"websockets/server/servertest"
)

// forward returns a reverse proxy that keeps the Host header, as an origin is compared
// with it.
func forward(t *testing.T, server *servertest.Process) http.Handler {
	t.Helper()
	target, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
}

// TestChatsUnderPaths runs two chats on one host, each under a path. One proxy passes the
// path on, the other cuts it off. All of the page works, and what a browser stores of one
// chat does not show in the other.
func TestChatsUnderPaths(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle("/chat/", forward(t, startServer(t, "--base-path", "/chat")))
	mux.Handle("/other/", http.StripPrefix("/other", forward(t, startServer(t))))
	host := httptest.NewServer(mux)
	t.Cleanup(host.Close)
	profile := newProfile(t)
	openPage := func(path string) *tab {
		b := newTabIn(t, profile)
		b.atStart(script("basepath.js"))
		b.open(host.URL + path)
		return b
	}
	users := map[string]string{}
	for _, path := range []string{"/chat/", "/other/"} {
		b := openPage(path)
		users[path] = b.welcomedAs()
		b.name("Ann")
		b.say("in general")
		b.put("go-room", "den", kb.Enter)
		b.await("the room's address", js("at", path+"r/den"))
		b.say("in the den of " + path)
		b.awaitSettled()
		b.await("a link to the first room", js("linksTo", path+"r/general"))
		b.put("compose", "a draft", "")
		b.await("the draft's key", js("stores", path+"draft/den"))

		b.reload()
		b.awaitMessage("in the den of " + path)
		b.run("going back", chromedp.Evaluate[chromedp.Void](`history.back()`))
		b.await("the first room's address", js("at", path))
		b.awaitMessage("in general")
		b.run("a room's address as people type it", chromedp.Navigate(host.URL+path+"r/Den/"))
		b.awaitConnected()
		b.await("the room's own address", js("at", path+"r/den"))
		b.await("the draft", `byId("compose").value === "a draft"`)
		b.calm()
	}
	b := openPage("/chat/r/den")
	if user := b.welcomedAs(); user != users["/chat/"] {
		t.Errorf("the user after a visit to the other chat: got %s, want %s", user, users["/chat/"])
	}
	b.await("the drafts of both", js("stores", "/other/draft/den")+" && "+js("stores", "/chat/draft/den"))
	b.do("an eye on reloads", `window.before = true`)
	b.click("me")
	b.click("forget")
	b.click("forget-yes")
	b.awaitReload()
	b.await("the page of a new guest", js("at", "/chat/")+` && connected() && byId("name-dialog").open`)
	b.await("that nothing of the chat is stored", "!"+js("stores", "/chat/draft/den"))
	b.await("that the other chat's draft stays", js("stores", "/other/draft/den"))
}
