//go:build !js

package main

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// Forgotten, a browser is somebody new in all its tabs, and what had not been sent
// never is.
func TestForgetMe(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	middle := startMiddle(t, server)
	profile := newProfile(t)
	one := openIn(t, profile, middle.URL+"r/den")
	one.name("Ann")
	one.say("sent")
	one.awaitSettled()
	two := openIn(t, profile, middle.URL)
	was := one.welcomedAs()
	if two.welcomedAs() != was {
		t.Fatalf("the users of two tabs: got %s and %s, want one", was, two.welcomedAs())
	}
	for _, b := range []*tab{one, two} {
		b.do("an eye on reloads", `window.before = true`)
	}
	middle.cut()
	one.awaitDisconnected()
	two.awaitDisconnected()
	one.say("never sent")
	one.awaitOutbox(1)
	one.do("a draft and a bell", `localStorage.setItem("draft/den", "secret"); localStorage.setItem("bell/den", "on")`)

	one.click("me")
	one.axe("change-name")
	one.click("forget")
	one.await("the question", `byId("forget-dialog").open &&
		byId("forget-unsent").innerText === "1 message has not been sent and will be lost." &&
		focused("forget-no")`)
	one.axe("forget")
	one.click("forget-no")
	one.awaitOutbox(1)

	// The server away: nothing is forgotten.
	server.Kill()
	one.run("the reader's name", chromedp.Click(chromedp.CSS("#me")), chromedp.Click(chromedp.CSS("#forget")), chromedp.Click(chromedp.CSS("#forget-yes")))
	one.await("why not", `/Nothing has been removed/.test(says("forget-error"))`)
	one.awaitOutbox(1)
	server.Start()

	one.click("forget-yes")
	for _, b := range []*tab{one, two} {
		b.awaitReload()
		b.await("the first page", `location.pathname === "/"`)
		b.await("nothing stored", `Object.keys(localStorage).length === 0 && sessionStorage.length === 0`)
	}
	middle.open()
	for _, b := range []*tab{one, two} {
		b.do("no more waiting", `dispatchEvent(new Event("online"))`)
		b.awaitConnected()
	}
	now := one.welcomedAs()
	if now == was || two.welcomedAs() != now {
		t.Errorf("the tabs' users: got %s and %s, want one that is not %s", now, two.welcomedAs(), was)
	}
	one.await("the question for a name", `byId("name-dialog").open && byId("name").value === ""`)
	bob := openAs(t, "Bob", server.URL()+"r/den")
	one.name("Somebody")
	one.goTo("den")
	one.awaitMessage("sent")
	one.say("hello from nobody you know")
	bob.awaitMessage("hello from nobody you know")
	bob.wantMessages("Bob in the den", []string{"sent", "hello from nobody you know"})
}

// A tab that hears that all is forgotten opens the page anew and does not pass that
// on: tabs that answer each other would never stop.
func TestForgetMeInAnotherTab(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	profile := newProfile(t)
	one, two := openIn(t, profile, server.URL()), openIn(t, profile, server.URL())
	for _, b := range []*tab{one, two} {
		b.do("an eye on reloads", `window.before = true`)
	}
	one.do("an eye on what is told", script("forget.js")+`watchStorage()`)
	two.do("hearing it", `dispatchEvent(new StorageEvent("storage", {key: "forgotten", newValue: ""}))`)
	two.awaitReload()
	two.awaitConnected()
	two.do("what comes after", `localStorage.setItem("after", "")`)
	one.await("what two has told", `window.before && told.at(-1) === "after" && !told.includes("forgotten")`)
}

// A page that the browser has kept for Back while all was forgotten does not show what it
// had.
func TestForgottenWhileCached(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := newTab(t)
	ann.atStart(script("throwing.js"))
	ann.open(server.URL() + "r/den")
	ann.name("Ann")
	ann.say("hello")
	ann.do("an eye on reloads", `window.before = true`)
	ann.do("away and back", `leave(); comeBack()`)
	ann.put("compose", "a draft", "")
	ann.await("the draft in the store", `before && localStorage.getItem("draft/den")?.endsWith(" a draft")`)
	ann.do("forgotten while it was away", `leave(); localStorage.clear(); comeBack()`)
	ann.awaitReload()
	ann.await("the first page", `location.pathname === "/" && byId("compose").value === ""`)
	ann.calm()
}
