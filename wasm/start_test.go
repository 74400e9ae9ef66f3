//go:build !js

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// What keeps the page's program from starting is named, and what was typed before
// stays where it is.
func TestFailedStartNamesTheCause(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	target, _ := url.Parse(server.URL())
	for _, test := range []struct {
		name string
		// alter changes an answer of the server.
		alter func(path string, answer *http.Response)
		says  string
	}{
		{"no WebAssembly", func(path string, answer *http.Response) {
			if strings.Contains(path, "wasm_exec") {
				replace(answer, "delete window.WebAssembly;")
			}
		}, "This browser cannot run WebAssembly."},
		{"a policy that forbids it", func(path string, answer *http.Response) {
			policy := answer.Header.Get("Content-Security-Policy")
			answer.Header.Set("Content-Security-Policy", strings.Replace(policy, "'wasm-unsafe-eval'", "", 1))
		}, "Content-Security-Policy of this page blocks WebAssembly (script-src)"},
		{"the wrong type", func(path string, answer *http.Response) {
			if strings.HasSuffix(path, ".wasm") {
				answer.Header.Set("Content-Type", "text/html; charset=utf-8")
			}
		}, "wrong MIME type, text/html instead of application/wasm"},
		{"another Go's wasm_exec.js", func(path string, answer *http.Response) {
			if strings.Contains(path, "wasm_exec") {
				source, _ := io.ReadAll(answer.Body)
				replace(answer, strings.Replace(string(source), `"runtime.scheduleTimeoutEvent"`, `"runtime.other"`, 1))
			}
		}, "Parts of this page have different versions"},
		{"half a page", func(path string, answer *http.Response) {
			if strings.Contains(path, "wasm_exec") {
				answer.StatusCode = http.StatusNotFound
			}
		}, "Part of this page failed to load (wasm_exec.js)"},
		{"no program", func(path string, answer *http.Response) {
			if strings.HasSuffix(path, ".wasm") {
				answer.StatusCode = http.StatusNotFound
			}
		}, "(status 404)"},
		{"a broken program", func(path string, answer *http.Response) {
			if strings.HasSuffix(path, ".wasm") {
				replace(answer, "\x00asm, or not")
			}
		}, "could not be started"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			typed := make(chan struct{})
			proxy := &httputil.ReverseProxy{
				Rewrite: func(r *httputil.ProxyRequest) {
					r.SetURL(target)
					r.Out.Header.Del("Accept-Encoding") // so that it can be read here
				},
				ModifyResponse: func(answer *http.Response) error {
					path := answer.Request.URL.Path
					if strings.Contains(path, "load.") {
						select { // nothing fails before something is typed
						case <-typed:
						case <-answer.Request.Context().Done():
						}
					}
					test.alter(path, answer)
					return nil
				},
			}
			s := httptest.NewServer(proxy)
			defer s.Close()
			b := newTab(t)
			go func() { _ = chromedp.Do(b.ctx, chromedp.Navigate(s.URL)) }() // it waits for load.js
			b.await("the shell", `byId("compose") !== null`)
			b.put("compose", "typed early", "")
			close(typed)
			b.await(test.says, `!byId("boot-error").hidden && `+js(`says("boot-error").includes`, test.says))
			if got := evaluate[string](b, "asking the page", `byId("compose").value`); got != "typed early" {
				t.Errorf("what is left of what was typed: got %q, want %q", got, "typed early")
			}
			if test.name == "the wrong type" {
				b.axe("start-failed")
			}
		})
	}
}

// A proxy in front asks for a password, and the page's address has it: the page loads,
// connects, and can be forgotten, as the same guest each time.
func TestPasswordInTheAddress(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	target, _ := url.Parse(server.URL())
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "ann" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="chat"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	defer s.Close()
	b := open(t, strings.Replace(s.URL, "http://", "http://ann:secret@", 1)+"/r/den")
	was := b.welcomedAs()
	b.reload()
	if now := b.welcomedAs(); now != was {
		t.Errorf("the user after a reload: got %s, want %s", now, was)
	}
	b.name("Ann")
	b.do("an eye on reloads", `window.before = true`)
	b.click("me")
	b.click("forget")
	b.click("forget-yes")
	b.awaitReload()
	b.awaitConnected()
	if now := b.welcomedAs(); now == was {
		t.Errorf("the user after Forget me: got %s, want another one", now)
	}
}

// replace puts another body into an answer.
func replace(answer *http.Response, body string) {
	answer.Body = io.NopCloser(strings.NewReader(body))
	answer.ContentLength = int64(len(body))
	answer.Header.Set("Content-Length", fmt.Sprint(len(body)))
}
