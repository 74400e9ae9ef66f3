package servertest

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// pipeBytes is how much a connection of a PipeListener holds in each direction:
// about what a kernel holds for a connection with a small window.
const pipeBytes = 64 << 10

// PipeListener is a net.Listener in memory whose connections are Pipes. An
// http.Server can serve it, and a dialer reaches it whatever address it asks for:
//
//	listener := servertest.ListenPipe()
//	go server.Serve(listener)
//	dialer := websocket.Dialer{NetDialContext: listener.DialContext}
//
// In a synctest bubble it belongs to the bubble in which ListenPipe was called. All
// methods may be called from any goroutine.
type PipeListener struct {
	accepted  chan net.Conn
	closed    chan struct{}
	closeOnce sync.Once
	dialed    atomic.Int32
}

// ListenPipe returns a listener. Close frees who waits for it.
func ListenPipe() *PipeListener {
	return &PipeListener{accepted: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept returns the next connection. Its error wraps net.ErrClosed after Close.
func (l *PipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.accepted:
		return conn, nil
	case <-l.closed:
		return nil, l.opError("accept", net.ErrClosed)
	}
}

// DialContext connects to the listener as soon as that accepts, and ignores the
// network and the address. After Close the connection is refused. A dialed
// connection does not end with ctx.
func (l *PipeListener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := newPipe(pipeBytes, l.nextClient(), l.Addr())
	select {
	case l.accepted <- server:
		return client, nil
	case <-l.closed:
		return nil, l.opError("dial", syscall.ECONNREFUSED)
	case <-ctx.Done():
		return nil, l.opError("dial", ctx.Err())
	}
}

// Close refuses further connections; those there are stay open. It may be called
// again.
func (l *PipeListener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return nil
}

// Addr returns an address that looks like a socket's, for what parses it.
func (l *PipeListener) Addr() net.Addr { return loopback(8080) }

// nextClient returns an address for a client's end that no other has.
func (l *PipeListener) nextClient() net.Addr { return loopback(49152 + int(l.dialed.Add(1))) }

func loopback(port int) net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1).To4(), Port: port}
}

func (l *PipeListener) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: l.Addr().Network(), Addr: l.Addr(), Err: err}
}
