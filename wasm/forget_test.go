//go:build !js

package main

import (
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

// Forgotten, a browser is somebody new in all its tabs, and what had not been sent
// never is.
func TestForgetMe(t *testing.T) {
	server := startServer(t)
	middle := startMiddle(t, server)
	browser := startBrowser(t)
	profile := startProfile(t, browser)
	one := openTab(t, profile, middle.URL+"r/den")
	one.name("Ann")
	one.say("sent")
	one.awaitSettled()
	two := openTab(t, profile, middle.URL)
	was := one.welcomedAs()
	if two.welcomedAs() != was {
		t.Fatal("two tabs are two users")
	}
	for _, b := range []*tab{one, two} {
		b.run("an eye on reloads", chromedp.Evaluate[chromedp.Void](`window.before = true`))
	}
	middle.cut()
	one.awaitDisconnected()
	two.awaitDisconnected()
	one.say("never sent")
	one.awaitOutbox(1)
	one.run("a draft and a bell", chromedp.Evaluate[chromedp.Void](`localStorage.setItem("draft/den", "secret"); localStorage.setItem("bell/den", "on")`))

	one.run("the reader's name", chromedp.Click(chromedp.CSS("#me")))
	one.axe("change-name")
	one.run("the link there", chromedp.Click(chromedp.CSS("#forget")))
	one.await("the question", `document.getElementById("forget-dialog").open &&
		document.getElementById("forget-unsent").innerText === "1 message has not been sent. It would be lost." &&
		document.activeElement.id === "forget-no"`)
	one.axe("forget")
	one.run("on second thoughts", chromedp.Click(chromedp.CSS("#forget-no")))
	one.awaitOutbox(1)

	// The server away: nothing is forgotten.
	server.Kill()
	one.run("the reader's name", chromedp.Click(chromedp.CSS("#me")), chromedp.Click(chromedp.CSS("#forget")), chromedp.Click(chromedp.CSS("#forget-yes")))
	one.await("why not", `/Nothing has been forgotten/.test(document.getElementById("forget-error").textContent)`)
	one.awaitOutbox(1)
	server.Start()

	one.run("yes", chromedp.Click(chromedp.CSS("#forget-yes")))
	for _, b := range []*tab{one, two} {
		b.awaitReload()
		b.await("the first page", `location.pathname === "/"`)
		b.await("nothing stored", `Object.keys(localStorage).length === 0 && sessionStorage.length === 0`)
	}
	middle.open()
	for _, b := range []*tab{one, two} {
		b.run("no more waiting", chromedp.Evaluate[chromedp.Void](`dispatchEvent(new Event("online"))`))
		b.awaitConnected()
	}
	now := one.welcomedAs()
	if now == was || two.welcomedAs() != now {
		t.Errorf("the tabs were %s, and are %s and %s", was, now, two.welcomedAs())
	}
	one.await("the question for a name", `document.getElementById("name-dialog").open && document.getElementById("name").value === ""`)
	bob := openAs(t, browser, server.URL()+"r/den")
	bob.name("Bob")
	one.name("Somebody")
	one.run("to the den", chromedp.SendKeys(chromedp.CSS("#go-room"), "den\r"))
	one.awaitMessage("sent")
	one.say("hello from nobody you know")
	bob.awaitMessage("hello from nobody you know")
	if got := bob.messages(); !slices.Equal(got, []string{"sent", "hello from nobody you know"}) {
		t.Errorf("the den shows %q", got)
	}
}

// A tab that hears that all is forgotten opens the page anew and does not pass that
// on: tabs that answer each other would never stop.
func TestForgettingIsToldOnce(t *testing.T) {
	server := startServer(t)
	profile := startProfile(t, startBrowser(t))
	one, two := openTab(t, profile, server.URL()), openTab(t, profile, server.URL())
	for _, b := range []*tab{one, two} {
		b.awaitConnected()
		b.run("an eye on reloads", chromedp.Evaluate[chromedp.Void](`window.before = true`))
	}
	one.run("an eye on what is told", chromedp.Evaluate[chromedp.Void](`told = []; addEventListener("storage", e => e.newValue === null || told.push(e.key))`))
	two.run("hearing it", chromedp.Evaluate[chromedp.Void](`dispatchEvent(new StorageEvent("storage", {key: "forgotten", newValue: ""}))`))
	two.awaitReload()
	two.awaitConnected()
	two.run("what comes after", chromedp.Evaluate[chromedp.Void](`localStorage.setItem("after", "")`))
	one.await("what two has told", `window.before && told.at(-1) === "after" && !told.includes("forgotten")`)
}
