//go:build !js

package main

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestMembersAndTyping: a person in two tabs is there once, and who has sent a
// message is not said to be typing beside it.
func TestMembersAndTyping(t *testing.T) {
	server := startServer(t)
	browser := startBrowser(t)
	ann := openAs(t, browser, server.URL())
	ann.name("Ann")
	second := openTab(t, ann.ctx, server.URL())
	bob := openAs(t, browser, server.URL())
	bob.name("Bob")
	ann.await("both of them", `document.getElementById("count").textContent === "2 online" &&
		document.querySelector("#member-list.online").innerText.split(/\n/).filter(s => s.length > 1).join() === "Ann,you,Bob"`)
	ann.axe("members")
	ann.picture("members")
	second.run("closing one of the two tabs", chromedp.Evaluate[chromedp.Void](`window.close()`))

	// The typing line keeps its height. When the message's row comes, the line is
	// empty: no frame shows both.
	ann.run("watching", chromedp.Evaluate[chromedp.Void](`
		window.line = document.getElementById("typing");
		window.height = line.offsetHeight;
		window.beside = [];
		void new MutationObserver(() => beside.push(line.textContent)).observe(document.getElementById("messages"), {childList: true})`))
	bob.keys("typing", "hello")
	ann.await("that Bob types", `line.textContent === "Bob is typing…" && line.offsetHeight === height`)
	bob.keys("sending", kb.Enter)
	ann.awaitMessage("hello")
	ann.await("an empty line", `beside.length > 0 && beside.every(text => text === "") && line.textContent === "" && line.offsetHeight === height`)
	ann.await("one Ann still", `document.getElementById("count").textContent === "2 online"`)
	ann.calm()
	bob.calm()
}
