package e2e

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
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

// bystander is another client on the server, which must not notice an attack.
type bystander struct{ *servertest.Conn }

func newBystander(t *testing.T, server *servertest.Process) bystander {
	return bystander{servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "bystander"})}
}

// talks fails the test unless a message of the bystander is acked.
func (b bystander) talks() {
	b.T.Helper()
	if _, err := servertest.Ask(b.Conn, shared.SendMessage, shared.SendMessagePayload{Message: "still here"}, shared.Ack); err != nil {
		b.T.Fatalf("the bystander: %v", err)
	}
}

// TestManyConnectionsFromOneAddress: those beyond the limit are answered with 429
// before they cost anything, and those that are connected stay.
func TestManyConnectionsFromOneAddress(t *testing.T) {
	t.Parallel()
	crowdOneAddress(t, 1000)
}

// crowdOneAddress asks for many more connections than one address may have.
func crowdOneAddress(t *testing.T, attempts int) {
	const limit = 50
	server := servertest.Start(t, "--max-conns-per-address", fmt.Sprint(limit))
	b := newBystander(t, server)
	before := server.Memory()
	var mu sync.Mutex
	var open []*websocket.Conn
	refused := 0
	var attempting sync.WaitGroup
	turns := make(chan struct{}, 50)
	for range attempts {
		turns <- struct{}{}
		attempting.Go(func() {
			defer func() { <-turns }()
			conn, response, err := servertest.Handshake(server.WS(), servertest.DialOptions{})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				open = append(open, conn)
			case response != nil && response.StatusCode == http.StatusTooManyRequests && response.Header.Get("Retry-After") != "":
				refused++
			default:
				t.Errorf("a connection: got %v, want to be let in, or 429 with Retry-After", err)
			}
		})
	}
	attempting.Wait()
	b.talks()
	grown := server.Memory() - before
	t.Logf("of %d connections %d were let in and %d refused; memory grew by %d KB", attempts, len(open), refused, grown>>10)
	if len(open) != limit-1 { // the bystander is one too
		t.Errorf("connections that were let in: got %d, want %d", len(open), limit-1)
	}
	if limit := int64(48 << 20); grown > limit {
		t.Errorf("growth of the server's memory: got %d MB, want at most %d MB", grown>>20, limit>>20)
	}
	// When they are gone, others are let in.
	for _, conn := range open {
		_ = conn.Close()
	}
	servertest.Eventually(t, "a connection to be let in again", func() bool {
		conn, err := servertest.Upgrade(server.WS(), servertest.DialOptions{})
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// frameOf is a client's frame as it is on the wire, masked with zeros.
func frameOf(first byte, payload string) []byte {
	frame := []byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}
	return append(frame, payload...)
}

// TestAPingFlood: a client that sends pings as fast as it can is closed. The pongs
// do not pile up, and nobody else notices.
func TestAPingFlood(t *testing.T) {
	t.Parallel()
	const most = 152_000
	server := servertest.Start(t)
	b := newBystander(t, server)
	before := server.Memory()
	c := servertest.Dial(t, server.WS(), servertest.DialOptions{})
	pings := []byte(strings.Repeat(string(frameOf(0x89, "ping")), 1000))
	sent := 0
	for sent < most {
		_ = c.WS.NetConn().SetWriteDeadline(time.Now().Add(servertest.Patience))
		if _, err := c.WS.NetConn().Write(pings); err != nil {
			break
		}
		sent += 1000
	}
	code := servertest.CloseCode(c.WS)
	t.Logf("closed with %d after at most %d pings", code, sent)
	if code != shared.ClosePolicy && code != websocket.CloseAbnormalClosure { // the kernel may drop the close frame with what was not read
		t.Errorf("close code: got %d, want %d", code, shared.ClosePolicy)
	}
	b.talks()
	if grown, limit := server.Memory()-before, int64(32<<20); grown > limit {
		t.Errorf("growth of the server's memory: got %d MB, want at most %d MB", grown>>20, limit>>20)
	}
}

// TestFramesThatBreakTheProtocol: each ends the connection, and nobody else
// notices.
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
		"a terabyte announced":      {append(lying, 0, 0, 0, 0, 'x'), []int{shared.ClosePolicy}},
		"a close frame of one byte": {frameOf(0x88, "x"), broken},
	} {
		c := servertest.Dial(t, server.WS(), servertest.DialOptions{})
		if _, err := c.WS.NetConn().Write(test.frame); err != nil {
			t.Fatal(err)
		}
		if code := servertest.CloseCode(c.WS); !slices.Contains(test.codes, code) {
			t.Errorf("%s: got close code %d, want one of %d", name, code, test.codes)
		}
	}
	b.talks()
}

// TestDeflateIsNotTaken: a client offers compression, and the server does not
// agree.
func TestDeflateIsNotTaken(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t)
	response := handshake(t, server.WS(), servertest.DialOptions{Dialer: websocket.Dialer{EnableCompression: true}})
	if got := response.Header.Get("Sec-WebSocket-Extensions"); got != "" || response.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("got %s with the extensions %q, want a connection with none", response.Status, got)
	}
}

// TestSlowHandshakes: clients that send a header a byte at a time are cut off, and
// hold up nobody meanwhile.
func TestSlowHandshakes(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t)
	b := newBystander(t, server)
	const slow = 200
	var dripping sync.WaitGroup
	var cut atomic.Int64
	for range slow {
		conn, err := net.Dial("tcp", server.Addr)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		dripping.Go(func() { // reads until the server ends it
			defer close(ended)
			_ = conn.SetReadDeadline(time.Now().Add(servertest.Patience))
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the server has not cut off a slow handshake after %v", servertest.Patience)
			}
			cut.Add(1)
		})
		dripping.Go(func() {
			defer conn.Close()
			_, err := io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: x\r\nX-Slow: ")
			drip := time.NewTicker(500 * time.Millisecond)
			defer drip.Stop()
			for err == nil {
				select {
				case <-ended:
					return
				case <-drip.C:
					_, err = io.WriteString(conn, "x")
				}
			}
			<-ended
		})
	}
	b.talks()
	if n := cut.Load(); n != 0 {
		t.Errorf("handshakes that were cut off before the bystander's ack: got %d, want 0", n)
	}
	dripping.Wait()
	b.talks()
}

// TestNamesCannotForgeTheLog: what a client says is in one line of the log, with
// its control characters escaped.
func TestNamesCannotForgeTheLog(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t)
	for _, name := range []string{"a\nb", "a\rb", "a\x1b[31mb", "a\u202eb", "a\u200bb"} {
		c := servertest.Dial(t, server.WS(), servertest.DialOptions{})
		if refused, err := servertest.Ask(c, shared.SetName, shared.SetNamePayload{Name: name}, shared.Failed); err != nil || refused.Code != shared.CodeBadName {
			t.Errorf("the name %q: got %+v, %v, want %s", name, refused, err, shared.CodeBadName)
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
		t.Errorf("an origin with control characters: got %s, want a refusal", response.Status)
	}
	// What is logged last is read last.
	last := http.Header{"Origin": {"https://last.example"}}
	if got := handshake(t, server.WS(), servertest.DialOptions{Header: last}).StatusCode; got != http.StatusForbidden {
		t.Errorf("a foreign origin: got status %d, want %d", got, http.StatusForbidden)
	}
	server.AwaitLog(regexp.MustCompile("last.example"))
	log := server.Log()
	for _, line := range strings.Split(log, "\n") {
		if strings.HasPrefix(line, "level=ERROR") || strings.ContainsAny(line, "\x1b\r") {
			t.Errorf("got the log line %q, want control characters escaped", line)
		}
	}
}
