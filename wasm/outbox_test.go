//go:build !js

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
)

// awaitOutbox waits until the browser keeps that many messages for this site.
func (b *tab) awaitOutbox(n int) {
	b.t.Helper()
	b.await(fmt.Sprintf("%d messages in the store", n), fmt.Sprintf(`outbox() === %d`, n))
}

// awaitMessages waits until the timeline shows exactly these, in any order, and
// each of ours is sent.
func (b *tab) awaitMessages(want ...string) {
	b.t.Helper()
	for _, text := range want {
		b.awaitMessage(text)
	}
	b.awaitSettled()
	got := b.messages()
	slices.Sort(got)
	if want = slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
		b.t.Errorf("the timeline shows, sorted: got %q, want %q", got, want)
	}
}

// gate stands between the browser and the server. The page always gets through;
// its WebSocket only while the gate is open, and its answers only while they are
// not lost.
type gate struct {
	port   string
	shut   atomic.Bool
	loses  atomic.Bool
	mu     sync.Mutex
	socket []net.Conn // of WebSockets
}

func startGate(t *testing.T, server string) *gate {
	t.Helper()
	listener, err := net.Listen("tcp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{}
	_, g.port, _ = net.SplitHostPort(listener.Addr().String())
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			us, err := listener.Accept()
			if err != nil {
				return
			}
			go g.carry(us, server)
		}
	}()
	return g
}

func (g *gate) carry(us net.Conn, server string) {
	defer us.Close()
	r := bufio.NewReader(us)
	begin, _ := r.Peek(len("GET /ws"))
	socket := bytes.Equal(begin, []byte("GET /ws"))
	if socket {
		if g.shut.Load() {
			return
		}
		g.mu.Lock()
		g.socket = append(g.socket, us)
		g.mu.Unlock()
	}
	them, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer them.Close()
	go func() {
		defer us.Close()
		buffer := make([]byte, 32<<10)
		for {
			n, err := them.Read(buffer)
			if err != nil {
				return
			}
			if socket && g.loses.Load() {
				continue
			}
			if _, err := us.Write(buffer[:n]); err != nil {
				return
			}
		}
	}()
	_, _ = r.WriteTo(them)
}

// close lets no WebSocket through any more and cuts those that are.
func (g *gate) close() {
	g.shut.Store(true)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, conn := range g.socket {
		conn.Close()
	}
}

func (g *gate) open() { g.shut.Store(false) }

// sentTexts counts the send_message frames of the tab that carry a text.
func (b *tab) sentTexts(text string) (n int) {
	for _, e := range b.events(true, "send_message") {
		if strings.Contains(string(e.Payload), text) {
			n++
		}
	}
	return n
}

// Written while the server was down, the tab closed, opened again: sent once.
func TestOutboxSurvivesTheTab(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	profile := newProfile(t)
	ann := openIn(t, profile, server.URL())
	ann.name("Ann")
	ann.say("before")
	ann.awaitSettled()
	ann.awaitOutbox(0)
	server.Kill()
	ann.awaitDisconnected()
	ann.say("first of the closed tab")
	ann.say("second of the closed tab")
	ann.awaitOutbox(2)
	ann.close()

	server.Start()
	bob := openAs(t, "Bob", server.URL())
	bob.wantMessages("with Ann away Bob", []string{"before"})
	again := openIn(t, profile, server.URL())
	want := []string{"before", "first of the closed tab", "second of the closed tab"}
	again.awaitMessages(want...)
	again.awaitOutbox(0)
	for who, b := range map[string]*tab{"Ann": again, "Bob": bob} {
		b.awaitMessage(want[2])
		b.wantMessages(who, want)
		b.calm()
	}
	if n := again.sentTexts("of the closed tab"); n != 2 {
		t.Errorf("frames for two messages: got %d, want 2", n)
	}
}

// Stored, the ack lost, the tab closed: it is found, and not sent again.
func TestLostAckIsNotSentAgain(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	gate := startGate(t, server.Addr)
	bob := openAs(t, "Bob", server.URL())
	profile := newProfile(t)
	url := "http://127.0.0.1:" + gate.port + "/"
	ann := openIn(t, profile, url)
	ann.name("Ann")
	gate.loses.Store(true)
	ann.say("stored")
	bob.awaitMessage("stored")
	ann.awaitOutbox(1)
	ann.close()
	gate.loses.Store(false)
	want := []string{"stored"}
	bob.do("100 more", js("sendAll", "more ", 100))
	for i := range 100 {
		want = append(want, fmt.Sprint("more ", i))
	}
	bob.awaitMessage("more 99")
	bob.awaitSettled()

	again := openIn(t, profile, url)
	again.awaitOutbox(0)
	again.awaitMessage("more 99")
	again.wantMessages("Ann in the new tab", want)
	if n := again.sentTexts("stored"); n != 0 {
		t.Errorf("frames with what was stored: got %d, want none", n)
	}
	bob.wantMessages("Bob", want)
	again.calm()
}

// A reload keeps what waits, without asking whether to leave.
func TestReloadWhilePending(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	gate := startGate(t, server.Addr)
	profile := newProfile(t)
	ann := openIn(t, profile, "http://127.0.0.1:"+gate.port+"/")
	ann.name("Ann")
	ann.say("before")
	ann.awaitSettled()
	gate.close()
	ann.awaitDisconnected()
	ann.say("pending")
	for range 3 {
		ann.run("reloading", chromedp.Reload())
		ann.await("the message", `!settled()`)
		ann.awaitOutbox(1)
	}
	gate.open()
	ann.awaitConnected()
	ann.awaitMessages("before", "pending")
	ann.awaitOutbox(0)
	if n := ann.sentTexts("pending"); n != 1 {
		t.Errorf("frames with the pending message: got %d, want 1", n)
	}
}

// Two tabs with a message each: whichever is closed, what it left is sent once by
// the other one, and each message of a living tab by that tab.
func TestTwoTabsSendEachOnce(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	for _, test := range []struct {
		name, host string
		locks      bool
	}{
		{"with locks", "127.0.0.1", true},
		// Not an address of this machine for the browser, so a page that is not secure.
		{"without locks", "0.0.0.0", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			gate := startGate(t, server.Addr)
			room := "r/" + strings.ReplaceAll(test.name, " ", "-")
			url := "http://" + test.host + ":" + gate.port + "/" + room
			profile := newProfile(t)
			one := openIn(t, profile, url)
			one.name("Ann")
			two := openIn(t, profile, url)
			three := openIn(t, profile, url)
			for _, b := range []*tab{two, three} {
				b.do("loading the script", script("outbox.js"))
			}
			one.await("what the browser offers", fmt.Sprintf(`(navigator.locks !== undefined) === %v`, test.locks))
			gate.close()
			texts := []string{"of the first tab", "of the second tab", "of the third tab"}
			for i, b := range []*tab{one, two, three} {
				b.awaitDisconnected()
				b.do("writing", js("send", texts[i]))
				b.awaitMessage(texts[i])
				b.wantMessages(fmt.Sprint("tab ", i), texts[i:i+1])
			}
			two.awaitOutbox(3)

			// One living tab is left alone, the closed one is taken over when another
			// comes into view.
			one.close()
			var left, right []string
			two.eventually("waiting for one of the others to take over what the first tab left", func() bool {
				two.do("coming into view", `comeIntoView()`) // the browser takes a moment to free the lock
				three.do("coming into view", `comeIntoView()`)
				left, right = two.messages(), three.messages()
				return len(left)+len(right) >= 3
			})
			if !slices.Contains(left, texts[1]) || !slices.Contains(right, texts[2]) || len(left)+len(right) != 3 ||
				slices.Contains(left, texts[0]) == slices.Contains(right, texts[0]) {
				t.Errorf("with the first tab closed: got %q in the second and %q in the third, want each its own and one what the first had", left, right)
			}
			gate.open()
			for _, b := range []*tab{two, three} {
				b.awaitConnected()
				b.awaitMessages(texts...)
			}
			two.awaitOutbox(0)
			for _, text := range texts {
				if n := two.sentTexts(text) + three.sentTexts(text); n != 1 {
					t.Errorf("frames with %q: got %d, want 1", text, n)
				}
			}
			for _, b := range []*tab{two, three} {
				b.serverWasAway()
				b.calm()
			}

			// All are closed: a new one takes over everything.
			gate.close()
			two.awaitDisconnected()
			three.awaitDisconnected()
			more := []string{"left by the second tab", "left by the third tab"}
			for i, b := range []*tab{two, three} {
				b.do("writing", js("send", more[i]))
				b.awaitMessage(more[i])
			}
			two.awaitOutbox(2)
			two.close()
			three.close()
			gate.open()
			four := openIn(t, profile, url)
			four.awaitMessages(append(texts, more...)...)
			four.awaitOutbox(0)
			for _, text := range more {
				if n := four.sentTexts(text); n != 1 {
					t.Errorf("frames with %q: got %d, want 1", text, n)
				}
			}
		})
	}
}
