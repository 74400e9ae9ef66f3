//go:build !js

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
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
// their times: the server's are those of now.
func aged() string {
	minutes := make(map[string]int)
	for _, s := range spoken {
		minutes[s.text] = s.minutes
	}
	table, _ := json.Marshal(minutes) // a map of text to numbers has JSON
	return `(() => {
		const minutes = ` + string(table) + `;
		const listen = WebSocket.prototype.addEventListener;
		WebSocket.prototype.addEventListener = function (type, handle, ...rest) {
			if (type !== "message") return listen.call(this, type, handle, ...rest);
			return listen.call(this, type, event => {
				const frame = JSON.parse(event.data);
				for (const m of [frame.payload, ...frame.payload.messages ?? []]) {
					if (minutes[m.message]) m.sent = new Date(Date.now() - minutes[m.message] * 60e3).toISOString();
				}
				handle.call(this, new MessageEvent("message", {data: JSON.stringify(frame)}));
			}, ...rest);
		};
	})()`
}

// TestStates brings the page into each of its states, leaves pictures of it in
// both schemes and three widths, and lets axe-core look for barriers.
func TestStates(t *testing.T) {
	server := startServer(t)
	browser := startBrowser(t)
	people := make(map[string]*writer)
	for _, s := range spoken {
		if people[s.who] == nil && s.who != "Ann Berg" {
			people[s.who] = startWriter(t, server, "general", s.who)
		}
	}
	others := make(map[string]*writer)
	for _, room := range []string{"release-2-4", "kitchen", "incident-0412", "reading-group"} {
		others[room] = startWriter(t, server, room, "Lea")
		others[room].write("first")
		others[room].acked.Wait()
	}

	profile := startProfile(t, browser)
	ann := openAged(t, profile, server.URL())
	ann.pictures("first-visit")
	ann.name("Ann Berg")
	say := func(from, to int) {
		t.Helper()
		for _, s := range spoken[from:to] {
			if s.who == "Ann Berg" {
				ann.say(s.text)
				ann.awaitSettled()
			} else {
				people[s.who].write(s.text)
				people[s.who].acked.Wait()
			}
			ann.awaitMessage(strings.ReplaceAll(s.text, "`", "")) // code is shown without
		}
	}
	ann.pictures("empty-room")
	say(0, len(spoken)-4)
	for _, room := range []string{"release-2-4", "incident-0412", "kitchen"} {
		ann.goTo(room)
		others[room].write("second")
		ann.awaitMessage("second")
		ann.await("that it is read", `!document.title.startsWith("(")`)
	}
	for room, n := range map[string]int{"release-2-4": 3, "incident-0412": 12} {
		for range n {
			others[room].write("news")
		}
		others[room].acked.Wait()
	}
	for _, s := range spoken[len(spoken)-4:] {
		people[s.who].write(s.text)
		people[s.who].acked.Wait()
	}
	ann.goTo("general")
	ann.awaitMessage(spoken[len(spoken)-1].text)
	ann.await("the divider", `!!document.querySelector("#messages .divider")`)
	ann.pictures("busy-room")
	ann.set("members", "open")
	ann.pictures("members")
	ann.set("members", "")
	ann.set("pane", "rooms")
	ann.pictures("rooms")
	ann.set("pane", "room")

	ann.press("/", chromedp.ModifierCtrl)
	ann.await("the list of keys", `document.getElementById("keys-dialog").open`)
	ann.pictures("keys")
	ann.press(kb.Escape)
	for _, dialog := range []string{"forget", "session"} {
		ann.run("opening it", chromedp.Evaluate[chromedp.Void](`document.getElementById("`+dialog+`-dialog").showModal()`))
		ann.pictures(dialog)
		ann.run("closing it", chromedp.Evaluate[chromedp.Void](`document.getElementById("`+dialog+`-dialog").close()`))
	}

	debug := openAged(t, profile, server.URL()+"?debug")
	debug.await("the drawer", `!document.getElementById("drawer").hidden && document.querySelectorAll("#drawer-list li").length > 2`)
	debug.run("looking into an event", chromedp.Evaluate[chromedp.Void](`document.querySelector("#drawer-list details").open = true`))
	debug.pictures("drawer")
	debug.close()

	for i, m := range []struct{ text, state, reason string }{
		{"Anyone up for lunch at the harbour?", "failed", "the server was away"},
		{"I will bring the charts, all of them, and the ones from last year as well", "rejected", "the message is too long"},
		{"Back at two", "unsure", "part of the room's log is gone: this message may have been sent"},
	} {
		value, _ := json.Marshal(map[string]any{"v": 1, "order": i, "room": "general", "message": m.text,
			"written": time.Now(), "user": "", "state": m.state, "reason": m.reason})
		ann.run("a message that was not sent", chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`localStorage.setItem("outbox/gone/m%d", %q)`, i, value)))
	}
	ann.run("reloading", chromedp.Reload())
	ann.awaitConnected()
	ann.awaitMessage("Back at two")
	ann.pictures("failed-message")
	for i := range 3 {
		ann.run("deleting", chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector('[data-key="m%d"] [data-act=delete]').click()`, i)))
		ann.await("that it is gone", fmt.Sprintf(`!document.querySelector('[data-key="m%d"]')`, i))
	}

	server.Kill()
	ann.say("Shall I wait for the others?")
	ann.await("the banner", `document.getElementById("banner").checkVisibility()`)
	ann.pictures("reconnecting")
	ann.calmButFor("WebSocket connection to")
}

// openAged opens a page in which the messages have their ages.
func openAged(t *testing.T, profile context.Context, url string) *tab {
	t.Helper()
	b := newTab(t, profile)
	b.atStart(aged())
	b.run("opening "+url, chromedp.Navigate(url))
	b.awaitConnected()
	return b
}

// goTo changes the room as somebody does who types its name.
func (b *tab) goTo(room string) {
	b.t.Helper()
	b.run("going to "+room, chromedp.SendKeys(chromedp.CSS("#go-room"), room+kb.Enter))
	b.awaitRoom(room)
}

// set sets a state of the whole page, such as data-members.
func (b *tab) set(state, value string) {
	b.t.Helper()
	b.run("setting "+state, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.body.dataset[%q] = %q`, state, value)))
}

// pictures leaves pictures in both schemes and three widths where the test run
// collects them, and looks for barriers at the widest and the narrowest.
func (b *tab) pictures(name string) {
	b.t.Helper()
	dir := os.Getenv("WEBSOCKETS_ARTIFACTS")
	for _, scheme := range []string{"light", "dark"} {
		for _, size := range [][2]int64{{1280, 800}, {800, 720}, {390, 780}} {
			look := fmt.Sprintf("%s-%s-%d", name, scheme, size[0])
			b.touch(size[0] < 640)
			if err := b.dress(scheme, size[0], size[1]); err != nil {
				b.t.Fatal(err)
			}
			// Who is at the end of the timeline stays there, whatever the size.
			b.await("the end of the timeline", `(s => s.scrollHeight - s.scrollTop - s.clientHeight < 2)(document.getElementById("scroll"))`)
			if dir != "" {
				b.save(filepath.Join(dir, "shots", look+".png"))
			}
			if size[0] != 800 {
				b.axe(look)
			}
		}
	}
	b.touch(false)
	if _, err := chromedp.Call(b.ctx, emulation.ClearDeviceMetricsOverride, cdp.Empty{}); err != nil {
		b.t.Error(err)
	}
}

// save takes a picture.
func (b *tab) save(path string) {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, png, 0o644)
	}
	if err != nil {
		b.t.Error(err)
	}
}

// touch makes the screen one for fingers, or not.
func (b *tab) touch(on bool) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: on}); err != nil {
		b.t.Error(err)
	}
}
