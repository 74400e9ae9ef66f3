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
			t.Errorf("%q came back as %+v, %v", text, got, ok)
		}
	}
	for _, kept := range []string{"", "12", "x y", "12 ", "12  \n"} {
		if got, ok := ParseDraft(kept); ok {
			t.Errorf("%q was read as %+v", kept, got)
		}
	}
	if got, _ := ParseDraft(Draft{strings.Repeat("ä", 5000), noon}.String()); got.Text != strings.Repeat("ä", 4096) {
		t.Errorf("of 5,000 letters %d bytes are kept", len(got.Text))
	}
}

func TestDraftsAreBounded(t *testing.T) {
	drafts := make(Drafts)
	at := func(i int) time.Time { return noon.Add(time.Duration(i) * time.Second) }
	for i := range 50 {
		if gone := drafts.Put("r"+strconv.Itoa(i), "x", at(i)); gone != nil {
			t.Fatalf("after %d drafts %v is gone", i+1, gone)
		}
	}
	drafts.Put("r0", "again", at(50))
	if gone := drafts.Put("new", "x", at(51)); !slices.Equal(gone, []string{"r1"}) {
		t.Errorf("the draft that goes is %v, not the oldest", gone)
	}
	if gone := drafts.Put("past", "x", at(-1)); !slices.Equal(gone, []string{"r2"}) || drafts["past"].Text != "x" {
		t.Errorf("with a clock that is late %v is gone", gone)
	}
	if gone := drafts.Put("new", " \n", at(52)); !slices.Equal(gone, []string{"new"}) || len(drafts) != 49 {
		t.Errorf("an empty one takes %v away and leaves %d", gone, len(drafts))
	}
	if rooms := drafts.Rooms(); rooms[0] != "past" || rooms[len(rooms)-1] != "r0" {
		t.Errorf("by age they are %v", rooms)
	}
}

func TestTypedBeforeThePageWasThere(t *testing.T) {
	for _, test := range []struct{ draft, typed, want string }{
		{"", "", ""}, {"", "typed", "typed"}, {"draft", "", "draft"}, {"draft", " ", "draft"}, {"", " ", " "},
		{"draft", "typed", "draft\ntyped"}, {"draft", "draft", "draft"}, {"draft", "draft and more", "draft and more"},
	} {
		if got := Together(test.draft, test.typed); got != test.want {
			t.Errorf("%q and %q are %q, not %q", test.draft, test.typed, got, test.want)
		}
	}
}
