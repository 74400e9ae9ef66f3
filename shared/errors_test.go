package shared

import (
	"errors"
	"fmt"
	"testing"
)

func TestClip(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want string
	}{
		{"", 0, ""},
		{"abc", 3, "abc"},
		{"abcd", 3, "abc…"},
		{"añb", 2, "a…"}, // ñ has two bytes
		{"añb", 3, "añ…"},
		{"🚀🚀", 7, "🚀…"},
		{"🚀", 3, "…"},
		{"abc", 0, "…"},
		{"\x80\x80\x80", 2, "…"},
	} {
		if got := Clip(c.text, c.n); got != c.want {
			t.Errorf("Clip(%q, %d) = %q, want %q", c.text, c.n, got, c.want)
		}
	}
}

func TestErrorf(t *testing.T) {
	err := fmt.Errorf("about to: %w", Errorf(CodeBadRoom, "%d rooms", 2))
	var e *Error
	if !errors.As(err, &e) || e.Code != "bad_room" || e.Message != "2 rooms" || e.RetryAfter != 0 {
		t.Errorf("got %+v, want %s: 2 rooms", e, CodeBadRoom)
	}
	if got := e.Error(); got != "bad_room: 2 rooms" {
		t.Errorf("got %q, want bad_room: 2 rooms", got)
	}
}
