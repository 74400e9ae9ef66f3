//go:build !js

package conn

//lint:file-ignore SA1019 see websocket.go

import (
	"context"
	"io"
	"net/http"
	"strings"

	"nhooyr.io/websocket"
)

// newDialOptions presents the session in a header: there are no cookies here.
func newDialOptions(session string) dialOptions {
	var options dialOptions
	if session != "" {
		options.HTTPHeader = http.Header{"Authorization": {"Bearer " + session}}
	}
	return options
}

// dial opens a WebSocket. The error is a *RefusedError with the text of the server's
// answer, if there was one.
func dial(ctx context.Context, url string, options *dialOptions) (*websocket.Conn, error) {
	conn, response, err := websocket.Dial(ctx, url, options)
	if err == nil || response == nil || response.Body == nil {
		return conn, err
	}
	reason := response.Status
	if strings.HasPrefix(response.Header.Get("Content-Type"), "text/plain") {
		text, _ := io.ReadAll(response.Body) // the library keeps a kilobyte
		reason += ": " + strings.TrimSpace(string(text))
	}
	return nil, &RefusedError{reason}
}

// openWithin calls open, which ends with ctx.
func openWithin(ctx context.Context, open func(context.Context) (Conn, error)) (Conn, error) {
	return open(ctx)
}

// explain returns err: here dial has the server's answer.
func explain(_ context.Context, _ string, err error) error { return err }

// hiddenClose is needed in browsers only: here Read's error has the close frame.
func hiddenClose(any) (code int, reason string) { return 0, "" }
