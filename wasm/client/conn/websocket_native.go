//go:build !js

package conn

import (
	"context"
	"io"
	"net/http"
	"strings"
)

// newDialOptions presents the session in a header: there are no cookies here.
func newDialOptions(session string) dialOptions {
	var options dialOptions
	if session != "" {
		options.HTTPHeader = http.Header{"Authorization": {"Bearer " + session}}
	}
	return options
}

// dialError returns the error of an attempt to connect: a *RefusedError with the text of
// the server's answer, if there was one.
func dialError(response *http.Response, err error) error {
	if response == nil || response.Body == nil {
		return err
	}
	reason := response.Status
	if strings.HasPrefix(response.Header.Get("Content-Type"), "text/plain") {
		text, _ := io.ReadAll(response.Body) // the library keeps a kilobyte
		reason += ": " + strings.TrimSpace(string(text))
	}
	return &RefusedError{reason}
}

// openWithin calls open, which ends with ctx.
func openWithin(ctx context.Context, open func(context.Context) (Conn, error)) (Conn, error) {
	return open(ctx)
}

// explain returns err: here dialError has the server's answer.
func explain(_ context.Context, _ string, err error) error { return err }

// hiddenClose is needed in browsers only: here Read's error has the close frame.
func hiddenClose(any) (code int, reason string) { return 0, "" }
