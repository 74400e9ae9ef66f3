//go:build !js

package main

import (
	"context"
	"fmt"
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
	b.await(what, `byId("compose").value === `+js("String", text))
}

// TestComposer: how it grows, what Enter does, and what its hint says.
func TestComposer(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := newTab(t)
	ann.atStart(script("composer.js"))
	ann.open(server.URL())
	ann.name("Ann")
	ann.awaitFocus("compose")
	ann.do("a short line", `oneLine = byId("compose").clientHeight`)
	for i := range 12 {
		ann.keys("a line", fmt.Sprint(i))
		ann.keys("Shift+Enter", kb.Enter, chromedp.ModifierShift)
	}
	ann.await("eight lines, and no more", `Math.abs(lines() - 8) < 0.2 && byId("compose").scrollHeight > byId("compose").clientHeight`)
	ann.keys("sending", kb.Enter)
	ann.awaitMessage("0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11")
	ann.await("one line again", `byId("compose").clientHeight === oneLine`)

	// A word that is still being put together is the input method's. Its Enter
	// ends the word and has the code 229, or comes within the composition.
	ann.run("composing", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, input.ImeSetComposition, input.ImeSetCompositionParams{Text: "こん", SelectionStart: 2, SelectionEnd: 2})
		return err
	}))
	ann.awaitComposer("the word so far", "こん")
	ann.keys("Enter", kb.Enter)
	ann.do("Safari's Enter", `enterOf229()`)
	ann.run("the whole word", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, input.InsertText, input.InsertTextParams{Text: "こんにちは"})
		return err
	}))
	ann.await("that nothing was sent", `byId("compose").value.includes("こんにちは") && messages().length === 1`)
	ann.do("emptying", `byId("compose").select()`)
	ann.keys("Delete", kb.Delete)

	ann.run("a long text", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, input.InsertText, input.InsertTextParams{Text: strings.Repeat("é", 4097)})
		return err
	}))
	ann.await("a counter", `says("hint") === "4,097 of 4,096 characters" && byId("hint").classList.contains("over")`)
	ann.axe("composer-over")
	ann.picture("composer-over")
	ann.keys("Enter", kb.Enter)
	ann.await("why it is not sent", `says("hint").includes("the maximum is 4096") && byId("compose").value.length === 4097`)
	ann.keys("one less", kb.Backspace)
	ann.await("the counter", `says("hint") === "4,096 of 4,096 characters" && !byId("hint").classList.contains("over")`)
	ann.keys("Enter", kb.Enter)
	ann.await("that it is sent", `byId("compose").value === "" && messages().length === 2`)
	ann.awaitSettled()
	ann.calm()

	server.Kill()
	ann.awaitDisconnected()
	ann.keys("three messages", "a"+kb.Enter+"b"+kb.Enter+"c"+kb.Enter)
	ann.await("what becomes of them", `says("hint") === "Will send when reconnected (3 queued)"`)
	server.Start()
	ann.awaitConnected()
	ann.awaitSettled()
	ann.await("nothing to say", `says("hint") === ""`)

	// On a phone Enter breaks the line.
	ann.do("a finger", `window.matchMedia = query => ({matches: query.includes("coarse")})`)
	ann.keys("two lines", "one"+kb.Enter+"two")
	ann.awaitComposer("two lines", "one\ntwo")
	ann.serverWasAway()
	ann.calm()
}

// TestSendingPauses: a server that asks to wait is waited for, in words, and
// nothing is lost.
func TestSendingPauses(t *testing.T) {
	t.Parallel()
	// 3 go at once, and 2 more while the server holds the page back. Only a page that
	// takes 15 s to send the others is not refused.
	const sent = 20
	server := startServer(t, "--rate", "1")
	ann := newTab(t)
	ann.atStart(script("composer.js"))
	ann.open(server.URL())
	ann.name("Ann")
	ann.do("watching", `watchHint()`)
	ann.do("more than the server takes", js("sendAll", "m", sent))
	ann.await("a countdown", `said.some(text => /^Sending resumes in \d s \(\d+ queued\)\|\d s$/.test(text))`)
	var want []string
	for i := range sent {
		want = append(want, fmt.Sprint("m", i))
	}
	ann.awaitMessage(want[sent-1])
	ann.awaitSettled()
	ann.wantMessages("Ann", want)
	ann.await("nothing to wait for", `says("hint") === "" && says("wait") === ""`)
	ann.calm()
}

// TestDrafts: what was begun is in its room after a change of room and after a
// reload, and a tab takes nothing from another one.
func TestDrafts(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := openAs(t, "Ann", server.URL()+"r/den")
	ann.keys("a draft", "for the den")
	ann.goTo("hall")
	ann.awaitComposer("an empty field", "")
	ann.awaitRooms("the draft's mark", "hall", "den, a draft")
	ann.keys("another one", "for the hall")
	ann.reload()
	ann.awaitComposer("the draft after a reload", "for the hall")
	ann.axe("draft")
	ann.picture("draft")

	// A second tab of the same browser.
	second := openIn(t, ann.ctx, server.URL()+"r/attic")
	second.goTo("hall")
	second.awaitComposer("the draft in another tab", "for the hall")
	second.keys("more", "!")
	ann.awaitComposer("what is in this tab's field", "for the hall")
	ann.goTo("attic") // a tab that only looks does not write
	ann.goTo("hall")
	ann.awaitComposer("the draft that was typed last", "for the hall!")
	second.keys("sending", kb.Enter)
	second.awaitMessage("for the hall!")
	ann.goTo("den")
	ann.awaitComposer("the other room's draft", "for the den")
	ann.await("no draft in the hall", `!roomRows().includes("hall, a draft")`)

	// A store that is full does no harm.
	ann.do("filling it", `Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError") }`)
	ann.keys("more", ", again")
	ann.goTo("hall")
	ann.goTo("den")
	ann.awaitComposer("the draft that the page alone has", "for the den, again")
	ann.calm()
	second.calm()
}

// TestTypingRightAfterChangingRooms: what is typed right behind the step to another room is
// for that one, also when the browser has no time to draw it.
func TestTypingRightAfterChangingRooms(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	enter(t, server, "den", "Bob").say("anybody?")
	ann := openAs(t, "Ann", server.URL())
	ann.await("the den in the list", `roomLink("den")`)
	ann.do("going there, with no frame to draw it", `holdFrames(); roomLink("den").click()`)
	ann.keys("writing", "for the den"+kb.Enter+"later")
	ann.do("drawing it", `letFrames()`)
	ann.awaitRoom("den")
	ann.awaitMessage("for the den")
	ann.awaitComposer("what was not sent", "later")
	ann.await("whose draft it is", `Object.keys(localStorage).filter(key => key.startsWith("draft/")).join() === "draft/den"`)
	ann.calm()
}

// TestTypingBeforeTheProgramStarts: what is typed while the wasm is on its way stays.
func TestTypingBeforeTheProgramStarts(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := newTab(t)
	held := make(chan hold.RequestID, 8)
	if err := chromedp.Listen(ann.ctx, func(event any) {
		if e, ok := event.(*hold.EventRequestPaused); ok {
			held <- e.RequestID
		}
	}); err != nil {
		t.Fatal(err)
	}
	wasm := hold.EnableParams{Patterns: []*hold.RequestPattern{{URLPattern: "*.wasm"}}}
	call(ann, hold.Enable, wasm)
	ann.run("opening", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.Navigate, page.NavigateParams{URL: server.URL()}) // whose load does not end
		return err
	}))
	ann.await("the shell", `document.body?.dataset.boot === "starting" && visible("compose")`)
	ann.put("compose", "early bird", "")
	select {
	case request := <-held:
		call(ann, hold.ContinueRequest, hold.ContinueRequestParams{RequestID: request})
	case <-time.After(servertest.Patience):
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
