//go:build !js

package main

import (
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

func TestDrawerShowsEvents(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := newTab(t)
	ann.atStart(script("drawer.js"))
	ann.open(server.URL() + "?debug")
	ann.name("Ann")
	rows := evaluate[[]string](ann, "asking the page", `eventRows()`)
	if len(rows) < 3 || rows[0] != "received welcome" || !slices.Contains(rows, "received room_joined") {
		t.Fatalf("with ?debug the drawer begins with: got %q, want welcome, and room_joined among others", rows)
	}
	ann.say("hello")
	ann.await("the ack with its sequence", `eventRows().includes("received ack seq 1") && eventRows().includes("received new_message seq 1")`)
	ann.await("the round trip", `/^(<1|\d+) ms$/.test(tripOf("send_message"))`)

	// Filter, and look into an event, with the keyboard alone.
	ann.put("drawer-filter", "message", "")
	ann.await("the filter", `JSON.stringify(eventRows()) === '["sent send_message","received new_message seq 1"]'`)
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
	ann.do("no filter", `noFilter()`)
	send := func(text string) {
		t.Helper()
		ann.do("emptying the field", `byId("drawer-event").value = ""`)
		ann.put("drawer-event", text, kb.Enter)
	}
	for text, want := range map[string]string{`{"type":`: "JSON", `{"payload":{}}`: "no type", `[]`: "event"} {
		send(text)
		ann.await("what is wrong with "+text, `!byId("drawer-error").hidden && `+js(`says("drawer-error").includes`, want))
	}
	send(`{"type":"no_such_thing","id":"mine"}`)
	ann.await("the server's error", `eventRows().slice(-2).join() === "sent no_such_thing,received error" && byId("drawer-error").hidden`)

	// Paused it stands still and says so; it keeps a hundred.
	ann.click("drawer-pause")
	ann.await("the button pressed", `pressed("drawer-pause")`)
	ann.do("an event meanwhile", `pings(1)`)
	ann.await("what is missed", `/missed while paused/.test(says("drawer-words"))`)
	ann.run("going on, cleared", chromedp.Click(chromedp.CSS("#drawer-pause")), chromedp.Click(chromedp.CSS("#drawer-clear")))
	ann.await("nothing", `document.querySelectorAll("#drawer-list li").length === 0`)
	ann.do("flooding", `pings(60)`)
	ann.await("the last hundred", `lastHundred()`)
	ann.await("the end in sight", `scrolledToEnd("drawer-scroll")`)

	// Closed and opened by keys, it begins anew; closed it listens to nothing.
	ann.press("e", chromedp.ModifierCtrl, chromedp.ModifierShift)
	ann.await("the drawer closed", `byId("drawer").hidden && focused("compose")`)
	ann.say("unseen")
	ann.awaitSettled()
	ann.press("e", chromedp.ModifierCtrl, chromedp.ModifierShift)
	ann.await("the drawer open", `!byId("drawer").hidden && focused("drawer-event")`)
	if rows := evaluate[[]string](ann, "asking the page", `eventRows()`); len(rows) > 20 || strings.Contains(strings.Join(rows, " "), "message") {
		t.Errorf("the drawer, opened again: got %q, want nothing of before and of while it was closed", rows)
	}
	ann.press(kb.Escape)
	ann.await("the drawer closed by Escape", `byId("drawer").hidden`)
	ann.calm()
}
