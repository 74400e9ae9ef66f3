package conn

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
)

// hiddenClose reads an unexported field of the library. If a version drops it, this
// test must notice, and not a browser that reconnects for ever.
func TestLibraryKeepsCloseFrame(t *testing.T) {
	conn := reflect.TypeOf(webSocket{}.conn).Elem()
	if f, ok := conn.FieldByName("closeErr"); !ok || f.Type != reflect.TypeFor[error]() {
		t.Errorf("field closeErr of %v: got none of type error, want one", conn)
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
			t.Errorf("hiddenClose with %v: got %d %q, want %d %q", test.err, code, reason, test.code, test.reason)
		}
	}
}
