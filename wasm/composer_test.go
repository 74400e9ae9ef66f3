//go:build !js

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	hold "github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"websockets/server/servertest"
)

func (b *tab) awaitComposer(what, text string) {
	b.t.Helper()
	b.await(what, fmt.Sprintf(`document.getElementById("compose").value === %q`, text))
}

// TestComposer: how it grows, what Enter does, and what its hint says.
func TestComposer(t *testing.T) {
	server := startServer(t)
	browser := startBrowser(t)
	ann := openAs(t, browser, server.URL())
	ann.name("Ann")
	ann.awaitFocus("compose")
	ann.run("a short line", chromedp.Evaluate[chromedp.Void](`window.line = document.getElementById("compose").clientHeight`))
	for i := range 12 {
		ann.keys("a line", fmt.Sprint(i))
		ann.keys("Shift+Enter", kb.Enter, chromedp.ModifierShift)
	}
	ann.await("eight lines, and no more", `(() => {
		const field = document.getElementById("compose"), lines = (field.clientHeight - line) / parseFloat(getComputedStyle(field).lineHeight);
		return Math.abs(lines - 7) < 0.2 && field.scrollHeight > field.clientHeight;
	})()`)
	ann.keys("sending", kb.Enter)
	ann.awaitMessage("0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11")
	ann.await("one line again", `document.getElementById("compose").clientHeight === line`)

	// A word that is still being put together is the input method's. Its Enter
	// ends the word and has the code 229, or comes within the composition.
	ann.run("composing", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, input.ImeSetComposition, input.ImeSetCompositionParams{Text: "こん", SelectionStart: 2, SelectionEnd: 2})
		return err
	}))
	ann.awaitComposer("the word so far", "こん")
	ann.keys("Enter", kb.Enter)
	ann.run("Safari's Enter", chromedp.Evaluate[chromedp.Void](
		`document.getElementById("compose").dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", keyCode: 229, bubbles: true, cancelable: true}))`))
	ann.run("the whole word", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, input.InsertText, input.InsertTextParams{Text: "こんにちは"})
		return err
	}))
	ann.await("that nothing was sent", `document.getElementById("compose").value.includes("こんにちは") && document.querySelectorAll("#messages li.message").length === 1`)
	ann.run("emptying", chromedp.Evaluate[chromedp.Void](`document.getElementById("compose").select()`))
	ann.keys("Delete", kb.Delete)

	ann.run("a long text", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, input.InsertText, input.InsertTextParams{Text: strings.Repeat("é", 4097)})
		return err
	}))
	ann.await("a counter", `document.getElementById("hint").textContent === "4,097 of 4,096 characters" && document.getElementById("hint").classList.contains("over")`)
	ann.axe("composer-over")
	ann.picture("composer-over")
	ann.keys("Enter", kb.Enter)
	ann.await("why it is not sent", `document.getElementById("hint").textContent.includes("4096 are the most") && document.getElementById("compose").value.length === 4097`)
	ann.keys("one less", kb.Backspace)
	ann.await("the counter", `document.getElementById("hint").textContent === "4,096 of 4,096 characters" && !document.getElementById("hint").classList.contains("over")`)
	ann.keys("Enter", kb.Enter)
	ann.await("that it is sent", `document.getElementById("compose").value === "" && document.querySelectorAll("#messages li.message").length === 2`)
	ann.awaitSettled()
	ann.calm()

	server.Kill()
	ann.await("noticing", `document.getElementById("connection").dataset.state !== "connected"`)
	ann.keys("three messages", "a"+kb.Enter+"b"+kb.Enter+"c"+kb.Enter)
	ann.await("what becomes of them", `document.getElementById("hint").textContent === "Will send when reconnected (3 queued)"`)
	server.Start()
	ann.awaitConnected()
	ann.awaitSettled()
	ann.await("nothing to say", `document.getElementById("hint").textContent === ""`)

	// On a phone Enter breaks the line.
	ann.run("a finger", chromedp.Evaluate[chromedp.Void](`window.matchMedia = query => ({matches: query.includes("coarse")})`))
	ann.keys("two lines", "one"+kb.Enter+"two")
	ann.awaitComposer("two lines", "one\ntwo")
	ann.expected("net::ERR_CONNECTION_REFUSED") // attempts while the server was away
	ann.calm()
}

// TestSendingPauses: a server that asks to wait is waited for, in words, and
// nothing is lost.
func TestSendingPauses(t *testing.T) {
	if built, _ := filepath.Glob("../static/dist/*.wasm"); len(built) == 0 {
		t.Skip("NOT RUN: the browser client is not built; run ./build.sh")
	}
	server := servertest.Start(t, "--rate", "10")
	browser := startBrowser(t)
	ann := openAs(t, browser, server.URL())
	ann.name("Ann")
	ann.run("watching", chromedp.Evaluate[chromedp.Void](`window.said = [];
		void new MutationObserver(() => said.push(hint.textContent + "|" + wait.textContent)).observe(document.getElementById("hint"), {childList: true})`))
	ann.run("more than the server takes", chromedp.Evaluate[chromedp.Void](`for (let i = 0; i < 80; i++) sendEvent("send_message", {message: "m" + i})`))
	ann.await("a countdown", `said.some(text => /^Sending goes on in \d s \(\d+ queued\)\|\d s$/.test(text))`)
	ann.await("all of them, once", `(() => { const all = `+bodies+`; return all.length === 80 && all.every((text, i) => text === "m" + i); })()`)
	ann.awaitSettled()
	ann.await("nothing to wait for", `hint.textContent === "" && wait.textContent === ""`)
	ann.calm()
}

// TestDrafts: what was begun is in its room after a change of room and after a
// reload, and a tab takes nothing from another one.
func TestDrafts(t *testing.T) {
	server := startServer(t)
	browser := startBrowser(t)
	ann := openAs(t, browser, server.URL()+"r/den")
	ann.name("Ann")
	goTo := func(b *tab, room string) {
		t.Helper()
		b.keys("Ctrl+K", "k", chromedp.ModifierCtrl)
		b.keys(room, room+kb.Enter)
		b.awaitRoom(room)
	}
	ann.keys("a draft", "for the den")
	goTo(ann, "hall")
	ann.awaitComposer("an empty field", "")
	ann.awaitRooms("the draft's mark", "hall", "den, a draft")
	ann.keys("another one", "for the hall")
	ann.run("reloading", chromedp.Reload())
	ann.awaitConnected()
	ann.awaitComposer("the draft after a reload", "for the hall")
	ann.axe("draft")
	ann.picture("draft")

	// A second tab of the same browser.
	second := openTab(t, ann.ctx, server.URL()+"r/attic")
	goTo(second, "hall")
	second.awaitComposer("the draft in another tab", "for the hall")
	second.keys("more", "!")
	ann.awaitComposer("what is in this tab's field", "for the hall")
	goTo(ann, "attic") // a tab that only looks does not write
	goTo(ann, "hall")
	ann.awaitComposer("the draft that was typed last", "for the hall!")
	second.keys("sending", kb.Enter)
	second.awaitMessage("for the hall!")
	goTo(ann, "den")
	ann.awaitComposer("the other room's draft", "for the den")
	ann.await("no draft in the hall", `!`+roomRows+`.includes("hall, a draft")`)

	// A store that is full does no harm.
	ann.run("filling it", chromedp.Evaluate[chromedp.Void](`Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError") }`))
	ann.keys("more", ", again")
	goTo(ann, "hall")
	goTo(ann, "den")
	ann.awaitComposer("the draft that the page alone has", "for the den, again")
	ann.calm()
	second.calm()
}

// TestTypedIntoTheNextRoom: what is typed right behind the step to another room is
// for that one, also when the browser has no time to draw it.
func TestTypedIntoTheNextRoom(t *testing.T) {
	server := startServer(t)
	browser := startBrowser(t)
	bob := startWriter(t, server, "den", "Bob")
	bob.write("anybody?")
	bob.acked.Wait()
	ann := openAs(t, browser, server.URL())
	ann.name("Ann")
	const den = `document.querySelector('#room-list a[href="/r/den"]')`
	ann.await("the den in the list", den)
	ann.run("going there, with no frame to draw it", chromedp.Evaluate[chromedp.Void](holdFrames+den+`.click()`))
	ann.keys("writing", "for the den"+kb.Enter+"later")
	ann.run("drawing it", chromedp.Evaluate[chromedp.Void](`letFrames()`))
	ann.awaitRoom("den")
	ann.awaitMessage("for the den")
	ann.awaitComposer("what was not sent", "later")
	ann.await("whose draft it is", `Object.keys(localStorage).filter(key => key.startsWith("draft/")).join() === "draft/den"`)
	ann.calm()
}

// TestTypedBeforeTheProgram: what is typed while the wasm is on its way stays.
func TestTypedBeforeTheProgram(t *testing.T) {
	server := startServer(t)
	browser := startBrowser(t)
	ann := newTab(t, browser, chromedp.WithNewBrowserContext())
	held := make(chan hold.RequestID, 8)
	if err := chromedp.Listen(ann.ctx, func(event any) {
		if e, ok := event.(*hold.EventRequestPaused); ok {
			held <- e.RequestID
		}
	}); err != nil {
		t.Fatal(err)
	}
	wasm := hold.EnableParams{Patterns: []*hold.RequestPattern{{URLPattern: "*.wasm"}}}
	if _, err := chromedp.Call(ann.ctx, hold.Enable, wasm); err != nil {
		t.Fatal(err)
	}
	ann.run("opening", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.Navigate, page.NavigateParams{URL: server.URL()}) // whose load does not end
		return err
	}))
	ann.await("the shell", `document.body?.dataset.boot === "starting" && document.getElementById("compose").checkVisibility()`)
	ann.run("typing", chromedp.SendKeys(chromedp.CSS("#compose"), "early bird"))
	select {
	case request := <-held:
		if _, err := chromedp.Call(ann.ctx, hold.ContinueRequest, hold.ContinueRequestParams{RequestID: request}); err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("the page has not asked for its program")
	}
	ann.awaitConnected()
	ann.awaitComposer("what was typed", "early bird")
	ann.name("Ann")
	ann.awaitFocus("compose")
	ann.keys("more", " sings"+kb.Enter)
	ann.awaitMessage("early bird sings")
	ann.calm()
}
