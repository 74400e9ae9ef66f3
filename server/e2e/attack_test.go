//go:build unix

package e2e

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/servertest"
	"websockets/shared"
)

// bystander is somebody else on the server, who must not notice an attack.
type bystander struct {
	*raw
	t *testing.T
	n int
}

func newBystander(t *testing.T, server *servertest.Process) *bystander {
	return &bystander{raw: connect(t, server.Addr, way{room: "bystander"}), t: t}
}

// talks fails unless a message of his is acked.
func (b *bystander) talks() {
	b.t.Helper()
	b.n++
	id := fmt.Sprint("by-", b.n)
	if err := b.send(shared.SendMessage.Frame(id, shared.SendMessagePayload{Message: "still here"})); err != nil {
		b.t.Fatalf("the bystander: %v", err)
	}
	for {
		frame, err := b.next()
		if err != nil {
			b.t.Fatalf("the bystander: %v", err)
		}
		if m, ok := ackIn(frame); ok && m.id == id {
			return
		}
	}
}

// TestTenThousandConnectionsFromOneAddress: those beyond the limit are answered
// with 429 before they cost anything, and who is there stays.
func TestTenThousandConnectionsFromOneAddress(t *testing.T) {
	const attempts, limit = 10_000, 50
	server := servertest.Start(t, "--max-conns-per-address", fmt.Sprint(limit))
	b := newBystander(t, server)
	before := memory(t, server)
	var open, refused, other atomic.Int64
	var conns sync.Map
	var wait sync.WaitGroup
	turns := make(chan struct{}, 50)
	for range attempts {
		turns <- struct{}{}
		wait.Go(func() {
			defer func() { <-turns }()
			conn, response, err := websocket.DefaultDialer.Dial("ws://"+server.Addr+"/ws", nil)
			switch {
			case err == nil:
				open.Add(1)
				conns.Store(conn, true)
			case response != nil && response.StatusCode == http.StatusTooManyRequests && response.Header.Get("Retry-After") != "":
				refused.Add(1)
			default:
				other.Add(1)
				t.Log(err)
			}
		})
	}
	wait.Wait()
	b.talks()
	grown := memory(t, server) - before
	t.Logf("of %d connections %d were let in, %d refused; memory grew by %d KB", attempts, open.Load(), refused.Load(), grown>>10)
	if open.Load() > limit || open.Load() < limit-1 || other.Load() != 0 {
		t.Errorf("%d were let in and %d failed otherwise, the limit is %d", open.Load(), other.Load(), limit)
	}
	if grown > 48<<20 {
		t.Errorf("the server's memory grew by %d MB", grown>>20)
	}
	// When they are gone, others come in.
	conns.Range(func(conn, _ any) bool { _ = conn.(*websocket.Conn).Close(); return true })
	for deadline := time.Now().Add(patience); ; {
		conn, _, err := websocket.DefaultDialer.Dial("ws://"+server.Addr+"/ws", nil)
		if err == nil {
			_ = conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody comes in any more: %v", err)
		}
	}
}

// frameOf is a client's frame as it is on the wire, masked with zeros.
func frameOf(first byte, payload string) []byte {
	frame := []byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}
	return append(frame, payload...)
}

// TestAPingFlood: who sends pings as fast as they go is closed, the pongs do not
// pile up, and nobody else notices.
func TestAPingFlood(t *testing.T) {
	server := servertest.Start(t)
	b := newBystander(t, server)
	before := memory(t, server)
	c := connect(t, server.Addr, way{})
	pings := []byte(strings.Repeat(string(frameOf(0x89, "ping")), 1000))
	var sent int
	begin := time.Now()
	for sent < 152_000 {
		if _, err := c.conn.NetConn().Write(pings); err != nil {
			break
		}
		sent += 1000
	}
	code := closeCode(c.conn)
	t.Logf("closed with %d after at most %d pings in %v", code, sent, time.Since(begin).Round(time.Millisecond))
	if code != shared.ClosePolicy && code != websocket.CloseAbnormalClosure { // the kernel may throw the close frame away with what was not read
		t.Errorf("it was closed with %d", code)
	}
	b.talks()
	if grown := memory(t, server) - before; grown > 16<<20 {
		t.Errorf("the server's memory grew by %d MB", grown>>20)
	}
}

// closeCode reads until the connection ends and returns its close code.
func closeCode(conn *websocket.Conn) int {
	for {
		if _, _, err := conn.NextReader(); err != nil {
			if closed, ok := err.(*websocket.CloseError); ok {
				return closed.Code
			}
			return websocket.CloseAbnormalClosure
		}
	}
}

// TestFramesThatBreakTheProtocol end the connection; nothing they say is believed.
func TestFramesThatBreakTheProtocol(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t)
	b := newBystander(t, server)
	lying := binary.BigEndian.AppendUint64([]byte{0x81, 0x80 | 127}, 1<<40)
	negative := binary.BigEndian.AppendUint64([]byte{0x81, 0x80 | 127}, 1<<63)
	broken := []int{websocket.CloseProtocolError, websocket.CloseAbnormalClosure} // the kernel may throw the close frame away
	for name, test := range map[string]struct {
		frame []byte
		codes []int
	}{
		"not masked":                  {[]byte{0x81, 2, '{', '}'}, broken},
		"a reserved bit":              {frameOf(0x81|0x40, "{}"), broken},
		"all reserved bits":           {frameOf(0x81|0x70, "{}"), broken},
		"a reserved opcode":           {frameOf(0x83, "{}"), broken},
		"a reserved control opcode":   {frameOf(0x8b, ""), broken},
		"a continuation of nothing":   {frameOf(0x80, "{}"), broken},
		"a message inside another":    {append(frameOf(0x01, "{"), frameOf(0x81, "{}")...), broken},
		"a ping in fragments":         {frameOf(0x09, "x"), broken},
		"a ping of 126 bytes":         {append([]byte{0x89, 0x80 | 126, 0, 126, 0, 0, 0, 0}, make([]byte, 126)...), broken},
		"a negative length":           {append(negative, 0, 0, 0, 0, 'x'), append(broken, shared.CloseTooBig)},
		"a close code that is none":   {frameOf(0x88, "\x03\xed"), broken}, // 1005
		"a close reason not in UTF-8": {frameOf(0x88, "\x03\xe8\xff\xff"), append(broken, shared.CloseInvalidText)},
		// It may still come; it does not, and nothing is kept free for it.
		"a terabyte announced": {append(lying, 0, 0, 0, 0, 'x'), []int{shared.ClosePolicy}},
		// The library takes it for one without a code.
		"a close frame of one byte": {frameOf(0x88, "x"), append(broken, shared.CloseNormal)},
	} {
		c := connect(t, server.Addr, way{})
		if _, err := c.conn.NetConn().Write(test.frame); err != nil {
			t.Fatal(err)
		}
		if code := closeCode(c.conn); !slices.Contains(test.codes, code) {
			t.Errorf("%s: closed with %d", name, code)
		}
	}
	b.talks()
}

// TestDeflateIsNotTaken: compression is offered and not agreed on.
func TestDeflateIsNotTaken(t *testing.T) {
	server := servertest.Start(t)
	dialer := websocket.Dialer{EnableCompression: true}
	conn, response, err := dialer.Dial("ws://"+server.Addr+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if agreed := response.Header.Get("Sec-WebSocket-Extensions"); agreed != "" {
		t.Errorf("agreed on %q", agreed)
	}
}

// TestSlowHandshakes: who sends a header a byte at a time is cut off, and holds up
// nobody meanwhile.
func TestSlowHandshakes(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t)
	b := newBystander(t, server)
	const slow = 200
	var wait sync.WaitGroup
	begin := time.Now()
	for range slow {
		conn, err := net.Dial("tcp", server.Addr)
		if err != nil {
			t.Fatal(err)
		}
		wait.Go(func() {
			defer conn.Close()
			_, _ = io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: x\r\nX-Slow: ")
			stop := make(chan struct{})
			go func() { // until the server has had enough
				defer close(stop)
				_, _ = bufio.NewReader(conn).ReadByte()
			}()
			drip := time.NewTicker(500 * time.Millisecond)
			defer drip.Stop()
			for {
				select {
				case <-stop:
					return
				case <-drip.C:
					if _, err := io.WriteString(conn, "x"); err != nil {
						<-stop
						return
					}
				}
			}
		})
	}
	b.talks()
	wait.Wait()
	if took := time.Since(begin); took > 40*time.Second {
		t.Errorf("they were cut off after %v", took)
	}
	b.talks()
}

// TestNamesCannotForgeTheLog: what a client says ends up in one line of the log,
// with its control characters written out.
func TestNamesCannotForgeTheLog(t *testing.T) {
	server := servertest.Start(t)
	for _, name := range []string{"a\nb", "a\rb", "a\x1b[31mb", "a\u202eb", "a\u200bb"} {
		c := connect(t, server.Addr, way{})
		if err := c.send(shared.SetName.Frame("n", shared.SetNamePayload{Name: name})); err != nil {
			t.Fatal(err)
		}
		refused := mustUntil(c, shared.Failed)
		if refused.Code != shared.CodeBadName {
			t.Errorf("%q is answered with %+v", name, refused)
		}
	}
	request, err := http.NewRequest("GET", "http://"+server.Addr+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin: http://x\x1b[2Jlevel=ERROR\r\n\r\n",
		request.URL.Path, server.Addr)
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode < 400 {
		t.Errorf("answered with %s", response.Status)
	}
	// When what is logged last has been read, so has all before it.
	last := http.Header{"Origin": {"https://last.example"}}
	if conn, _, err := websocket.DefaultDialer.Dial(server.WS(), last); err == nil {
		_ = conn.Close()
		t.Error("a foreign origin was let in")
	}
	server.AwaitLog(regexp.MustCompile("last.example"))
	log := server.Log()
	for _, line := range strings.Split(log, "\n") {
		if strings.HasPrefix(line, "level=ERROR") || strings.ContainsAny(line, "\x1b\r") {
			t.Errorf("the log has the line %q", line)
		}
	}
}
