package servertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"websockets/shared"
)

// Conn is the tests' WebSocket client. It resumes nothing, repairs nothing and
// hides nothing: what it returns is what was on the wire. One goroutine at a time
// may read, and one may write.
//
// There are two ways to read, and a Conn is read in one of them at a time. Next,
// Await and what builds on them drop what they pass; they suit floods. Take and
// what builds on it keep in an inbox what was not asked for yet.
type Conn struct {
	// T is the test that the connection belongs to.
	T testing.TB
	// WS is the connection itself, for tests of the WebSocket protocol.
	WS *websocket.Conn
	// Welcome is the server's first event.
	Welcome shared.WelcomePayload

	frame bytes.Buffer   // the last one; owned by the reader
	inbox []shared.Event // received and not asked for yet; owned by the reader
	ids   int            // made so far; owned by the writer
}

// DialOptions say how a Conn connects. The zero value is a new guest in the
// default room.
type DialOptions struct {
	Room    string         // the first room; empty means the default one
	After   *shared.Cursor // where to resume in it
	Query   string         // replaces Room and After: the raw query of the address
	Session string         // of a guest or a token, presented as a bearer
	Header  http.Header    // more headers
	Dialer  websocket.Dialer

	// SmallWindow keeps the kernel's receive buffer small, as it is between
	// machines: some 100 KB instead of megabytes, so that a reader that has stopped
	// is soon felt by the server. After much traffic it grows to a megabyte.
	SmallWindow bool
}

// Dial connects to url, as in ws://host:port/ws, and waits for the welcome. The
// connection is closed when the test ends.
func Dial(t testing.TB, url string, o DialOptions) *Conn {
	t.Helper()
	c, err := TryDial(t, url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.WS.Close() })
	return c
}

// DialAll opens n connections.
func DialAll(t testing.TB, url string, n int, o DialOptions) (all []*Conn) {
	t.Helper()
	for range n {
		all = append(all, Dial(t, url, o))
	}
	return all
}

// TryDial is Dial for goroutines that may not end the test. The caller closes the
// connection.
func TryDial(t testing.TB, url string, o DialOptions) (*Conn, error) {
	conn, err := Upgrade(url, o)
	if err != nil {
		return nil, err
	}
	c := &Conn{T: t, WS: conn}
	if c.Welcome, err = TryAwait(c, shared.Welcome); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

// Upgrade opens a connection on which nothing has been read. Its error has the
// server's status.
func Upgrade(address string, o DialOptions) (*websocket.Conn, error) {
	conn, response, err := Handshake(address, o)
	if err != nil && response != nil {
		err = fmt.Errorf("%w: %s", err, response.Status)
	}
	return conn, err
}

// Handshake is Upgrade for tests of the handshake: it returns the server's
// response too, which is nil if there was none.
func Handshake(address string, o DialOptions) (*websocket.Conn, *http.Response, error) {
	query := o.Query
	if query == "" {
		values := url.Values{}
		if o.Room != "" {
			values.Set("room", o.Room)
		}
		if o.After != nil {
			cursor, _ := json.Marshal(o.After) // a struct of strings and a number
			values.Set("after", string(cursor))
		}
		query = values.Encode()
	}
	header := o.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if o.Session != "" {
		header.Set("Authorization", "Bearer "+o.Session)
	}
	dialer := o.Dialer
	if o.SmallWindow {
		dialer.NetDialContext = (&net.Dialer{Control: smallWindow}).DialContext
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	conn, response, err := dialer.DialContext(ctx, address+"?"+query, header)
	if err != nil {
		return nil, response, err
	}
	conn.SetPingHandler(func(data string) error { // gorilla's own allows a second
		_ = conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(Patience))
		return nil
	})
	return conn, response, nil
}

// Next reads a frame from the wire. It is valid until the next call.
func (c *Conn) Next() ([]byte, error) {
	_ = c.WS.SetReadDeadline(time.Now().Add(Patience))
	return c.read()
}

// Last returns the frame that Next returned last.
func (c *Conn) Last() []byte { return c.frame.Bytes() }

func (c *Conn) read() ([]byte, error) {
	kind, r, err := c.WS.NextReader()
	if err != nil {
		return nil, err
	}
	if kind != websocket.TextMessage {
		return nil, fmt.Errorf("got a frame of kind %d, want text", kind)
	}
	c.frame.Reset()
	if _, err := c.frame.ReadFrom(r); err != nil {
		return nil, err
	}
	return c.frame.Bytes(), nil
}

// Write sends a text frame as it is.
func (c *Conn) Write(frame []byte) error {
	_ = c.WS.SetWriteDeadline(time.Now().Add(Patience))
	return c.WS.WriteMessage(websocket.TextMessage, frame)
}

// Send sends an event under an id of its own, which it returns.
func Send[P any](c *Conn, event shared.Type[P], payload P) (id string) {
	c.T.Helper()
	c.ids++
	id = fmt.Sprintf("%s-%d", event.Name(), c.ids)
	if err := c.Write(event.Frame(id, payload)); err != nil {
		c.T.Fatalf("sending %s: %v", event.Name(), err)
	}
	return id
}

// Await reads up to the next event of a type. What comes before it is dropped.
func Await[P any](c *Conn, event shared.Type[P]) P {
	c.T.Helper()
	payload, err := TryAwait(c, event)
	if err != nil {
		c.T.Fatal(err)
	}
	return payload
}

// TryAwait is Await for goroutines that may not end the test.
func TryAwait[P any](c *Conn, event shared.Type[P]) (payload P, err error) {
	for {
		frame, err := c.Next()
		if err != nil {
			return payload, fmt.Errorf("waiting for %s: %w", event.Name(), err)
		}
		if IsEvent(frame, event.Name()) {
			return Decode(event, frame)
		}
	}
}

// Ask sends an event and reads up to its answer, which has to be of this type.
// What comes before it is dropped.
func Ask[Q, A any](c *Conn, event shared.Type[Q], question Q, answer shared.Type[A]) (payload A, err error) {
	const id = "asked"
	if err := c.Write(event.Frame(id, question)); err != nil {
		return payload, err
	}
	for {
		frame, err := c.Next()
		if err != nil {
			return payload, fmt.Errorf("waiting for the answer to %s: %w", event.Name(), err)
		}
		if e, err := shared.DecodeEvent(frame); err != nil || e.ID == id {
			return Decode(answer, frame)
		}
	}
}

// Enter joins a room beside the current one and returns the cursor of its end.
func (c *Conn) Enter(room string) shared.Cursor {
	c.T.Helper()
	if err := c.Write(shared.JoinRoom.Frame("", shared.JoinPayload{Name: room})); err != nil {
		c.T.Fatal(err)
	}
	for {
		if synced := Await(c, shared.Synced); synced.Room == room {
			return synced.Cursor
		}
	}
}

// CloseCode reads until a connection ends and returns its close code, which is
// websocket.CloseAbnormalClosure if no close frame came.
func CloseCode(conn *websocket.Conn) int {
	for {
		_ = conn.SetReadDeadline(time.Now().Add(Patience))
		if _, _, err := conn.NextReader(); err != nil {
			if closed := (*websocket.CloseError)(nil); errors.As(err, &closed) {
				return closed.Code
			}
			return websocket.CloseAbnormalClosure
		}
	}
}

// Close closes connections without a close frame.
func Close(all ...*Conn) {
	for _, c := range all {
		_ = c.WS.Close()
	}
}
