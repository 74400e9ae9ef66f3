//go:build !js

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"websockets/shared"
)

func TestTwoPeopleChat(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := open(t, server.URL())
	ann.picture("first-visit")
	ann.name("Ann")
	bob := openAs(t, "Bob", server.URL())

	ann.say("hello Bob")
	bob.awaitMessage("hello Bob")
	bob.say("hello Ann")
	ann.awaitMessage("hello Ann")
	ann.awaitSettled()

	// Markup is text.
	const markup = `<img src=x onerror="document.title='broken'"> <b>bold</b>`
	bob.say(markup)
	ann.awaitMessage(markup)

	// From the browser's console.
	ann.do("sendEvent", `void sendEvent("send_message", {message: "from the console"})`)
	bob.awaitMessage("from the console")
	ann.awaitSettled()
	bob.picture("two-people")

	want := []string{"hello Bob", "hello Ann", markup, "from the console"}
	for who, b := range map[string]*tab{"Ann": ann, "Bob": bob} {
		b.wantMessages(who, want)
		b.calm()
	}

	// What DevTools shows: every frame one event, the messages among them.
	sent := ann.events(true, "send_message")
	if len(sent) != 2 || !strings.Contains(string(sent[0].Payload), `"message":"hello Bob"`) || sent[0].ID == "" {
		t.Fatalf("Ann's send_message frames: got %+v, want 2, of \"hello Bob\" first", sent)
	}
	if got := bob.events(false, "new_message"); len(got) != 4 {
		t.Errorf("Bob's new_message frames: got %d, want 4", len(got))
	}
	var ack shared.AckPayload
	for _, e := range ann.events(false, "ack") {
		if e.ID == sent[1].ID {
			ack, _ = shared.Ack.Decode(e)
		}
	}
	if ack.Room != shared.DefaultRoom || ack.Seq == 0 {
		t.Errorf("the ack of the last message: got %+v, want one of %s with a sequence", ack, shared.DefaultRoom)
	}
}

func TestChangingRooms(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := openAs(t, "Ann", server.URL())
	bob := openAs(t, "Bob", server.URL()+"r/den")
	ann.say("in general")
	ann.awaitSettled()

	bob.say("in the den")
	bob.awaitSettled()
	ann.goTo("den")
	ann.awaitMessage("in the den")
	ann.wantMessages("Ann in the den", []string{"in the den"})
	ann.say("found you")
	bob.awaitMessage("found you")

	ann.run("going back", chromedp.NavigateBack())
	ann.awaitMessage("in general")
	bob.say("gone already?")
	bob.awaitSettled()
	ann.say("back here")
	ann.awaitSettled()
	ann.wantMessages("Ann in general", []string{"in general", "back here"})
	bob.wantMessages("Bob in the den", []string{"in the den", "found you", "gone already?"})
	ann.calm()
	bob.calm()
}

func TestReloadShowsTheLastFifty(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := openAs(t, "Ann", server.URL())
	var want []string
	for i := range 60 {
		want = append(want, fmt.Sprintf("message %d", i))
	}
	ann.do("sending", js("sendAll", "message ", 60))
	ann.awaitMessage("message 59")
	ann.awaitSettled()

	ann.reload()
	ann.awaitMessage("message 59")
	ann.wantMessages("Ann, after a reload,", want[10:])
	ann.await("the name that was given", `myName() === "Ann"`)
	ann.click("older")
	ann.awaitMessage("message 0")
	ann.wantMessages("Ann, with the older ones,", want)
	ann.calm()
}

// TestServerKilled: the server dies without a word and comes back; the open tabs
// reconnect by themselves, and nothing is missing and nothing is there twice.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := openAs(t, "Ann", server.URL())
	bob := openAs(t, "Bob", server.URL())

	want := []string{"before"}
	ann.say("before")
	bob.awaitMessage("before")
	for i := range 3 {
		server.Kill()
		for _, b := range []*tab{ann, bob} {
			b.awaitDisconnected()
		}
		offline := fmt.Sprintf("written while it was down %d", i)
		ann.say(offline)
		if i == 0 {
			ann.picture("reconnecting")
		}
		server.Start()
		bob.awaitMessage(offline)
		after := fmt.Sprintf("and after %d", i)
		bob.say(after)
		ann.awaitMessage(after)
		want = append(want, offline, after)
	}
	for who, b := range map[string]*tab{"Ann": ann, "Bob": bob} {
		b.awaitConnected()
		b.awaitSettled()
		b.wantMessages(who, want)
	}
}
