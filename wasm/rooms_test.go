//go:build !js

package main

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"websockets/server/servertest"
	"websockets/shared"
)

// awaitRooms waits until the column of rooms shows these, as a screen reader says
// them.
func (b *tab) awaitRooms(what string, rows ...string) {
	b.t.Helper()
	b.await(what, js("listsRooms", rows))
}

// TestRoomsAreFoundByKeys: filter, create, step, and the way back, without a
// mouse.
func TestRoomsAreFoundByKeys(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	bob := openAs(t, "Bob", server.URL()+"r/garden")
	for _, room := range []string{"garden", "ops-east", "ops-west"} {
		bob.goTo(room)
		bob.say("in " + room)
		bob.awaitSettled()
	}
	ann := openAs(t, "Ann", server.URL())
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
	ann.await("what is said of it", `says("announce") === "Room ops-east, 0 unread"`)

	ann.keys("Ctrl+K", "k", chromedp.ModifierCtrl)
	ann.keys("what no room is called", "a§b")
	ann.await("why there is none", `visible("go-none") && says("go-none").startsWith("No room “a§b”.")`)
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
	ann.await("an empty room", `visible("empty")`)
	ann.calm()
}

// TestRoomThatIsRefused: what is said instead of a room, and the way back.
func TestRoomThatIsRefused(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := newTab(t)
	ann.atStart(script("refusing.js"))
	ann.open(server.URL() + "r/hall")
	ann.name("Ann")
	ann.say("in the hall")
	ann.put("go-room", "vault", kb.Enter)
	ann.await("why", `visible("refused-why") && says("refused-why") === "This room is for its keepers."`)
	ann.await("no composer", `!visible("compose")`)
	ann.awaitFocus("refused-back")
	ann.axe("refused")
	ann.picture("refused")
	ann.keys("the way back", kb.Enter)
	ann.awaitRoom("hall")
	ann.awaitMessage("in the hall")
	ann.awaitFocus("compose")

	// And where there is no room at all.
	ann.do("leaving", `void sendEvent("leave_room", {name: "hall"})`)
	ann.await("a way to one", `visible("refused-back") && says("refused-back") === "Go to #general"`)
	ann.calm()
}

// TestUnreadOnTwoDevices: a second device of the same person agrees.
func TestUnreadOnTwoDevices(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := openAs(t, "Ann", server.URL()+"r/den")
	bob := openAs(t, "Bob", server.URL()+"r/den")
	bob.say("one")
	ann.awaitMessage("one")
	ann.await("that it is read", `!document.title.startsWith("(")`)
	ann.goTo("hall")
	bob.say("two")
	bob.say("three")
	bob.awaitSettled()

	second := openSecondDevice(t, ann, server.URL()+"r/hall")
	second.awaitRooms("what is unread", "den, 2 unread", "hall")
	second.await("the title", `document.title === "(2) #hall"`)
	ann.do("coming back to the page, which asks for the list", `void document.dispatchEvent(new Event("visibilitychange"))`)
	ann.awaitRooms("the first device agrees", "den, 2 unread", "hall")
	// A page that is not seen does not ask for the list by itself: only the news
	// that a room was read on another device makes it do so.
	second.do("being hidden", `Object.defineProperty(document, "hidden", {value: true})`)
	ann.put("go-room", "den", kb.Enter)
	ann.await("what is said of it", `says("announce") === "Room den, 2 unread"`)
	ann.awaitMessage("three")
	second.awaitRooms("that it was read elsewhere", "den", "hall")
	ann.wantMessages("Ann in the den", []string{"one", "two", "three"})
	ann.calm()
	second.calm()
}

// TestAllRoomsAreReached: with more rooms than a page of the list, the rest is loaded by
// scrolling, by a button, and by the keys; the filter finds every room at once.
func TestAllRoomsAreReached(t *testing.T) {
	t.Parallel()
	const rooms = 500
	server := startServer(t)
	bob := servertest.Dial(t, server.WS(), servertest.DialOptions{})
	for i := range rooms {
		_, err := servertest.Ask(bob, shared.ChangeRoom, shared.JoinPayload{Name: fmt.Sprintf("room-%03d", i)}, shared.RoomJoined)
		if err == nil {
			_, err = servertest.Ask(bob, shared.SendMessage, shared.SendMessagePayload{Message: "hi"}, shared.Ack)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	listed := func(n int) string { return fmt.Sprintf(`document.querySelectorAll("#room-list li").length === %d`, n) }
	ann := openAs(t, "Ann", server.URL())
	ann.await("the first page, and the current room", listed(201))
	ann.await("a button for more", `visible("more-rooms")`)
	ann.axe("rooms-more")

	ann.do("scrolling", `byId("room-list").scrollTop = byId("room-list").scrollHeight`)
	ann.await("the second page, by scrolling", listed(401))
	ann.await("the focus on the button", `focusOn("more-rooms")`)
	ann.keys("the button", kb.Enter)
	ann.await("all rooms, and no more", listed(501)+` && !visible("more-rooms")`)
	ann.await("the focus in the list", `document.activeElement.matches("#room-list a")`)

	ann.put("go-room", "room-007", "")
	ann.awaitRooms("an old room by the filter", "room-007")
	ann.click("go-clear")
	ann.put("go-room", "room", "")
	ann.await("those of a filter, and the row that creates", listed(501))
	ann.calm()

	eve := openAs(t, "Eve", server.URL())
	eve.await("the first page", listed(201))
	eve.put("go-room", "room-007", "")
	eve.awaitRooms("a room that is not listed yet", "room-007")
	eve.click("go-clear")
	eve.put("go-room", "oom-0", "")
	eve.await("a page of a filter, and the row that creates", listed(101))
	eve.calm()
}
