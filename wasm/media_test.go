//go:build !js

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp/kb"
)

// media makes the page believe in a medium, such as print, or in features of the screen.
func (b *tab) media(medium string, features ...*emulation.MediaFeature) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: medium, Features: features})
}

// TestForcedColors: with the system's colours, which are two or three, the current room,
// what is pressed, the focus and the connection are still to be seen.
func TestForcedColors(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	bob := openAs(t, "Bob", server.URL()+"r/garden")
	bob.say("in the garden")
	ann := newTabWithNotices(t, "granted", "granted")
	ann.atStart(script("media.js"))
	ann.open(server.URL())
	ann.name("Ann")
	ann.put("compose", "hello `code`", kb.Enter)
	ann.awaitMessage("hello code")
	ann.awaitSettled()
	ann.await("two rooms", `roomLink("general") && roomLink("garden")`)
	for _, scheme := range []string{"light", "dark"} {
		ann.media("", &emulation.MediaFeature{Name: "forced-colors", Value: "active"},
			&emulation.MediaFeature{Name: "prefers-color-scheme", Value: scheme}, &emulation.MediaFeature{Name: "prefers-reduced-motion", Value: "reduce"})
		ann.await("the system's colours", `matchMedia("(forced-colors: active)").matches`)
		ann.keys("so that a focus is one of the keyboard", kb.Escape)
		for what, seen := range map[string]string{
			"the current room":           `differ(roomLink("general"), roomLink("garden"), "backgroundColor")`,
			"its name":                   `differ(roomLink("general").querySelector(".name"), roomLink("garden").querySelector(".name"), "color")`,
			"a picture":                  `drawn(document.querySelector("#messages .avatar"))`,
			"code":                       `drawn(document.querySelector("#messages code"))`,
			"the button that sends":      `drawn(document.querySelector(".send"))`,
			"a button":                   `drawn(byId("keys"))`,
			"the focus in the composer":  `outlined(() => byId("compose").focus(), byId("composer"))`,
			"the focus in the filter":    `outlined(() => byId("go-room").focus(), byId("go-room"))`,
			"the focus on a room":        `outlined(() => roomLink("garden").focus(), roomLink("garden"))`,
			"the focus on the current":   `outlined(() => roomLink("general").focus(), roomLink("general"))`,
			"that somebody is connected": `filled(byId("connection"), "::before") && filled(document.querySelector("#member-list .avatar"), "::after")`,
		} {
			if !evaluate[bool](ann, what, seen) {
				t.Errorf("with forced colours, %s: %s is not to be seen", scheme, what)
			}
		}
		if evaluate[bool](ann, "whether it is pressed", `pressed("bell")`) {
			ann.click("bell")
		}
		ann.await("the bell, off", `!pressed("bell") && differ(byId("bell"), roomLink("general"), "backgroundColor")`)
		ann.click("bell")
		ann.await("the bell, on", `pressed("bell") && !differ(byId("bell"), roomLink("general"), "backgroundColor") && !differ(byId("bell"), roomLink("general"), "color")`)
		ann.do("the focus in the filter", `byId("go-room").focus()`)
		if artifacts != "" {
			ann.save(filepath.Join(artifacts, "forced-colors-"+scheme+".png"))
		}
	}
	server.Kill()
	ann.await("that it is not connected", `disconnected() && !filled(byId("connection"), "::before")`)
}

// TestPrinting: on paper there is the whole conversation, in black on white, and nothing
// else; afterwards the page is as it was.
func TestPrinting(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	const all = 180 // of which the page has 150 at the end of the timeline
	ann := openTimeline(t, "Ann", server.URL()+"r/long")
	ann.do("loading the script", script("media.js"))
	fill(t, server, "long", all)
	ann.await("the last ones", `lastText() === "the very last" && atEnd() && texts()[0] !== "the very first"`)
	ann.put("compose", "a secret draft", "")
	ann.do("a dialog", `byId("keys").click()`)
	ann.await("a dialog", `byId("keys-dialog").open`)
	before := evaluate[int](ann, "rows", `messages().length`)

	ann.do("watching the paper", `watchPaper()`)
	pdf := call(ann, page.PrintToPDF, page.PrintToPDFParams{}).Data
	if artifacts != "" {
		if err := os.WriteFile(filepath.Join(artifacts, "printed.pdf"), pdf, 0o644); err != nil {
			t.Error(err)
		}
	}
	if got := bytes.Count(pdf, []byte("/Type /Page\n")); got < 4 {
		t.Errorf("printed pages: got %d, want at least 4", got)
	}
	if got := evaluate[int](ann, "messages on paper", `onPaper`); got != all {
		t.Errorf("messages on paper: got %d, want %d", got, all)
	}
	ann.await("the rows from before", fmt.Sprintf(`messages().length === %d && atEnd()`, before))

	for _, scheme := range []string{"light", "dark"} {
		for _, pane := range []string{"room", "rooms"} {
			ann.media("print", &emulation.MediaFeature{Name: "prefers-color-scheme", Value: scheme})
			ann.size(600, 800)
			ann.do("choosing the pane", js("setPane", pane))
			for what, is := range map[string]string{
				"the whole timeline":    `document.documentElement.scrollHeight > byId("messages").offsetHeight && byId("messages").offsetHeight > 3000`,
				"the room's name":       `visible("room-name")`,
				"a message":             `messages()[0].checkVisibility() && messages()[0].getBoundingClientRect().width > 300`,
				"nothing but it":        `["room-list", "members", "composer", "connection", "bell", "keys-dialog", "typing"].every(id => !visible(id))`,
				"black text":            `blackOnWhite()`,
				"times of all messages": `messages().every(e => getComputedStyle(e.querySelector("time")).opacity === "1")`,
			} {
				if !evaluate[bool](ann, what, is) {
					t.Errorf("on paper, from a page that is %s and shows the %s: want %s", scheme, pane, what)
				}
			}
		}
	}
	ann.calm()
}

// TestFontSizeOfTheBrowser: all of the page follows it, and has place for it.
func TestFontSizeOfTheBrowser(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ann := newTab(t)
	ann.atStart(script("media.js") + script("text.js"))
	ann.size(1600, 900) // too wide for the layout to change with the font
	ann.open(server.URL())
	ann.name("Ann Berg")
	ann.say("hello")
	ann.awaitSettled()
	sizes := evaluate[[]float64](ann, "sizes", `fontSizesOfAll()`)
	call(ann, page.SetFontSizes, page.SetFontSizesParams{FontSizes: &page.FontSizes{Standard: 32}})
	ann.reload()
	ann.awaitMessage("hello")
	ann.await("the bigger font", `getComputedStyle(document.documentElement).fontSize === "32px"`)
	bigger := evaluate[[]float64](ann, "sizes", `fontSizesOfAll()`)
	if len(sizes) != len(bigger) || len(sizes) < 15 {
		t.Fatalf("sizes of texts: got %d and %d, want as many, and many", len(sizes), len(bigger))
	}
	for i := range sizes {
		if bigger[i] != 2*sizes[i] {
			t.Errorf("size of text %d: got %v px, want twice %v px", i, bigger[i], sizes[i])
		}
	}
	for _, width := range []int64{1280, 800, 390} {
		ann.size(width, 800)
		for _, wide := range evaluate[[]string](ann, "widths", `tooWide()`) {
			t.Errorf("at %d pixels it is too wide: %s", width, wide)
		}
		if artifacts != "" {
			ann.save(filepath.Join(artifacts, fmt.Sprintf("font-size-%d.png", width)))
		}
	}
	ann.calm()
}
