//go:build !js

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

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

// TestLongMessageIsFolded: thousands of lines are some, and a button for the others.
func TestLongMessageIsFolded(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	bob := enter(t, server, "general", "Bob")
	bob.say("a" + strings.Repeat("\n", 4000) + "https://go.dev/end")
	for i := range 30 {
		bob.say(fmt.Sprint("after ", i))
	}
	ann := newTab(t)
	ann.atStart(script("timeline.js"))
	ann.open(server.URL())
	ann.name("Ann")
	ann.awaitMessage("after 29")
	const row, height = `messages()[0]`, `messages()[0].offsetHeight`
	const button = `messages()[0].querySelector("[data-act=fold]")`
	if got := evaluate[float64](ann, "height", height); got > 600 {
		t.Errorf("height of the folded message: got %.0f pixels, want at most 600", got)
	}
	ann.do("scrolling to it", button+`.scrollIntoView({block: "center"})`)
	ann.await("the way down", `!atEnd()`)
	ann.axe("folded-message")
	ann.picture("folded-message")
	ann.do("scrolling to it", button+`.scrollIntoView({block: "center"}); window.place = `+row+`.getBoundingClientRect().top`)
	ann.await("the button", button+`.textContent === "Show more" && `+button+`.ariaExpanded === "false"`)
	ann.do("unfolding it", button+`.click()`)
	ann.await("all of it", height+` > 40000 && bodyOf(`+row+`).length === 4019 && `+row+`.querySelector("a").href === "https://go.dev/end"`)
	ann.await("its beginning in place", `Math.abs(`+row+`.getBoundingClientRect().top - place) < 2`)

	ann.do("to its end", button+`.scrollIntoView({block: "center"}); window.place = `+row+`.getBoundingClientRect().bottom`)
	ann.do("folding it", button+`.click()`)
	ann.await("some of it", height+` < 600 && `+button+`.textContent === "Show more"`)
	ann.await("its end in place", `Math.abs(`+row+`.getBoundingClientRect().bottom - place) < 2`)
	ann.calm()
}

// TestNamesFromRightToLeft: they reorder nothing beside them.
func TestNamesFromRightToLeft(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	const name = "דנה!"
	dana := openAs(t, name, server.URL())
	ann := newTab(t)
	ann.atStart(script("text.js"))
	ann.open(server.URL())
	ann.name("Ann")
	dana.say("שלום https://go.dev/a/ מה נשמע")
	ann.awaitMessage("שלום https://go.dev/a/ מה נשמע")
	// Somebody who has just sent a message is not typing for a while, and not for long.
	var typing []bool
	ann.eventually("who is typing", func() bool {
		dana.keys("typing", "x")
		typing = evaluate[[]bool](ann, "the typing line", `says("typing").includes("is typing") ? [`+
			js("leftOf", "!", "דנה")+`(byId("typing")), `+js("leftOf", "דנה", "is typing")+`(byId("typing"))] : []`)
		return len(typing) > 0
	})
	if !slices.Equal(typing, []bool{true, true}) {
		t.Errorf("typing line: got the name from right to left: %v, at the beginning: %v, want both", typing[0], typing[1])
	}
	for what, where := range map[string]string{
		"in the member's row":   `Array.from(document.querySelectorAll("#member-list li")).find(e => e.textContent.includes("דנה"))`,
		"in the message's head": `document.querySelector("#messages .head")`,
		"in their button":       `byId("me")`,
	} {
		b := ann
		if what == "in their button" {
			b = dana
			b.do("loading the script", script("text.js"))
		}
		// What ends the name stands to the left of it.
		if !evaluate[bool](b, what, js("leftOf", "!", "דנה")+`(`+where+`)`) {
			t.Errorf("%s: the name %s is not shown from right to left", what, name)
		}
	}
	if !evaluate[bool](ann, "the link", js("leftOf", "https", "/a/")+`(messages()[0].querySelector("a"))`) {
		t.Error("the link is not shown from left to right")
	}
	ann.picture("right-to-left")
	ann.calm()
}
