//go:build !js

package main

import (
	"testing"

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
