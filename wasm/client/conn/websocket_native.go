//go:build !js

package conn

import (
	"context"
	"net/http"
)

// newDialOptions presents the session in a header: there are no cookies here.
func newDialOptions(session string) dialOptions {
	var options dialOptions
	if session != "" {
		options.HTTPHeader = http.Header{"Authorization": {"Bearer " + session}}
	}
	return options
}

// openWithin calls open, which ends with ctx.
func openWithin(ctx context.Context, open func(context.Context) (Conn, error)) (Conn, error) {
	return open(ctx)
}

// hiddenClose is needed in browsers only: here Read's error has the close frame.
func hiddenClose(any) (code int, reason string) { return 0, "" }
