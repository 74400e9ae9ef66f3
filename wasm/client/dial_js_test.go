package client

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
)

// hiddenClose reads a field that the library does not promise: a version without
// it has to be noticed here and not by a browser that comes back for ever.
func TestTheLibraryStillKeepsTheCloseFrame(t *testing.T) {
	conn := reflect.TypeOf(webSocket{}.conn).Elem()
	if f, ok := conn.FieldByName("closeErr"); !ok || f.Type != reflect.TypeFor[error]() {
		t.Errorf("%v has no field closeErr of type error", conn)
	}
}

type libraryClose struct {
	Code   int
	Reason string
}

func (libraryClose) Error() string { return "closed" }

func TestHiddenClose(t *testing.T) {
	for _, test := range []struct {
		err    error
		code   int
		reason string
	}{
		{nil, 0, ""},
		{errors.New("no close frame"), 0, ""},
		{libraryClose{1008, "flood"}, 1008, "flood"},
		{fmt.Errorf("closed: %w", fmt.Errorf("unclean: %w", libraryClose{1006, ""})), 1006, ""},
	} {
		conn := &struct{ closeErr error }{test.err}
		if code, reason := hiddenClose(conn); code != test.code || reason != test.reason {
			t.Errorf("%v: %d %q, want %d %q", test.err, code, reason, test.code, test.reason)
		}
	}
}
