package client

//lint:file-ignore SA1019 nhooyr.io/websocket is marked deprecated in favour of
// github.com/coder/websocket, its successor with the same API. This project was
// asked to use it, and does so in this file alone.

import (
	"context"
	"errors"
	"net"

	"nhooyr.io/websocket"

	"websockets/shared"
)

// maxFrame is the size, in bytes, of the largest frame taken from the server: a
// page of history is the largest there is.
const maxFrame = 1 << 20

type dialOptions = websocket.DialOptions

// Conn is one connection that carries one event per message. Dial returns a
// WebSocket; tests have one in memory.
//
// One goroutine calls Read, another Write, any of them Close, at the same time.
type Conn interface {
	// Read waits for the next text message. Its ctx must not end: a browser's
	// connection would be closed with a code that browsers refuse. After the connection has ended it
	// returns an error, a *CloseError if there was a close frame.
	Read(ctx context.Context) ([]byte, error)
	// Write sends one text message. It may wait for as long as the server does not
	// read.
	Write(ctx context.Context, frame []byte) error
	// Close ends the connection: Read and Write return. It may wait for the other
	// side, 10 s at most. The code is 1000 or 3000 to 4999: a browser
	// refuses others.
	Close(code int, reason string) error
}

// webSocket is the Conn of a real server.
type webSocket struct{ conn *websocket.Conn }

// dialWebSocket opens a WebSocket. When ctx ends first, a connection that comes
// about all the same is closed.
func dialWebSocket(ctx context.Context, url, session string) (Conn, error) {
	options := newDialOptions(session)
	return openWithin(ctx, func(ctx context.Context) (Conn, error) {
		conn, _, err := websocket.Dial(ctx, url, &options)
		if err != nil {
			return nil, err
		}
		conn.SetReadLimit(maxFrame)
		return &webSocket{conn}, nil
	})
}

func (w *webSocket) Read(ctx context.Context) ([]byte, error) {
	// In a browser a Read after the end chooses by chance between what had arrived
	// before it and the end. 32 ends in a row mean that nothing is left.
	for try := 1; ; try++ {
		kind, frame, err := w.conn.Read(ctx)
		switch {
		case err == nil && kind == websocket.MessageText:
			return frame, nil
		case err == nil:
			return nil, errors.New("the server sent a binary frame")
		case errors.Is(err, net.ErrClosed) && try < 32:
			continue
		}
		return nil, w.closeError(err)
	}
}

func (w *webSocket) closeError(err error) error {
	var frame websocket.CloseError
	if errors.As(err, &frame) {
		return &CloseError{Code: int(frame.Code), Reason: frame.Reason}
	}
	if code, reason := hiddenClose(w.conn); code != 0 {
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
