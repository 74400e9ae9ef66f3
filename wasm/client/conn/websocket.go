package conn

//lint:file-ignore SA1019 nhooyr.io/websocket is deprecated in favour of its
// successor github.com/coder/websocket, which has the same API. This project was
// asked to use it, and imports it in this package only.

import (
	"context"
	"errors"
	"net"

	"nhooyr.io/websocket"

	"websockets/shared"
)

// maxFrame is the size, in bytes, of the largest frame accepted from the server.
// The largest one it sends is a page of history.
const maxFrame = 1 << 20

// maxReadRetries bounds how often Read looks for frames after the end, see there.
const maxReadRetries = 32

type dialOptions = websocket.DialOptions

// webSocket is the Conn of a real server.
type webSocket struct{ conn *websocket.Conn }

// DialWebSocket opens a WebSocket. If ctx ends first, a connection that is opened
// nevertheless is closed. Natively, the error is a *RefusedError if the server answered.
func DialWebSocket(ctx context.Context, url, session string) (Conn, error) {
	options := newDialOptions(session)
	return openWithin(ctx, func(ctx context.Context) (Conn, error) {
		conn, err := dial(ctx, url, &options)
		if err != nil {
			return nil, err
		}
		conn.SetReadLimit(maxFrame)
		return &webSocket{conn}, nil
	})
}

func (w *webSocket) Read(ctx context.Context) ([]byte, error) {
	// In a browser, a Read after the end picks at random between a frame that had
	// arrived before and the end. That many ends in a row mean that no frame is left.
	for try := 1; ; try++ {
		kind, frame, err := w.conn.Read(ctx)
		switch {
		case err == nil && kind == websocket.MessageText:
			return frame, nil
		case err == nil:
			return nil, errors.New("the server sent a binary frame")
		case errors.Is(err, net.ErrClosed) && try < maxReadRetries:
			continue
		}
		return nil, w.closeError(err)
	}
}

// closeError returns the close frame behind an error of Read, or err if there was
// none.
func (w *webSocket) closeError(err error) error {
	var frame websocket.CloseError
	if errors.As(err, &frame) {
		return &CloseError{Code: int(frame.Code), Reason: frame.Reason}
	}
	code, reason := hiddenClose(w.conn)
	if code != 0 {
		return &CloseError{Code: code, Reason: reason}
	}
	return err
}

func (w *webSocket) Write(ctx context.Context, frame []byte) error {
	return w.conn.Write(ctx, websocket.MessageText, frame)
}

func (w *webSocket) Close(code int, reason string) error {
	return w.conn.Close(websocket.StatusCode(code), shared.Clip(reason, 100))
}
