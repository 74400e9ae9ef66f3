//go:build !js

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"websockets/server/servertest"
)

// spoken is what the room of the pictures says: who, how many minutes ago, what.
var spoken = []struct {
	who     string
	minutes int
	text    string
}{
	{"Mira Okafor", 1510, "Moving the release to Thursday: the new read path needs one more night under load."},
	{"Jonas Weber", 1507, "Fine with me."},
	{"Jonas Weber", 1506, "I would rather we cut a day of scope than a day of soak."},
	{"Priya Natarajan", 1490, "The soak ran from 18:00. Latency is flat at 3 ms and nothing was lost, see https://status.example/soak/412?view=latency"},
	{"Mira Okafor", 74, "Good morning! Overnight numbers are in."},
	{"Mira Okafor", 73, "p99 4.1 ms, no reconnects, 212 MB resident. The only oddity is one node that was slow to hand over: it waited for `fsync` while the disk was being trimmed."},
	{"Jonas Weber", 61, "That is the drive, not us. I have seen the same on the old machines."},
	{"Lea", 58, "🎉"},
	{"Priya Natarajan", 41, "Then I will write the notes. Three things for the changelog:\n– rooms open where you stopped reading\n– a lost connection says so, and what you write waits\n– `--retain-age` in days"},
	{"Ann Berg", 33, "I can take the screenshots, I have the page open anyway."},
	{"Lea", 31, "Thank you Ann 🙏"},
	{"Jonas Weber", 12, "Who has the keys for the staging cluster?"},
	{"Priya Natarajan", 7, "I do. Give me five minutes."},
	{"Priya Natarajan", 4, "Staging is on the new build: https://staging.example/r/general"},
	{"Jonas Weber", 2, "Looks good from here. Shall we?"},
}

// aged makes the page believe that the messages of the pictures were written at
// their times.
func aged() string {
	minutes := make(map[string]int)
	for _, s := range spoken {
		minutes[s.text] = s.minutes
	}
	return script("shots.js") + js("age", minutes)
}

// converse has people talk in a room, with a page of Ann's in it who has been
// elsewhere for the last words. look is called at the states that the page has on
// the way.
func converse(t *testing.T, look func(ann *tab, state string)) (*servertest.Process, *tab) {
	t.Helper()
	server := startServer(t)
	people := make(map[string]*person)
	for _, s := range spoken {
		if people[s.who] == nil && s.who != "Ann Berg" {
			people[s.who] = enter(t, server, "general", s.who)
		}
	}
	others := make(map[string]*person)
	for _, room := range []string{"release-2-4", "kitchen", "incident-0412", "reading-group"} {
		others[room] = enter(t, server, room, "Lea")
		others[room].say("first")
	}

	ann := openAged(t, newProfile(t), server.URL())
	look(ann, "first-visit")
	ann.name("Ann Berg")
	say := func(from, to int) {
		t.Helper()
		for _, s := range spoken[from:to] {
			if s.who == "Ann Berg" {
				ann.say(s.text)
				ann.awaitSettled()
			} else {
				people[s.who].say(s.text)
			}
			ann.awaitMessage(strings.ReplaceAll(s.text, "`", "")) // code is shown without
		}
	}
	look(ann, "empty-room")
	say(0, len(spoken)-4)
	for _, room := range []string{"release-2-4", "incident-0412", "kitchen"} {
		ann.goTo(room)
		others[room].say("second")
		ann.awaitMessage("second")
		ann.await("that it is read", `!document.title.startsWith("(")`)
	}
	for room, n := range map[string]int{"release-2-4": 3, "incident-0412": 12} {
		others[room].say(slices.Repeat([]string{"news"}, n)...)
	}
	for _, s := range spoken[len(spoken)-4:] {
		people[s.who].say(s.text)
	}
	ann.goTo("general")
	ann.awaitMessage(spoken[len(spoken)-1].text)
	ann.await("the divider", `!!document.querySelector("#messages .divider")`)
	look(ann, "busy-room")
	return server, ann
}

// TestStates brings the page into each of its states, leaves pictures of it in
// both schemes and three widths, and lets axe-core look for barriers.
func TestStates(t *testing.T) {
	t.Parallel()
	server, ann := converse(t, (*tab).pictures)
	ann.set("members", "open")
	ann.pictures("members")
	ann.set("members", "")
	ann.set("pane", "rooms")
	ann.pictures("rooms")
	ann.set("pane", "room")

	ann.press("/", chromedp.ModifierCtrl)
	ann.await("the list of keys", `byId("keys-dialog").open`)
	ann.pictures("keys")
	ann.press(kb.Escape)
	for _, dialog := range []string{"forget", "session"} {
		ann.do("opening it", js("byId", dialog+"-dialog")+`.showModal()`)
		ann.pictures(dialog)
		ann.do("closing it", js("byId", dialog+"-dialog")+`.close()`)
	}

	debug := openAged(t, ann.ctx, server.URL()+"?debug")
	debug.await("the drawer", `!byId("drawer").hidden && document.querySelectorAll("#drawer-list li").length > 2`)
	debug.do("looking into an event", `document.querySelector("#drawer-list details").open = true`)
	debug.pictures("drawer")
	ann.calm()
}

// TestErrorStates is TestStates for messages that were not sent and a server
// that has gone away.
func TestErrorStates(t *testing.T) {
	t.Parallel()
	server, ann := converse(t, func(*tab, string) {})
	for i, m := range []struct{ text, state, reason string }{
		{"Anyone up for lunch at the harbour?", "failed", "the server was away"},
		{"I will bring the charts, all of them, and the ones from last year as well", "rejected", "the message is too long"},
		{"Back at two", "unsure", "part of the room's log is gone: this message may have been sent"},
	} {
		ann.do("a message that was not sent", js("keep", fmt.Sprint("m", i), map[string]any{
			"order": i, "message": m.text, "written": time.Now(), "state": m.state, "reason": m.reason,
		}))
	}
	ann.reload()
	ann.awaitMessage("Back at two")
	ann.pictures("failed-message")
	for i := range 3 {
		ann.do("deleting", js("rowOf", fmt.Sprint("m", i))+`.querySelector("[data-act=delete]").click()`)
		ann.await("that it is gone", `!`+js("rowOf", fmt.Sprint("m", i)))
	}

	server.Kill()
	ann.say("Shall I wait for the others?")
	ann.await("the banner", `visible("banner")`)
	ann.pictures("reconnecting")
	ann.serverWasAway()
	ann.calm()
}

// openAged opens a page in which the messages have their ages.
func openAged(t *testing.T, profile context.Context, url string) *tab {
	t.Helper()
	b := newTabIn(t, profile)
	b.atStart(aged())
	b.open(url)
	return b
}

// set sets a state of the whole page, such as data-members.
func (b *tab) set(state, value string) {
	b.t.Helper()
	b.do("setting "+state, js("setState", state, value))
}

// pictures leaves pictures in both schemes and three widths where the test run
// collects them, and has axe-core look at the widest and the narrowest. What has no
// colour is the same in both schemes.
func (b *tab) pictures(state string) {
	b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		for _, size := range [][2]int64{{1280, 800}, {800, 720}, {390, 780}} {
			look := fmt.Sprintf("%s-%s-%d", state, scheme, size[0])
			b.touch(size[0] < 640)
			b.dress(scheme, size[0], size[1])
			// Who is at the end of the timeline stays there, whatever the size.
			b.await("the end of the timeline", `scrolledToEnd("scroll")`)
			if artifacts != "" {
				b.save(filepath.Join(artifacts, "shots", look+".png"))
			}
			switch {
			case size[0] == 800:
			case scheme == "light":
				b.axe(look)
			default:
				b.axe(look, "color-contrast", "link-in-text-block")
			}
		}
	}
	b.touch(false)
	b.undress()
}

// touch makes the screen one for fingers, or not.
func (b *tab) touch(on bool) {
	b.t.Helper()
	call(b, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: on})
}
