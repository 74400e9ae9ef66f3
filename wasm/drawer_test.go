//go:build !js

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// press presses a key with Control and Shift, wherever the focus is.
func (b *tab) press(key string, modifiers ...chromedp.Modifier) {
	b.t.Helper()
	b.run("pressing "+key, chromedp.KeyEvent(key, chromedp.KeyModifiers(modifiers...)))
}

// eventRows are the rows of the drawer as a reader of the screen hears them.
const eventRows = `Array.from(document.querySelectorAll("#drawer-list summary"), s =>
	[s.querySelector(".way .unseen").textContent, s.querySelector("b").textContent, s.querySelector(".seq").textContent].join(" ").trim())`

func TestDrawerShowsEvents(t *testing.T) {
	server := startServer(t)
	browser := startBrowser(t)
	ann := openAs(t, browser, server.URL()+"?debug")
	ann.name("Ann")
	rows := evaluate[[]string](ann, "asking the page", eventRows)
	if len(rows) < 3 || rows[0] != "received welcome" || !slices.Contains(rows, "received room_joined") {
		t.Fatalf("with ?debug the drawer begins with %q", rows)
	}
	ann.say("hello")
	ann.await("the ack with its sequence", eventRows+`.includes("received ack seq 1") && `+eventRows+`.includes("received new_message seq 1")`)
	ann.await("the round trip", `/^(<1|\d+) ms$/.test([...document.querySelectorAll("#drawer-list summary")].find(s =>
		s.querySelector("b").textContent === "send_message").querySelector(".trip").textContent)`)

	// Filter, and look into an event, with the keyboard alone.
	ann.run("filtering", chromedp.SendKeys(chromedp.CSS("#drawer-filter"), "message"))
	ann.await("the filter", `JSON.stringify(`+eventRows+`) === '["sent send_message","received new_message seq 1"]'`)
	ann.press(kb.Tab) // pause
	ann.press(kb.Tab) // clear
	ann.press(kb.Tab) // close
	ann.press(kb.Tab)
	ann.await("the one row that Tab goes to", `document.activeElement === document.querySelector("#drawer-list li:last-child summary")`)
	ann.press(kb.ArrowUp)
	ann.await("the row before", `document.activeElement === document.querySelector("#drawer-list li:first-child summary")`)
	ann.press(kb.Enter)
	ann.await("its JSON", `document.querySelector("#drawer-list li[data-way=sent] pre").textContent.startsWith('{\n  "type": "send_message",\n  "payload": {\n    "room": "general",\n    "message": "hello"\n  },\n  "id": "')`)
	ann.axe("drawer")

	// An event that is written out.
	ann.run("no filter", chromedp.Evaluate[chromedp.Void](`(f => { f.value = ""; f.dispatchEvent(new Event("input")) })(document.getElementById("drawer-filter"))`))
	send := func(text string) {
		t.Helper()
		ann.run("emptying the field", chromedp.Evaluate[chromedp.Void](`document.getElementById("drawer-event").value = ""`))
		ann.run("sending "+text, chromedp.SendKeys(chromedp.CSS("#drawer-event"), text+kb.Enter))
	}
	for text, want := range map[string]string{`{"type":`: "JSON", `{"payload":{}}`: "no type", `[]`: "event"} {
		send(text)
		ann.await("what is wrong with "+text, fmt.Sprintf(`!document.getElementById("drawer-error").hidden &&
			document.getElementById("drawer-error").textContent.includes(%q)`, want))
	}
	send(`{"type":"no_such_thing","id":"mine"}`)
	ann.await("the server's error", eventRows+`.slice(-2).join() === "sent no_such_thing,received error" && document.getElementById("drawer-error").hidden`)

	// Paused it stands still and says so; it keeps a hundred.
	ann.run("pausing", chromedp.Click(chromedp.CSS("#drawer-pause")))
	ann.await("the button pressed", `document.getElementById("drawer-pause").getAttribute("aria-pressed") === "true"`)
	ann.run("an event meanwhile", chromedp.Evaluate[chromedp.Void](`sendEvent("ping")`))
	ann.await("what is missed", `/missed while paused/.test(document.getElementById("drawer-words").textContent)`)
	ann.run("going on, cleared", chromedp.Click(chromedp.CSS("#drawer-pause")), chromedp.Click(chromedp.CSS("#drawer-clear")))
	ann.await("nothing", `document.querySelectorAll("#drawer-list li").length === 0`)
	ann.run("flooding", chromedp.Evaluate[chromedp.Void](`for (let i = 0; i < 60; i++) sendEvent("ping")`))
	// 60 pings, then 60 pongs, and what else goes past: all pongs are there, and of
	// the dropped ones all that were not pings went past.
	ann.await("the last hundred", `(rows => {
		const dropped = Number(/^100, (2\d) older dropped$/.exec(document.getElementById("drawer-words").textContent)?.[1]);
		const count = what => rows.filter(row => row === what).length;
		return rows.length === 100 && count("received pong") === 60 && dropped >= 60 - count("sent ping");
	})(`+eventRows+`)`)
	ann.await("the end in sight", `(s => s.scrollHeight - s.scrollTop - s.clientHeight < 2)(document.getElementById("drawer-scroll"))`)

	// Closed and opened by keys, it begins anew; closed it listens to nothing.
	ann.press("e", chromedp.ModifierCtrl, chromedp.ModifierShift)
	ann.await("the drawer closed", `document.getElementById("drawer").hidden && document.activeElement.id === "compose"`)
	ann.say("unseen")
	ann.awaitSettled()
	ann.press("e", chromedp.ModifierCtrl, chromedp.ModifierShift)
	ann.await("the drawer open", `!document.getElementById("drawer").hidden && document.activeElement.id === "drawer-event"`)
	if rows := evaluate[[]string](ann, "asking the page", eventRows); len(rows) > 20 || strings.Contains(strings.Join(rows, " "), "message") {
		t.Errorf("what was there, or went past while it was closed, is there: %q", rows)
	}
	ann.press(kb.Escape)
	ann.await("the drawer closed by Escape", `document.getElementById("drawer").hidden`)
	ann.calm()
}
