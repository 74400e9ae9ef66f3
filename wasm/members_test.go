//go:build !js

package main

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestMembersAndTyping: a person in two tabs is there once, and who has sent a
// message is not said to be typing beside it.
func TestMembersAndTyping(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := newTab(t)
	ann.atStart(script("members.js"))
	ann.open(server.URL())
	ann.name("Ann")
	second := openIn(t, ann.ctx, server.URL())
	bob := openAs(t, "Bob", server.URL())
	ann.await("both of them", `says("count") === "2 online" && onlineMembers() === "Ann,you,Bob"`)
	ann.axe("members")
	ann.picture("members")
	second.do("closing one of the two tabs", `window.close()`)

	// The typing line keeps its height. When the message's row comes, the line is
	// empty: no frame shows both.
	ann.do("watching", `watchTyping()`)
	bob.keys("typing", "hello")
	ann.await("that Bob types", `line.textContent === "Bob is typing…" && line.offsetHeight === height`)
	bob.keys("sending", kb.Enter)
	ann.awaitMessage("hello")
	ann.await("an empty line", `beside.length > 0 && beside.every(text => text === "") && line.textContent === "" && line.offsetHeight === height`)
	ann.await("one Ann still", `says("count") === "2 online"`)
	ann.calm()
	bob.calm()
}
