package view

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestDraftsAreKept(t *testing.T) {
	for _, text := range []string{"see you", "  two\nlines ", "1 2 3", "ä"} {
		got, ok := ParseDraft(Draft{text, noon}.String())
		if !ok || got.Text != text || !got.At.Equal(noon) {
			t.Errorf("draft %q: got %+v, %v back, want it unchanged", text, got, ok)
		}
	}
	for _, kept := range []string{"", "12", "x y", "12 ", "12  \n"} {
		if got, ok := ParseDraft(kept); ok {
			t.Errorf("ParseDraft(%q): got %+v, want none", kept, got)
		}
	}
	if got, _ := ParseDraft(Draft{strings.Repeat("ä", 5000), noon}.String()); got.Text != strings.Repeat("ä", 4096) {
		t.Errorf("draft of 5,000 letters: got %d bytes, want 4096 letters", len(got.Text))
	}
}

func TestDraftsAreBounded(t *testing.T) {
	drafts := make(Drafts)
	at := func(i int) time.Time { return noon.Add(time.Duration(i) * time.Second) }
	for i := range 50 {
		if gone := drafts.Put("r"+strconv.Itoa(i), "x", at(i)); gone != nil {
			t.Fatalf("removed after %d drafts: got %v, want none", i+1, gone)
		}
	}
	drafts.Put("r0", "again", at(50))
	if gone := drafts.Put("new", "x", at(51)); !slices.Equal(gone, []string{"r1"}) {
		t.Errorf("removed for a new draft: got %v, want r1, the oldest", gone)
	}
	if gone := drafts.Put("past", "x", at(-1)); !slices.Equal(gone, []string{"r2"}) || drafts["past"].Text != "x" {
		t.Errorf("removed with a clock that is late: got %v, want r2, and past kept", gone)
	}
	if gone := drafts.Put("new", " \n", at(52)); !slices.Equal(gone, []string{"new"}) || len(drafts) != 49 {
		t.Errorf("removed by an empty draft: got %v with %d left, want new and 49", gone, len(drafts))
	}
	if rooms := drafts.Rooms(); rooms[0] != "past" || rooms[len(rooms)-1] != "r0" {
		t.Errorf("rooms by age: got %v, want past first and r0 last", rooms)
	}
}

func TestTypedBeforeThePageWasThere(t *testing.T) {
	for _, test := range []struct{ draft, typed, want string }{
		{"", "", ""}, {"", "typed", "typed"}, {"draft", "", "draft"}, {"draft", " ", "draft"}, {"", " ", " "},
		{"draft", "typed", "draft\ntyped"}, {"draft", "draft", "draft"}, {"draft", "draft and more", "draft and more"},
	} {
		if got := MergeDraft(test.draft, test.typed); got != test.want {
			t.Errorf("%q and %q: got %q, want %q", test.draft, test.typed, got, test.want)
		}
	}
}
