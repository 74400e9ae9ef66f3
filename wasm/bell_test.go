//go:build !js

package main

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"websockets/shared"
)

// newTabWithNotices is an empty tab whose notifications are recorded: see bell.js.
func newTabWithNotices(t *testing.T, permission, answer string) *tab {
	t.Helper()
	b := newTab(t)
	b.atStart(script("bell.js") + js("recordNotices", permission, answer))
	return b
}

// TestBell: a room with a bell tells of its messages when the reader looks
// elsewhere, also after a reload, and a click leads there.
func TestBell(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := newTabWithNotices(t, "granted", "granted")
	ann.open(server.URL() + "r/den")
	ann.name("Ann")
	bob := openAs(t, "Bob", server.URL()+"r/den")
	bob.say("before the bell")
	ann.awaitMessage("before the bell")

	ann.click("bell")
	ann.await("that it is on", `pressed("bell")`)
	bob.say("looked at")
	ann.awaitMessage("looked at")
	ann.goTo("hall")
	ann.await("the hall's bell", `!pressed("bell")`)
	bob.await("that she stays a member", `says("member-count") === "2"`)
	bob.say("are you there?")
	ann.await("a notification", `notices.length === 1 && notices[0].title === "#den · Bob" && notices[0].body === "are you there?"`)
	ann.awaitRooms("that it is unread", "den, 1 unread", "hall")
	ann.do("clicking it", `notices[0].onclick(new Event("click"))`)
	ann.awaitRoom("den")
	ann.awaitMessage("are you there?")
	ann.await("that it is gone", `notices[0].closed`)

	// The choice is this browser's, and what was there before is not told.
	ann.goTo("hall")
	joins := func() (n int) {
		for _, e := range ann.events(false, shared.RoomJoined.Name()) {
			if strings.Contains(string(e.Payload), `"room":"den"`) {
				n++
			}
		}
		return n
	}
	before := joins()
	ann.reload()
	// She counts as a member all the time: a reload is quick.
	ann.eventually("being in the den again", func() bool { return joins() > before })
	bob.say("again")
	ann.await("a notification", `notices.length === 1 && notices[0].body === "again"`)

	// A page that is not seen.
	ann.put("go-room", "den", kb.Enter)
	ann.awaitMessage("again")
	ann.do("looking at another tab", `Object.defineProperty(document, "hidden", {value: true}); document.dispatchEvent(new Event("visibilitychange"))`)
	bob.say("hello?")
	ann.await("a notification", `notices.length === 2 && notices[1].body === "hello?"`)
	ann.calm()
}

// TestBellAndTheBrowser: permission is asked on the bell's click only, and what
// the browser says is explained; where it is given, notifications are shown.
func TestBellAndTheBrowser(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := newTabWithNotices(t, "default", "denied")
	ann.open(server.URL())
	ann.name("Ann")
	ann.await("that nothing was asked", `Notification.asked === 0`)
	ann.click("bell")
	ann.await("why it stays off", `Notification.asked === 1 && !pressed("bell") &&
		visible("notice") && says("notice").includes("allow notifications, and click the bell again")`)
	ann.axe("bell-denied")
	ann.picture("bell-denied")
	ann.calm()

	// And with the browser's own notifications.
	cem := newTabIn(t, wholeChromium(t), chromedp.WithNewBrowserContext())
	cem.atStart(script("bell.js"))
	cem.open(server.URL() + "r/den")
	grant := browser.SetPermissionParams{
		Permission: &browser.PermissionDescriptor{Name: "notifications"}, Setting: browser.PermissionSettingGranted,
		BrowserContextID: chromedp.FromContext(cem.ctx).BrowserContextID,
	}
	if _, err := chromedp.CallBrowser(cem.ctx, browser.SetPermission, grant); err != nil {
		t.Fatal(err)
	}
	cem.name("Cem")
	bob := openAs(t, "Bob", server.URL()+"r/den")
	cem.do("watching", `watchNotices()`)
	cem.click("bell")
	cem.await("that it is on", `pressed("bell")`)
	cem.goTo("hall")
	bob.await("that he stays a member", `says("member-count") === "2"`)
	bob.say("ding")
	cem.await("that it is shown", `shown.includes("ding")`)
	cem.calm()
}
