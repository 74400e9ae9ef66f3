//go:build !js

package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"

	"websockets/server/servertest"
)

// A server that does not let a page in says why, and lets it in when it can.
func TestRefusedPageSaysWhy(t *testing.T) {
	t.Parallel()
	server := startServer(t, "--max-conns-per-address", "1")
	ann := openAs(t, "Ann", server.URL())
	bob := newTab(t)
	bob.run("opening the page", chromedp.Navigate(server.URL()))
	bob.awaitBanner("Not connected: there are too many connections from your address.", "Now")
	ann.close()
	bob.awaitConnected()
	bob.await("no banner", `banner() === ""`)
}

// TestPageBehindAWrongProxySaysWhy: the page is loaded through a proxy that does not let
// its WebSocket through.
func TestPageBehindAWrongProxySaysWhy(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	for name, test := range map[string]struct {
		change func(*http.Request)
		says   string
	}{
		"another Host": {func(r *http.Request) { r.Host = server.Addr }, "Not connected: the server does not accept pages from http://127.0.0.1:"},
		"no Upgrade":   {func(r *http.Request) { r.Header.Del("Upgrade") }, "a proxy or firewall on the way does not let WebSockets through"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := startProxy(t, server, test.change)
			ann := newTab(t)
			ann.run("opening the page", chromedp.Navigate(proxy))
			ann.awaitBanner(test.says, "Now")
		})
	}
}

// startProxy starts a reverse proxy that changes the requests, and returns its address.
func startProxy(t *testing.T, server *servertest.Process, change func(*http.Request)) string {
	t.Helper()
	target, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	pages := httputil.NewSingleHostReverseProxy(target)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		change(r)
		pages.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL + "/"
}
