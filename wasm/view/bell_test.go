package view

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestBells(t *testing.T) {
	b := NewBells()
	b.Set("ops", true)
	at := func(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }
	epoch := "first"
	heard := func(seq uint64, user string, looked bool, seconds float64) time.Duration {
		t.Helper()
		m := message(seq, user, 0)
		m.Message = "text " + strconv.FormatUint(seq, 10)
		wait, ok := b.Add(m, epoch, "me", looked, at(seconds))
		if !ok {
			return -1
		}
		return wait
	}
	due := func(looks bool, read uint64, seconds float64, want string) {
		t.Helper()
		n, ok := b.Due("ops", looks, read, at(seconds))
		if got := n.Title + "|" + n.Body; got != want || ok != (want != "|") {
			t.Errorf("at %v s it: got %q, want %q", seconds, got, want)
		}
	}

	if heard(1, "ann", false, 0) >= 0 {
		t.Error("a message from before we came: got it told, want none")
	}
	b.Start("ops", epoch, 5)
	b.Start("ops", epoch, 99) // the first one holds
	if heard(5, "ann", false, 0) >= 0 || heard(6, "me", false, 0) >= 0 || heard(7, "ann", true, 0) >= 0 {
		t.Error("an old message, one's own or one that is looked at: got it told, want none")
	}
	if wait := heard(8, "ann", false, 0); wait != noticeDelay {
		t.Errorf("wait for the first notification: got %v, want %v", wait, noticeDelay)
	}
	due(false, 7, 0.5, "#ops · ann|text 8")
	due(false, 7, 0.6, "|")

	// Soon after, several are told together.
	if wait := heard(9, "ann", false, 1); wait != 1500*time.Millisecond {
		t.Errorf("wait for the next notification: got %v, want 1.5s", wait)
	}
	if heard(10, "bob", false, 1.1) >= 0 || heard(10, "bob", false, 1.2) >= 0 {
		t.Error("further messages before it: got a wait of their own, want none")
	}
	due(false, 7, 2.5, "#ops · 2 new messages|bob: text 10")

	// Read in between, or looked at.
	heard(11, "ann", false, 10)
	due(false, 11, 10.5, "|")
	heard(12, "ann", false, 20)
	due(true, 11, 20.5, "|")
	heard(13, "ann", false, 30)
	heard(14, "me", false, 30.1)
	due(false, 11, 30.5, "|")

	// In another log all sequences are smaller.
	epoch = "second"
	heard(1, "ann", false, 35)
	due(false, 0, 35.5, "#ops · ann|text 1")
	if heard(1, "ann", false, 36) >= 0 {
		t.Error("a message again: got it told, want none")
	}

	heard(15, "ann", false, 40)
	b.Set("ops", false)
	due(false, 11, 40.5, "|")
	if heard(16, "ann", false, 50) >= 0 {
		t.Error("a message in a room without a bell: got it told, want none")
	}
}

// A name from right to left stays where it is, and leaves the rest where that is.
func TestNoticeIsolatesNames(t *testing.T) {
	b := NewBells()
	b.Set("ops", true)
	b.Start("ops", "e", 0)
	for seq, want := range []Notice{
		{Room: "ops", Title: "#ops · \u2068דנה\u2069", Body: "(שלום)"},
		{Room: "ops", Title: "#ops · 2 new messages", Body: "\u2068דנה\u2069: \u2068(שלום)\u2069"},
	} {
		for i := range seq + 1 {
			m := message(uint64(10*seq+i+1), "u", 0)
			m.From, m.Message = "דנה", "(שלום)"
			b.Add(m, "e", "me", false, noon)
		}
		if got, _ := b.Due("ops", false, 0, noon); got != want {
			t.Errorf("notification: got %+v, want %+v", got, want)
		}
	}
}

func TestBellsAreBounded(t *testing.T) {
	b := NewBells()
	for i := range MaxBells {
		b.Set("r"+strconv.Itoa(i), true)
	}
	if b.Set("more", true) || !b.Set("r1", true) || len(b.Names()) != MaxBells {
		t.Errorf("bells: got %d, want %d and no more", len(b.Names()), MaxBells)
	}
}

func TestBellInWords(t *testing.T) {
	on := BellOf("ops", true, Granted)
	if !on.On || !strings.HasPrefix(on.Title, "On: ") || !strings.Contains(on.Title, "stays in the room") {
		t.Errorf("a bell that is on: got %+v, want one that says so", on)
	}
	for _, allowed := range []Permission{Denied, NotAsked, Insecure, Unsupported} {
		if b := BellOf("ops", true, allowed); b.On || !strings.Contains(b.Title, "stays in the room") {
			t.Errorf("a bell with %s: got %+v, want one that is off", allowed, b)
		}
		if BellProblem(allowed) == "" {
			t.Errorf("BellProblem(%s): got nothing, want an explanation", allowed)
		}
	}
	if BellProblem(Granted) != "" {
		t.Errorf("BellProblem(%s): got %q, want nothing", Granted, BellProblem(Granted))
	}
}
