//go:build !js

package main

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// tabTo presses Tab until the element with that id has the focus, which must not
// be far.
func (b *tab) tabTo(id string, hold ...chromedp.Modifier) {
	b.t.Helper()
	for range 12 {
		b.keys("Tab", kb.Tab, hold...)
		if evaluate[bool](b, "asking for the focus", js("focused", id)) {
			b.await("a focus that is seen", `document.activeElement.matches(":focus-visible")`)
			return
		}
	}
	b.t.Fatalf("twelve times Tab do not reach %s", id)
}

// TestKeyboardOnly: everything that a visitor does, without a mouse, in a
// window that has no room for the members.
func TestKeyboardOnly(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	bob := openAs(t, "Bob", server.URL()+"r/garden")
	bob.say("in the garden")

	ann := newTabWithNotices(t, "granted", "granted")
	ann.atStart(script("refusing.js"))
	ann.size(800, 700)
	ann.open(server.URL())

	ann.awaitFocus("name")
	ann.keys("a name", "Ann"+kb.Enter)
	ann.awaitFocus("compose")
	ann.keys("a message", "hello"+kb.Enter)
	ann.awaitMessage("hello")

	// The list of keys gives the focus back.
	ann.keys("Ctrl+/", "/", chromedp.ModifierCtrl)
	ann.await("the keys", `byId("keys-dialog").open && document.querySelectorAll("#keys-list kbd").length > 10`)
	ann.axe("keys")
	ann.picture("keys")
	ann.size(800, 700)
	ann.keys("Esc", kb.Escape)
	ann.await("no dialog", `!byId("keys-dialog").open`)
	ann.awaitFocus("compose")
	ann.tabTo("keys", chromedp.ModifierShift)
	ann.keys("Enter", kb.Enter)
	ann.await("the keys", `byId("keys-dialog").open`)
	ann.keys("Ctrl+/", "/", chromedp.ModifierCtrl)
	ann.await("no dialog", `!byId("keys-dialog").open`)
	ann.awaitFocus("keys")

	// The protocol types a key's character also where the page has prevented it.
	ann.run("/", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeRawKeyDown, Key: "/"})
		return err
	}))
	ann.awaitFocus("go-room")
	ann.keys("a room", "gard")
	ann.awaitRooms("the room", "garden", "Create #gard")
	ann.keys("Enter", kb.Enter)
	ann.awaitRoom("garden")
	ann.awaitMessage("in the garden")
	ann.awaitFocus("compose")

	ann.tabTo("bell", chromedp.ModifierShift)
	ann.keys("the bell", " ")
	ann.await("that it is on", `pressed("bell")`)
	ann.tabTo("members-toggle")
	ann.keys("the members", kb.Enter)
	ann.await("the members", `visible("members") && document.querySelectorAll("#member-list li").length === 2`)
	ann.awaitFocus("members-close")
	ann.axe("the members over the room")
	ann.keys("Esc", kb.Escape)
	ann.await("no members", `!visible("members")`)
	ann.awaitFocus("members-toggle")
	ann.keys("again", kb.Enter)
	ann.awaitFocus("members-close")
	ann.keys("out of them, for nothing holds the focus", kb.Tab, chromedp.ModifierShift)
	ann.await("another focus", `!byId("members").contains(document.activeElement)`)
	ann.keys("Esc", kb.Escape)
	ann.await("no members", `!visible("members")`)

	// A message that the server refuses is decided on by keys too.
	ann.keys("the message box", "k", chromedp.ModifierCtrl)
	ann.keys("Esc", kb.Escape)
	ann.awaitFocus("compose")
	ann.keys("what is refused", "no"+kb.Enter)
	ann.await("the refusal", `document.querySelector('li.message[data-state="rejected"] [data-act="delete"]')?.checkVisibility()`)
	ann.keys("back to it", kb.Tab, chromedp.ModifierShift)
	ann.await("its button", `document.activeElement.dataset.act === "delete" && document.activeElement.matches(":focus-visible")`)
	ann.keys("deleting it", kb.Enter)
	ann.await("that it is gone", `!document.querySelector('li.message[data-state="rejected"]')`)
	ann.awaitFocus("compose")
	ann.calm()
}

// TestKeysOfOtherLayouts: on a keyboard without Latin letters a shortcut is the key in the
// same place.
func TestKeysOfOtherLayouts(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := openAs(t, "Ann", server.URL())
	press := func(key, code string, vk int64, hold ...chromedp.Modifier) {
		t.Helper()
		ann.await("focus on the composer", js("focusOn", "compose"))
		var modifiers int64
		for _, m := range hold {
			modifiers |= int64(m)
		}
		ann.run(key, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, input.DispatchKeyEvent, input.DispatchKeyEventParams{
				Type: input.DispatchKeyEventTypeRawKeyDown, Key: key, Code: code, WindowsVirtualKeyCode: vk, Modifiers: modifiers,
			})
			return err
		}))
	}
	for _, key := range []string{"k", "л", "κ", "ל", "ن"} {
		press(key, "KeyK", 75, chromedp.ModifierCtrl)
		ann.awaitFocus("go-room")
	}
	for _, key := range []string{"У", "Ε", "ק"} {
		press(key, "KeyE", 69, chromedp.ModifierCtrl, chromedp.ModifierShift)
		ann.await("the drawer with "+key, `visible("drawer")`)
		ann.click("drawer-close")
		ann.await("no drawer", `!visible("drawer")`)
	}
	press(".", "Slash", 191, chromedp.ModifierCtrl)
	ann.await("the keys", `byId("keys-dialog").open`)
	ann.calm()
}
