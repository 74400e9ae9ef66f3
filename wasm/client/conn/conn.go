package conn

import (
	"context"
	"errors"
	"fmt"

	"websockets/shared"
)

// Errors of the connection. They name the package client, whose users see them.
var (
	ErrDisconnected = errors.New("client: not connected")
	ErrBusy         = errors.New("client: send queue is full")
	ErrRunning      = errors.New("client: Run is already running")
)

// Conn is one connection that carries one event per message. Dial returns a
// WebSocket; tests use one in memory.
//
// One goroutine calls Read, another calls Write, and any goroutine calls Close,
// all at the same time.
type Conn interface {
	// Read waits for the next text message. Its ctx must not end: a browser would
	// refuse the close code that the library uses then. After the connection has
	// ended, Read returns an error: a *CloseError if there was a close frame.
	Read(ctx context.Context) ([]byte, error)
	// Write sends one text message. It may block for as long as the server does not
	// read.
	Write(ctx context.Context, frame []byte) error
	// Close ends the connection; Read and Write return. It may wait up to 10 s for
	// the other side. The code must be 1000 or 3000 to 4999: browsers refuse others.
	Close(code int, reason string) error
}

// CloseError says that a connection ended with a close frame. Run returns one
// when its code is final, see shared.Reconnects.
type CloseError struct {
	Code   int
	Reason string
}

func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("the connection was closed with code %d", e.Code)
	}
	return fmt.Sprintf("the connection was closed with code %d: %s", e.Code, e.Reason)
}

// RefusedError says that the server refused an attempt to connect. Reason is for people.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "the server refused the connection: " + e.Reason }

// refusalOf returns why the server does not let us in for now, for people. It is empty
// if cause does not say that.
func refusalOf(cause error) string {
	var closed *CloseError
	var refused *RefusedError
	switch {
	case errors.As(cause, &closed) && closed.Code == shared.CloseTryLater:
		return closed.Reason
	case errors.As(cause, &refused):
		return refused.Reason
	}
	return ""
}
