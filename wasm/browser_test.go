//go:build !js

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"websockets/server/servertest"
)

func TestMain(m *testing.M) {
	code := servertest.Main(m)
	for _, stop := range stopChromium {
		stop()
	}
	os.Exit(code)
}

// shells are names of Chromium without its window, menus and notifications. The page
// runs in it as in the whole browser, for half the CPU time.
var shells = []string{"chromium-headless-shell", "headless-shell"}

var wholeBrowsers = []string{"chromium", "chromium-browser", "google-chrome"}

// sharedShell and sharedBrowser start the browsers of all tests, which run until
// TestMain stops them. Tests that run at the same time share nothing but their
// processes: each has profiles of its own.
var (
	sharedShell   = sync.OnceValues(func() (context.Context, error) { return startChromium(slices.Concat(shells, wholeBrowsers)) })
	sharedBrowser = sync.OnceValues(func() (context.Context, error) { return startChromium(wholeBrowsers) })
)

// stopChromium has one function for each browser that was started. It ends the browser
// and waits until it has ended.
var stopChromium []context.CancelFunc

var errNoChromium = errors.New("there is no Chromium to run the page in")

// startChromium starts the first of these programs that is installed.
func startChromium(names []string) (context.Context, error) {
	var path string
	for _, name := range names {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil, fmt.Errorf("%w; install %s", errNoChromium, names[0])
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // as root, in a container, there is none
		chromedp.WindowSize(1280, 800),
		chromedp.WSURLReadTimeout(servertest.Patience),
		// It talks to the tests' servers and to nobody else.
		chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-quic", true),
		// And gives each of its pages as much time as it would in the foreground.
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
	)
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocator) // ends with the allocator's
	if err := chromedp.Do(ctx); err != nil {
		cancel()
		return nil, fmt.Errorf("starting %s: %w", path, err)
	}
	stopChromium = append(stopChromium, cancel)
	return ctx, nil
}

// chromium returns the browser that most tests share, or skips the test if there is
// none.
func chromium(t *testing.T) context.Context {
	t.Helper()
	return running(t, sharedShell)
}

// wholeChromium is chromium for what the shell does not have.
func wholeChromium(t *testing.T) context.Context {
	t.Helper()
	return running(t, sharedBrowser)
}

func running(t *testing.T, start func() (context.Context, error)) context.Context {
	t.Helper()
	ctx, err := start()
	if errors.Is(err, errNoChromium) {
		t.Skipf("NOT RUN: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	return ctx
}

// startServer runs a server that has the page inside. It takes messages at any
// rate, unless a flag says otherwise.
func startServer(t *testing.T, flags ...string) *servertest.Process {
	t.Helper()
	if built, _ := filepath.Glob("../static/dist/*.wasm"); len(built) == 0 {
		t.Skip("NOT RUN: the browser client is not built; run ./build.sh")
	}
	return servertest.Start(t, append([]string{"--rate", "0"}, flags...)...)
}

// newProfile makes a browser profile, which lives without any of its tabs: what
// the browser stores is that of one user.
func newProfile(t *testing.T) context.Context {
	t.Helper()
	profile, cancel := chromedp.NewContext(chromium(t), chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(profile); err != nil {
		t.Fatal(err)
	}
	return profile
}

// open opens a page as somebody new: in a profile of its own.
func open(t *testing.T, url string) *tab {
	t.Helper()
	b := newTab(t)
	b.open(url)
	return b
}

// openAs opens a page as somebody new and gives them a name.
func openAs(t *testing.T, name, url string) *tab {
	t.Helper()
	b := open(t, url)
	b.name(name)
	return b
}

// openIn opens a page in a profile, or in that of another tab.
func openIn(t *testing.T, profile context.Context, url string) *tab {
	t.Helper()
	b := newTabIn(t, profile)
	b.open(url)
	return b
}

// openSecondDevice opens a page in another profile as the same person: the session
// is all that they share.
func openSecondDevice(t *testing.T, first *tab, url string) *tab {
	t.Helper()
	has, err := chromedp.Call(first.ctx, network.GetCookies, network.GetCookiesParams{})
	if err != nil || len(has.Cookies) != 1 {
		t.Fatalf("the session of the first device: got %+v, %v, want one cookie", has, err)
	}
	b := newTab(t)
	call(b, network.SetCookie, network.SetCookieParams{Name: has.Cookies[0].Name, Value: has.Cookies[0].Value, URL: url})
	b.open(url)
	return b
}

// newTab is an empty tab in a profile of its own, for a test that has to prepare
// it before the page is there.
func newTab(t *testing.T) *tab {
	t.Helper()
	return newTabIn(t, chromium(t), chromedp.WithNewBrowserContext())
}

func newTabIn(t *testing.T, profile context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(profile, options...)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	call(b, network.Enable, network.EnableParams{})
	call(b, log.Enable, cdp.Empty{})
	b.believesInFocus(true)
	b.atStart(script("helpers.js"))
	return b
}
