//go:build !js

package main

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestTopic: what one person gives the room as its topic stands under its name for
// everybody, at once and for those who come later; it is text, and survives the
// server.
func TestTopic(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann, bob := openAs(t, "Ann", server.URL()), openAs(t, "Bob", server.URL())
	ann.await("no topic yet", `says("topic") === "Add a topic"`)

	const markup = `<b>Release</b> on Friday 🎉`
	ann.click("topic")
	ann.awaitFocus("topic-text")
	ann.axe("topic-dialog")
	ann.pictures("topic-dialog")
	ann.keys("the topic", "  "+markup+" "+kb.Enter)
	for _, b := range []*tab{ann, bob} {
		b.await("the topic", js("isTopic", markup))
	}
	ann.await("the dialog closed", `!byId("topic-dialog").open`)
	ann.awaitFocus("compose")
	ann.axe("topic")
	ann.picture("topic")

	bob.goTo("den")
	bob.await("no topic of another room", js("isTopic", "Add a topic"))
	bob.goTo("general")
	bob.await("the topic again", js("isTopic", markup))

	server.Kill()
	server.Start()
	carl := openAs(t, "Carl", server.URL())
	carl.await("the topic after a restart", js("isTopic", markup))
	carl.click("topic")
	carl.await("who set it", `says("topic-by").startsWith("Set by Ann, ")`)
	carl.do("nothing", `byId("topic-text").value = ""`)
	carl.keys("taking it away", kb.Enter)
	for _, b := range []*tab{carl, bob} {
		b.await("no topic", js("isTopic", "Add a topic"))
	}
	carl.calm()
}
