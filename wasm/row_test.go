//go:build !js

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"websockets/shared"
)

// TestHostileText: whatever people write is shown as they wrote it, and harms
// neither the page nor its neighbours.
func TestHostileText(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	const name = `<i>Eve</i> "&amp;`
	eve := enter(t, server, "general", name)
	nasty := []string{
		`<img src=x onerror="document.title='broken'"><script>document.title="broken"</script>`,
		`javascript:document.title="broken" and [click](javascript:alert(1)) data:text/html,<script>1</script>`,
		"\u202eright to left, not closed",
		"\u2066\u202d isolates and overrides \u2069\u2069\u2069\u202c\u202c",
		"zero\u200bwidth\u200d\ufeff\u2060 and \u00ad soft",
		"\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 mixed",
		strings.Repeat("\U0001f600", shared.MaxMessageLength),
		strings.Repeat("W", 4000),
		"Z" + strings.Repeat("\u0334\u0300\u0325\u0359", 200),
		"https://example.com/" + strings.Repeat("a", 3000),
		strings.Repeat("\n", 20) + "far down" + strings.Repeat(" ", 300) + "|",
	}
	eve.say(nasty...)
	bob := enter(t, server, "general", "Bob")
	kind := []string{"\U0001f44d\U0001f3fd \u2764\ufe0f", "run `go test ./...` first", "unharmed"}
	bob.say(kind...)

	b := newTab(t)
	b.atStart(script("text.js"))
	b.open(server.URL())
	b.name("Ann")
	b.awaitMessage("unharmed")
	kind[1] = "run go test ./... first" // the backticks are shown by what stands in them
	b.wantMessages("Ann", append(slices.Clone(nasty), kind...))
	if got := evaluate[string](b, "the name", `document.querySelector("#messages .from").textContent`); got != name {
		t.Errorf("the name: got %q, want %q", got, name)
	}
	if got := evaluate[[]string](b, "links", `linkProtocols()`); !slices.Equal(got, []string{"https:"}) {
		t.Errorf("the links' protocols: got %q, want https: once", got)
	}
	if got := evaluate[string](b, "the title", `document.title`); strings.Contains(got, "broken") {
		t.Errorf("the title: got %q, want that of the page", got)
	}
	if got := evaluate[string](b, "code", `messages().at(-2).querySelector("code").textContent`); got != "go test ./..." {
		t.Errorf("the code: got %q, want go test ./...", got)
	}
	if got := evaluate[[]string](b, "sizes", `fontSizes()`); !slices.Equal(got, []string{"32px", "15px"}) {
		t.Errorf("emoji alone, and text: got %q, want 32 and 15 pixels", got)
	}
	for _, bad := range evaluate[[]string](b, "times", `badTimes()`) {
		t.Errorf("a time: got %s, want one of now with its zone", bad)
	}
	b.do("scrolling up", `byId("scroll").scrollTop = 0`)
	b.await("the way down", `!atEnd()`)
	b.picture("hostile-text")
	for _, width := range []int64{1280, 800, 390} {
		b.dress("light", width, 760)
		for _, wide := range evaluate[[]string](b, "widths", `tooWide()`) {
			t.Errorf("at %d pixels it is too wide: %s", width, wide)
		}
		for _, cut := range evaluate[[]string](b, "lines", `cutOff()`) {
			t.Errorf("at %d pixels it does not fit: %q", width, cut)
		}
		// The row after the unclosed overrides reads from left to right.
		if apart := evaluate[float64](b, "the last row", `timeBehindName()`); apart < 0 || apart > 40 {
			t.Errorf("at %d pixels the time stands behind the name: got %.0f pixels, want 0 to 40", width, apart)
		}
	}
	b.wellBehaved()
}

// TestMessageStates: a message is one and the same row from the moment it is
// written, and says what became of it and what can be done.
func TestMessageStates(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	g := startGate(t, server.Addr)
	ann := openTimeline(t, "Ann", "http://127.0.0.1:"+g.port+"/")
	ann.say("first")
	ann.awaitSettled()
	g.close()
	ann.awaitDisconnected()
	ann.do("watching the rows", `countTaken()`)
	ann.say("written without a connection")
	ann.await("its state", `stateOf(lastRow()) === "pending: Waiting for the connection"`)
	ann.await("the clock, after 400 ms", `getComputedStyle(lastRow().querySelector(".state")).opacity === "1" && lastRow().querySelector(".state svg").getBoundingClientRect().width > 0`)
	ann.picture("waiting")
	ann.do("keeping the row", `window.kept = lastRow()`)
	g.open()
	ann.await("that it is sent", `kept.isConnected && stateOf(kept) === "sent: Sent"`)
	if taken := evaluate[float64](ann, "rows taken out", `taken`); taken != 0 {
		t.Errorf("rows taken out on the way: got %v, want none", taken)
	}

	// What an earlier page could not send, in the browser's store.
	for _, kept := range []struct{ id, text, state, reason string }{
		{"f1", "failed one", "failed", "the connection was closed with code 1009"},
		{"r1", "rejected one", "rejected", "too loud"},
		{"u1", "unsure one", "unsure", "part of the room's log is gone: this message may have been sent"},
		{"u2", "unsure two", "unsure", "as well"},
	} {
		ann.do("putting it into the store", js("keep", kept.id, map[string]string{"message": kept.text, "state": kept.state, "reason": kept.reason}))
	}
	ann.reload()
	ann.awaitMessage("unsure two")
	ann.picture("undecided")
	for id, want := range map[string]string{
		"f1": "Not sent · Retry · Delete",
		"r1": "Not accepted: too loud · Edit · Delete",
		"u1": "May have been sent already · Send again · Delete",
	} {
		if got := evaluate[string](ann, "what is said", js("offers", id)); got != want {
			t.Errorf("%s says: got %q, want %q", id, got, want)
		}
	}
	do := func(id, act string) {
		// Not with the mouse: the row moves when "Sent" goes from one above it.
		ann.do(act+" "+id, fmt.Sprintf(`rowOf("%s").querySelector('[data-act="%s"]').click()`, id, act))
	}
	ann.do("keeping the rows", `window.f1 = rowOf("f1"); window.u1 = rowOf("u1")`)
	do("f1", "retry")
	ann.await("that it is sent", `f1.isConnected && f1.dataset.state === "sent"`)
	do("u1", "retry")
	ann.await("that it is sent again", `u1.isConnected && u1.dataset.state === "sent"`)
	do("u2", "delete")
	ann.await("that it is gone", `!rowOf("u2")`)
	do("r1", "edit")
	ann.await("the text in the composer", `byId("compose").value === "rejected one" && focused("compose") && !rowOf("r1")`)
	ann.awaitOutbox(0)
}

// TestLongMessageIsFolded: a message of thousands of lines takes little of the page. It
// unfolds where it begins, by mouse or keyboard, and folds where it ends.
func TestLongMessageIsFolded(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	bob := enter(t, server, "general", "Bob")
	for range 40 {
		bob.say("before")
	}
	bob.say("a"+strings.Repeat("\n", 4000)+"https://example.com/", "after")
	ann := openTimeline(t, "Ann", server.URL())
	ann.awaitMessage("after")
	ann.do("keeping the row", `window.long = messages().at(-2); window.button = long.querySelector("[data-act=fold]")`)
	state := func(what, label string, least, most float64) {
		t.Helper()
		ann.await(what, js("isLabelled", label))
		if high := evaluate[float64](ann, "its height", `long.getBoundingClientRect().height`); high < least || high > most {
			t.Errorf("%s: got a row of %.0f pixels, want %.0f to %.0f", what, high, least, most)
		}
	}
	const moreThanAScreen = 50_000
	state("folded", "Show more false", 100, 600)
	unfold := func() {
		t.Helper()
		was := evaluate[float64](ann, "where it begins", `long.getBoundingClientRect().top`)
		ann.do("unfolding", `button.click()`)
		state("unfolded", "Show less true", moreThanAScreen, 2*moreThanAScreen)
		if now := evaluate[float64](ann, "where it begins", `long.getBoundingClientRect().top`); now < was-2 || now > was+2 {
			t.Errorf("unfolded: got its beginning at %.0f pixels, want it where it was, at %.0f", now, was)
		}
		ann.await("the way down", `!atEnd()`)
		ann.do("reading to its end", `button.scrollIntoView({block: "center"}); button.focus()`)
		ann.press(kb.Enter)
		state("folded again", "Show more false", 100, 600)
		ann.await("its button in sight, with the focus", `document.activeElement === button && inSight(button)`)
	}
	unfold()
	ann.await("the end", `atEnd()`)
	for range 30 {
		bob.say("afterwards")
	}
	bob.say("the very last")
	ann.awaitMessage("the very last")
	ann.do("scrolling its beginning out of sight", `scrollTimeline(long.getBoundingClientRect().top - byId("scroll").getBoundingClientRect().top + 100)`)
	ann.await("the way down", `!atEnd()`)
	unfold()
	// Whoever tabs to a link that is folded away sees it.
	ann.do("going to its link", `long.querySelector("a").focus({focusVisible: true})`)
	ann.await("that it is in sight", `inSight(long.querySelector("a"))`)
	if got := evaluate[string](ann, "a short message's button", `getComputedStyle(lastRow().querySelector("[data-act=fold]")).display`); got != "none" {
		t.Errorf("the button of a short message: got display %s, want none", got)
	}
	ann.wellBehaved()
}
