package servertest

import (
	"net"
	"sync"
	"testing"
)

// Proxy is a TCP line between clients and a server that a test can do things to.
// All methods may be called from any goroutine.
type Proxy struct {
	// Addr is where clients connect.
	Addr string

	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex
	target string
	lines  map[*line]struct{}
	mood   mood
	moved  chan struct{} // closed and replaced when the mood changes
	closed bool
}

// mood is what the proxy does to bytes.
type mood int

const (
	forward mood = iota
	hold         // neither side gets anything
	swallow      // what the server sends is thrown away
)

type line struct{ client, server net.Conn }

func (l *line) cut() {
	_ = l.client.Close()
	_ = l.server.Close()
}

// NewProxy returns a line to target, host:port, that ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{
		Addr: listener.Addr().String(), listener: listener, target: target,
		lines: map[*line]struct{}{}, moved: make(chan struct{}),
	}
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// WS is the WebSocket's address through the proxy.
func (p *Proxy) WS() string { return "ws://" + p.Addr + "/ws" }

// SwitchTo makes new lines go to another server. Lines there are stay.
func (p *Proxy) SwitchTo(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Cut breaks all lines without a word.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.lines {
		l.cut()
	}
}

// Hold keeps everything back, as a network that has gone away, until Forward.
func (p *Proxy) Hold() { p.set(hold) }

// Swallow throws away what the server sends, so that it has done what it was
// asked and nobody hears of it; break the lines after it, they have a hole.
func (p *Proxy) Swallow() { p.set(swallow) }

// Forward lets everything through again.
func (p *Proxy) Forward() { p.set(forward) }

func (p *Proxy) set(m mood) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mood = m
	close(p.moved)
	p.moved = make(chan struct{})
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.listener.Close()
	p.Cut()
	p.Forward()
	p.wg.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		target := p.target
		p.mu.Unlock()
		server, err := net.Dial("tcp", target)
		if err != nil {
			_ = client.Close()
			continue
		}
		l := &line{client, server}
		p.mu.Lock()
		if p.closed {
			l.cut()
		} else {
			p.lines[l] = struct{}{}
		}
		p.mu.Unlock()
		p.wg.Go(func() { p.carry(l, server, client, false) })
		p.wg.Go(func() { p.carry(l, client, server, true) })
	}
}

// carry copies one direction until the line breaks.
func (p *Proxy) carry(l *line, to, from net.Conn, fromServer bool) {
	defer func() {
		l.cut()
		p.mu.Lock()
		delete(p.lines, l)
		p.mu.Unlock()
	}()
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if p.await() == swallow && fromServer {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// await returns what to do as soon as it is not to hold.
func (p *Proxy) await() mood {
	for {
		p.mu.Lock()
		m, moved, closed := p.mood, p.moved, p.closed
		p.mu.Unlock()
		if m != hold || closed {
			return m
		}
		<-moved
	}
}
