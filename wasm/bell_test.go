//go:build !js

package main

import (
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// recorded takes the place of the browser's notifications, whose window no test
// sees: what the page shows is in window.notices.
const recorded = `window.notices = [];
window.Notification = class extends EventTarget {
	static permission = "granted";
	static asked = 0;
	static requestPermission() { this.asked++; return Promise.resolve(this.permission = window.answer || "granted"); }
	constructor(title, options) { super(); Object.assign(this, options, {title, closed: false}); window.notices.push(this); }
	close() { this.closed = true; }
}`

// TestBell: a room with a bell tells of its messages when the reader looks
// elsewhere, also after a reload, and a click leads there.
func TestBell(t *testing.T) {
	server := startServer(t)
	chromium := startBrowser(t)
	ann := newTab(t, chromium, chromedp.WithNewBrowserContext())
	ann.atStart(recorded)
	ann.run("opening", chromedp.Navigate(server.URL()+"r/den"))
	ann.name("Ann")
	bob := openAs(t, chromium, server.URL()+"r/den")
	bob.name("Bob")
	bob.say("before the bell")
	ann.awaitMessage("before the bell")

	ann.run("the bell", chromedp.Click(chromedp.CSS("#bell")))
	ann.await("that it is on", `document.getElementById("bell").getAttribute("aria-pressed") === "true"`)
	bob.say("looked at")
	ann.awaitMessage("looked at")
	ann.run("going elsewhere", chromedp.SendKeys(chromedp.CSS("#go-room"), "hall"+kb.Enter))
	ann.awaitRoom("hall")
	ann.await("the hall's bell", `document.getElementById("bell").getAttribute("aria-pressed") === "false"`)
	bob.await("that she stays a member", `document.getElementById("member-count").textContent === "2"`)
	bob.say("are you there?")
	ann.await("a notification", `notices.length === 1 && notices[0].title === "#den · Bob" && notices[0].body === "are you there?"`)
	ann.awaitRooms("that it is unread", "den, 1 unread", "hall")
	ann.run("clicking it", chromedp.Evaluate[chromedp.Void](`notices[0].onclick(new Event("click"))`))
	ann.awaitRoom("den")
	ann.awaitMessage("are you there?")
	ann.await("that it is gone", `notices[0].closed`)

	// The choice is this browser's, and what was there before is not told.
	ann.run("going elsewhere", chromedp.SendKeys(chromedp.CSS("#go-room"), "hall"+kb.Enter))
	ann.awaitRoom("hall")
	ann.run("reloading", chromedp.Reload())
	ann.awaitConnected()
	bob.await("that she is back", `document.getElementById("member-count").textContent === "2"`)
	bob.say("again")
	ann.await("a notification", `notices.length === 1 && notices[0].body === "again"`)

	// A page that is not seen.
	ann.run("back to the den", chromedp.SendKeys(chromedp.CSS("#go-room"), "den"+kb.Enter))
	ann.awaitMessage("again")
	ann.run("looking at another tab", chromedp.Evaluate[chromedp.Void](
		`Object.defineProperty(document, "hidden", {value: true}); document.dispatchEvent(new Event("visibilitychange"))`))
	bob.say("hello?")
	ann.await("a notification", `notices.length === 2 && notices[1].body === "hello?"`)
	ann.calm()
}

// TestBellAndTheBrowser: permission is asked on the bell's click only, and what
// the browser says is explained; where it is given, notifications are shown.
func TestBellAndTheBrowser(t *testing.T) {
	server := startServer(t)
	chromium := startBrowser(t)
	ann := newTab(t, chromium, chromedp.WithNewBrowserContext())
	ann.atStart(recorded + `; Notification.permission = "default"; window.answer = "denied"`)
	ann.run("opening", chromedp.Navigate(server.URL()))
	ann.name("Ann")
	ann.await("that nothing was asked", `Notification.asked === 0`)
	ann.run("the bell", chromedp.Click(chromedp.CSS("#bell")))
	ann.await("why it stays off", `Notification.asked === 1 && document.getElementById("bell").getAttribute("aria-pressed") === "false" &&
		document.getElementById("notice").checkVisibility() && document.getElementById("notice").textContent.includes("allow notifications there")`)
	ann.axe("bell-denied")
	ann.picture("bell-denied")
	ann.calm()

	// And with the browser's own notifications.
	cem := openAs(t, chromium, server.URL()+"r/den")
	grant := browser.SetPermissionParams{
		Permission: &browser.PermissionDescriptor{Name: "notifications"}, Setting: browser.PermissionSettingGranted,
		BrowserContextID: chromedp.FromContext(cem.ctx).BrowserContextID,
	}
	if _, err := chromedp.CallBrowser(cem.ctx, browser.SetPermission, grant); err != nil {
		t.Fatal(err)
	}
	cem.name("Cem")
	bob := openAs(t, chromium, server.URL()+"r/den")
	bob.name("Bob")
	cem.run("watching", chromedp.Evaluate[chromedp.Void](
		`window.shown = []; Notification = new Proxy(Notification, {construct(of, args) { const n = new of(...args); n.onshow = () => shown.push(n.body); return n; }})`))
	cem.run("the bell", chromedp.Click(chromedp.CSS("#bell")))
	cem.await("that it is on", `document.getElementById("bell").getAttribute("aria-pressed") === "true"`)
	cem.run("going elsewhere", chromedp.SendKeys(chromedp.CSS("#go-room"), "hall"+kb.Enter))
	cem.awaitRoom("hall")
	bob.await("that he stays a member", `document.getElementById("member-count").textContent === "2"`)
	bob.say("ding")
	cem.await("that it is shown", `shown.includes("ding")`)
	cem.calm()
}
