//go:build !js

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// keys presses keys where the focus is.
func (b *tab) keys(what, keys string, hold ...chromedp.Modifier) {
	b.t.Helper()
	b.run(what, chromedp.KeyEvent(keys, chromedp.KeyModifiers(hold...)))
}

// roomRows is what the column of rooms shows, as it is heard.
const roomRows = `Array.from(document.querySelectorAll("#room-list a"), a => a.querySelector(".name").textContent + a.querySelector(".unseen").textContent)`

func (b *tab) awaitRooms(what string, rows ...string) {
	b.t.Helper()
	b.await(what, fmt.Sprintf(`JSON.stringify(%s) === JSON.stringify(%s)`, roomRows, jsList(rows)))
}

func jsList(texts []string) string {
	list := "["
	for _, text := range texts {
		list += fmt.Sprintf("%q,", text)
	}
	return list + "]"
}

func (b *tab) awaitRoom(name string) {
	b.t.Helper()
	b.await("room "+name, fmt.Sprintf(`document.getElementById("room-name").textContent === %q && location.pathname === "/r/%s"`, name, name))
}

// awaitFocus waits until the element with that id is the one that keys go to.
func (b *tab) awaitFocus(id string) {
	b.t.Helper()
	b.await("focus on "+id, fmt.Sprintf(`document.activeElement.id === %q`, id))
}

// TestRoomsAreFoundByKeys: filter, create, step, and the way back, without a
// mouse.
func TestRoomsAreFoundByKeys(t *testing.T) {
	server := startServer(t)
	browser := startBrowser(t)
	bob := openAs(t, browser, server.URL()+"r/garden")
	bob.name("Bob")
	for _, room := range []string{"garden", "ops-east", "ops-west"} {
		bob.run("going to "+room, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`sendEvent("change_room", {name: %q})`, room)))
		bob.await("the room", fmt.Sprintf(`document.getElementById("room-name").textContent === %q`, room))
		bob.say("in " + room)
		bob.awaitSettled()
	}
	ann := openAs(t, browser, server.URL())
	ann.name("Ann")
	ann.awaitRooms("the rooms by activity", "ops-west", "ops-east", "garden", "general")

	ann.keys("Ctrl+K", "k", chromedp.ModifierCtrl)
	ann.awaitFocus("go-room")
	ann.keys("a filter", "OPS")
	ann.awaitRooms("those that match", "ops-west", "ops-east", "Create #ops")
	ann.axe("rooms-filter")
	ann.picture("rooms-filter")
	ann.keys("down to the second", kb.ArrowDown+kb.ArrowDown+kb.Enter)
	ann.awaitRoom("ops-east")
	ann.awaitMessage("in ops-east")
	ann.awaitFocus("compose")
	ann.awaitRooms("all rooms again", "ops-west", "ops-east", "garden")

	ann.keys("the room below", kb.ArrowDown, chromedp.ModifierAlt)
	ann.awaitRoom("garden")
	ann.keys("the room above", kb.ArrowUp, chromedp.ModifierAlt)
	ann.awaitRoom("ops-east")
	ann.await("what is said of it", `document.getElementById("announce").textContent === "Room ops-east, 0 unread"`)

	ann.keys("Ctrl+K", "k", chromedp.ModifierCtrl)
	ann.keys("what no room is called", "a§b")
	ann.await("why there is none", `document.getElementById("go-none").checkVisibility() && document.getElementById("go-none").textContent.startsWith("No room “a§b”.")`)
	ann.axe("rooms-none")
	ann.picture("rooms-none")
	ann.keys("Esc", kb.Escape)
	ann.awaitRooms("all rooms again", "ops-west", "ops-east", "garden")
	ann.awaitFocus("go-room")
	ann.keys("Esc", kb.Escape)
	ann.awaitFocus("compose")

	ann.keys("a new room", "k", chromedp.ModifierCtrl)
	ann.keys("its name", "My Den"+kb.Enter)
	ann.awaitRoom("my-den")
	ann.await("an empty room", `document.getElementById("empty").checkVisibility()`)
	ann.calm()
}

// refusing makes the server refuse the room vault and the message "no". This one
// does neither, an operator's may: the answer is put in its place on the way.
const refusing = `window.WebSocket = class extends WebSocket {
	send(frame) {
		const event = JSON.parse(frame);
		const room = event.type === "change_room" && event.payload.name === "vault", message = event.type === "send_message" && event.payload.message === "no";
		if (!room && !message) return super.send(frame);
		const payload = {code: "unsupported", message: room ? "this room is for its keepers" : "not here"};
		this.dispatchEvent(new MessageEvent("message", {data: JSON.stringify({type: "error", id: event.id, payload})}));
	}
}`

// TestRoomThatIsRefused: what is said instead of a room, and the way back.
func TestRoomThatIsRefused(t *testing.T) {
	server := startServer(t)
	browser := startBrowser(t)
	ann := newTab(t, browser, chromedp.WithNewBrowserContext())
	ann.atStart(refusing)
	ann.run("opening", chromedp.Navigate(server.URL()+"r/hall"))
	ann.name("Ann")
	ann.say("in the hall")
	ann.run("a room that is shut", chromedp.SendKeys(chromedp.CSS("#go-room"), "vault"+kb.Enter))
	ann.await("why", `document.getElementById("refused-why").checkVisibility() && document.getElementById("refused-why").textContent === "This room is for its keepers."`)
	ann.await("no composer", `!document.getElementById("compose").checkVisibility()`)
	ann.awaitFocus("refused-back")
	ann.axe("refused")
	ann.picture("refused")
	ann.keys("the way back", kb.Enter)
	ann.awaitRoom("hall")
	ann.awaitMessage("in the hall")
	ann.awaitFocus("compose")

	// And where there is no room at all.
	ann.run("leaving", chromedp.Evaluate[chromedp.Void](`sendEvent("leave_room", {name: "hall"})`))
	ann.await("a way to one", `document.getElementById("refused-back").checkVisibility() && document.getElementById("refused-back").textContent === "Go to #general"`)
	ann.calm()
}

// listEvery is the page's.
const listEvery = 30 * time.Second

// untilListed returns how long after the news that a room was read on another
// device this one has asked for the list.
func (b *tab) untilListed() time.Duration {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var read time.Time
	for _, f := range b.frames {
		switch {
		case !f.sent && strings.Contains(f.text, `"type":"read"`) && strings.Contains(f.text, `"den"`) && read.IsZero():
			read = f.at
		case f.sent && strings.Contains(f.text, `"type":"list_rooms"`) && !read.IsZero():
			return f.at.Sub(read)
		}
	}
	b.t.Fatal("no room was read on another device, or the list not asked for")
	return 0
}

// TestUnreadIsTheServers: a second device of the same person agrees.
func TestUnreadIsTheServers(t *testing.T) {
	server := startServer(t)
	browser := startBrowser(t)
	ann := openAs(t, browser, server.URL()+"r/den")
	ann.name("Ann")
	bob := openAs(t, browser, server.URL()+"r/den")
	bob.name("Bob")
	bob.say("one")
	ann.awaitMessage("one")
	ann.await("that it is read", `!document.title.startsWith("(")`)
	ann.run("leaving the den", chromedp.SendKeys(chromedp.CSS("#go-room"), "hall"+kb.Enter))
	ann.awaitRoom("hall")
	bob.say("two")
	bob.say("three")
	bob.awaitSettled()

	second := openSecondDevice(t, browser, ann, server.URL()+"r/hall")
	second.awaitRooms("what is unread", "den, 2 unread", "hall")
	second.await("the title", `document.title === "(2) #hall"`)
	ann.run("coming back to the page, which asks for the list", chromedp.Evaluate[chromedp.Void](`void document.dispatchEvent(new Event("visibilitychange"))`))
	ann.awaitRooms("the first device agrees", "den, 2 unread", "hall")
	ann.run("reading", chromedp.SendKeys(chromedp.CSS("#go-room"), "den"+kb.Enter))
	ann.await("what is said of it", `document.getElementById("announce").textContent === "Room den, 2 unread"`)
	ann.awaitMessage("three")
	second.awaitRooms("that it was read elsewhere", "den", "hall")
	if waited := second.untilListed(); waited > listEvery/3 {
		t.Errorf("what was read elsewhere shows %v later, with the list's next turn", waited)
	}
	if got := ann.messages(); !slices.Equal(got, []string{"one", "two", "three"}) {
		t.Errorf("the den shows %q", got)
	}
	ann.calm()
	second.calm()
}
