package servertest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
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
	read     func(*bufio.Reader) ([]byte, error) // what the server sends
	wg       sync.WaitGroup

	mu     sync.Mutex
	target string
	lines  map[*line]struct{}
	total  int // lines, ever
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

type line struct {
	client, server net.Conn
	deaf           bool // what the server sends is thrown away; guarded by Proxy.mu
}

func (l *line) cut() {
	_ = l.client.Close()
	_ = l.server.Close()
}

// NewProxy returns a line to target, host:port, that ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	return NewFilter(t, target, readSome)
}

// readSome reads what there is.
func readSome(r *bufio.Reader) ([]byte, error) {
	_, err := r.Peek(1)
	piece, _ := r.Peek(r.Buffered()) // valid until the next read
	_, _ = r.Discard(len(piece))
	return piece, err
}

// NewFilter is NewProxy with a function that reads the next piece of what the
// server sends: what it returns is handed on. Each line calls it on a goroutine
// of its own.
func NewFilter(t testing.TB, target string, read func(*bufio.Reader) ([]byte, error)) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{
		Addr: listener.Addr().String(), listener: listener, read: read, target: target,
		lines: map[*line]struct{}{}, moved: make(chan struct{}),
	}
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// ReadFrame is what a filter reads with that looks at WebSocket frames: it returns
// the answer to the upgrade first, then a frame at a time, of less than 64 KiB.
func ReadFrame(r *bufio.Reader) (piece []byte, err error) {
	head, err := r.Peek(2)
	if err != nil {
		return nil, err
	}
	if string(head) == "HT" { // of HTTP/1.1, which no frame begins with
		for err == nil && !bytes.HasSuffix(piece, []byte("\r\n\r\n")) {
			var line []byte
			line, err = r.ReadBytes('\n')
			piece = append(piece, line...)
		}
		return piece, err
	}
	length := 2 + int(head[1])
	if head[1] == 126 {
		if head, err = r.Peek(4); err != nil {
			return nil, err
		}
		length = 4 + int(binary.BigEndian.Uint16(head[2:]))
	}
	piece = make([]byte, length)
	_, err = io.ReadFull(r, piece)
	return piece, err
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

// Hold keeps everything back, that a side has closed too, as a network that has
// gone away, until Forward.
func (p *Proxy) Hold() { p.set(hold) }

// Swallow throws away what the server sends, so that it has done what it was
// asked and nobody hears of it; break the lines after it, they have a hole.
func (p *Proxy) Swallow() { p.set(swallow) }

// Forward lets everything through again.
func (p *Proxy) Forward() { p.set(forward) }

// Deafen throws away for good what the server sends on the lines there are, which
// stay open. New ones are not touched.
func (p *Proxy) Deafen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.lines {
		l.deaf = true
	}
}

// Lines returns how many there have been.
func (p *Proxy) Lines() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}

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
		l := &line{client: client, server: server}
		p.mu.Lock()
		if p.total++; p.closed {
			l.cut()
		} else {
			p.lines[l] = struct{}{}
		}
		p.mu.Unlock()
		p.wg.Go(func() { p.carry(l, server, client, readSome) })
		p.wg.Go(func() { p.carry(l, client, server, p.read) })
	}
}

// carry hands on what one side sends until the line breaks.
func (p *Proxy) carry(l *line, to, from net.Conn, read func(*bufio.Reader) ([]byte, error)) {
	defer func() {
		l.cut()
		p.mu.Lock()
		delete(p.lines, l)
		p.mu.Unlock()
	}()
	for r := bufio.NewReaderSize(from, 16<<10); ; {
		piece, err := read(r)
		passes := p.await(l, from)
		if err == nil && passes {
			_, err = to.Write(piece)
		}
		if err != nil {
			return
		}
	}
}

// await returns as soon as the line is not held, and whether what a side has sent
// is handed on.
func (p *Proxy) await(l *line, from net.Conn) bool {
	for {
		p.mu.Lock()
		m, moved, closed, deaf := p.mood, p.moved, p.closed, l.deaf
		p.mu.Unlock()
		if m != hold || closed {
			return from == l.client || m != swallow && !deaf
		}
		<-moved
	}
}
