package view

import (
	"strings"
	"testing"

	"websockets/wasm/client"
)

func TestFirstLines(t *testing.T) {
	lines := func(n int, end string) string { return strings.Repeat("a"+end, n-1) + "z" }
	for _, end := range []string{"\n", "\r", "\v", "\f", "\u0085", "\u2028", "\u2029"} {
		if got, long := firstLines(lines(maxLines, end)); long || got != lines(maxLines, end) {
			t.Errorf("%d lines with %q: got %q, %v, want all of them", maxLines, end, got, long)
		}
		want := strings.TrimSuffix(strings.Repeat("a"+end, foldedLines), end)
		if got, long := firstLines(lines(maxLines+1, end)); !long || got != want {
			t.Errorf("%d lines with %q: got %q, %v, want %q", maxLines+1, end, got, long, want)
		}
	}
}

func TestLongMessageIsFolded(t *testing.T) {
	long := "a" + strings.Repeat("\n", 4094) + "b"
	v := room(1, 3)
	v.Room.Messages[1].Message = long
	v.Room.Outgoing = []client.OutgoingMessage{{ID: "mine", Text: long, Written: noon, State: client.Pending}}
	var timeline Timeline
	for _, key := range []string{"#2", "mine"} {
		rows := timeline.show(v)
		e := rows[rowOf(rows, key)]
		if n := strings.Count(e.Text, "\n") + 1; n != foldedLines || e.Fold != ShowMore {
			t.Errorf("%s: got %d lines and %q, want %d and %q", key, n, e.Fold, foldedLines, ShowMore)
		}
		timeline.ToggleFold(key)
		rows = timeline.show(v)
		if e := rows[rowOf(rows, key)]; e.Text != long || e.Fold != ShowLess || timeline.AtEnd {
			t.Errorf("%s unfolded: got %d bytes, %q, at the end: %v, want all %d, %q, false", key, len(e.Text), e.Fold, timeline.AtEnd, len(long), ShowLess)
		}
		timeline.ToggleFold(key)
	}
	rows := timeline.show(v)
	for _, key := range []string{"#2", "mine"} {
		if e := rows[rowOf(rows, key)]; e.Fold != ShowMore {
			t.Errorf("%s folded again: got %q, want %q", key, e.Fold, ShowMore)
		}
	}
	if e := rows[rowOf(rows, "#1")]; e.Text != "text" || e.Fold != "" {
		t.Errorf("a short message: got %q, %q, want text and no button", e.Text, e.Fold)
	}
}

// TestPrinting: on paper there is all that the View has, and afterwards what was there
// before.
func TestPrinting(t *testing.T) {
	v := room(1, 600)
	v.Room.More = true
	v.Room.Messages[0].Message = strings.Repeat("line\n", 100)
	var timeline Timeline
	for _, atEnd := range []bool{true, false} {
		if !atEnd { // somewhere in the middle
			timeline.Scrolled(false)
			timeline.UpdateWindow(v.Room, 0, 5)
		}
		first, last := seqs(timeline.show(v))
		timeline.Printing = true
		rows := timeline.show(v)
		if first, last := seqs(rows); first != 1 || last != 600 {
			t.Errorf("on paper: got %d to %d, want 1 to 600", first, last)
		}
		if e := rows[rowOf(rows, "#1")]; e.Text != v.Room.Messages[0].Message || e.Fold != "" {
			t.Errorf("a long message on paper: got %d bytes, %q, want all %d and no button", len(e.Text), e.Fold, len(v.Room.Messages[0].Message))
		}
		if moved, load := timeline.UpdateWindow(v.Room, 0, 5); moved || load != NoLoad {
			t.Errorf("UpdateWindow while printing: got %v, %v, want false, %v", moved, load, NoLoad)
		}
		timeline.Printing = false
		if f, l := seqs(timeline.show(v)); f != first || l != last {
			t.Errorf("after printing: got %d to %d, want %d to %d", f, l, first, last)
		}
	}
}
