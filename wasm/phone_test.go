//go:build !js

package main

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// openOnPhone opens a page on a phone as somebody new. The browser's history begins with
// an empty page.
func openOnPhone(t *testing.T, url string) *tab {
	t.Helper()
	b := newTab(t)
	b.touch(true)
	b.size(390, 844)
	b.open(url)
	b.await("the question for a name", `byId("name-dialog").open`)
	b.click("name-later")
	b.await("no question", `!byId("name-dialog").open && !history.state?.layers`)
	return b
}

// back presses Back.
func (b *tab) back() {
	b.t.Helper()
	b.do("Back", `history.back()`)
}

// TestBackOnAPhone: Back closes what is open over the room, one thing at a time, and leads
// elsewhere only then.
func TestBackOnAPhone(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := openOnPhone(t, server.URL()+"r/first")
	ann.do("an eye on the page", `window.here = true`)
	const room = `document.body.dataset.pane === "room"`
	const rooms = `document.body.dataset.pane === "rooms"`

	ann.click("back")
	ann.await("the rooms", rooms)
	ann.back()
	ann.await("the room", room+` && here`)

	ann.click("members-toggle")
	ann.await("the members", `document.body.dataset.members === "open"`)
	ann.back()
	ann.await("no members", `document.body.dataset.members !== "open" && here`)

	ann.click("back")
	ann.await("the rooms", rooms)
	ann.click("me")
	ann.await("the dialog", `byId("name-dialog").open`)
	ann.back()
	ann.await("the rooms, without the dialog", `!byId("name-dialog").open && here && `+rooms)
	ann.back()
	ann.await("the room", room+` && here`)

	// What is closed otherwise needs no Back.
	ann.click("members-toggle")
	ann.await("the members", `document.body.dataset.members === "open" && history.state.layers === 1`)
	ann.click("members-close")
	ann.await("the entry before", `!history.state?.layers`)

	// A room takes the place of the list that led to it.
	ann.put("compose", "in the first", "")
	ann.click("back")
	ann.await("the rooms", rooms+` && history.state.layers === 1`)
	ann.put("go-room", "second", kb.Enter)
	ann.awaitRoom("second")
	ann.await("the room", room)
	ann.back()
	ann.awaitRoom("first")
	ann.await("that it is the page still", `here && !history.state?.layers && `+room)

	// The page loaded again with something open.
	ann.click("members-toggle")
	ann.await("the members", `history.state.layers === 1`)
	ann.reload()
	ann.click("members-toggle")
	ann.await("the members", `document.body.dataset.members === "open" && history.state.layers === 1`)
	ann.back()
	ann.await("no members", `document.body.dataset.members !== "open"`)
	ann.calm()

	// On a computer Back is for rooms alone.
	bob := openAs(t, "Bob", server.URL()+"r/first")
	bob.goTo("second")
	bob.keys("Ctrl+/", "/", chromedp.ModifierCtrl)
	bob.await("the keys", `byId("keys-dialog").open`)
	bob.back()
	bob.awaitRoom("first")
	bob.calm()
}

// TestEnterOnAPhone: the key says what it does.
func TestEnterOnAPhone(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := openOnPhone(t, server.URL())
	ann.put("compose", "one", kb.Enter+"two")
	ann.awaitComposer("two lines", "one\ntwo")
	if got := evaluate[string](ann, "what the key says", `byId("compose").enterKeyHint`); got != "enter" {
		t.Errorf("label of the Enter key that breaks the line: got %q, want enter", got)
	}
	bob := openAs(t, "Bob", server.URL())
	bob.await("focus on the composer", js("focusOn", "compose"))
	if got := evaluate[string](bob, "what the key says", `byId("compose").enterKeyHint`); got != "send" {
		t.Errorf("label of the Enter key that sends: got %q, want send", got)
	}
	ann.click("back")
	ann.click("keys")
	ann.await("the keys", `byId("keys-dialog").open`)
	if got, want := evaluate[string](ann, "the first key", `byId("keys-list").firstElementChild.textContent`), "EnterBreak the line"; got != want {
		t.Errorf("the first key of a phone: got %q, want %q", got, want)
	}
	ann.calm()
}
