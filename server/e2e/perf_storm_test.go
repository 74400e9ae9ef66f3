//go:build perf && unix

package e2e

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"websockets/server/servertest"
	"websockets/shared"
)

var stormClients = flag.Int("storm.clients", 500, "how many clients TestPerfReconnectStorm cuts off; server and test need a file each for every one")

const (
	stormRoom   = 100  // members of a room
	stormMissed = 100  // messages of a room while all are away
	stormFront  = 1000 // clients connecting at a time: the kernel drops what waits beyond some thousands
)

// TestPerfReconnectStorm: all clients are cut off at once, a hundred messages are
// written in each of their rooms while nobody is there, and all come back as fast
// as the server lets them. Each gets exactly what it missed, in order, and what is
// written afterwards once; a room that has no part in it hardly notices; and the
// server's memory returns to where it was.
func TestPerfReconnectStorm(t *testing.T) {
	for _, shape := range []struct {
		name  string
		rooms int
	}{
		{"rooms of 100", max(1, *stormClients/stormRoom)},
		{"one room", 1},
	} {
		t.Run(shape.name, func(t *testing.T) { newStorm(t, shape.rooms).run() })
	}
}

// storm is a server, its clients and what they are to get.
type storm struct {
	t       *testing.T
	server  *servertest.Process
	rooms   []string
	clients []*stormClient
	front   chan struct{} // a place for each that is connecting

	want  [][][]byte         // how the frames of what a room missed begin, in order
	last  []stored           // of those
	waits chan time.Duration // from a client's dialling until it has everything
}

func newStorm(t *testing.T, rooms int) *storm {
	s := &storm{
		t: t, server: servertest.Start(t, "--rate", "0", "--fsync", "interval"),
		front: make(chan struct{}, stormFront),
	}
	for i := range rooms {
		s.rooms = append(s.rooms, fmt.Sprintf("room-%d", i))
	}
	for i := range *stormClients {
		s.clients = append(s.clients, &stormClient{storm: s, room: i % rooms})
	}
	t.Cleanup(func() {
		for _, c := range s.clients {
			c.cut()
		}
	})
	return s
}

func (s *storm) run() {
	t := s.t
	talker, bystander := connect(t, s.server.Addr, way{room: "live"}), listen(connect(t, s.server.Addr, way{room: "live"}), "live")
	heard := listen(talker, "live")
	stop := speak(talker)
	heard.await(200)
	spoken := stop()
	bystander.await(spoken)
	before := p99(bystander.latest(spoken))

	for i := 0; i < len(s.rooms); i += 2 { // the others have no message yet
		s.write(s.rooms[i], "before", 10)
	}
	alone := s.files()
	connecting := time.Now()
	s.all("connecting", (*stormClient).come)
	connected := time.Since(connecting)
	level := memory(t, s.server)
	for _, c := range s.clients {
		c.cut()
	}
	for deadline := time.Now().Add(patience); s.files() > alone; { // the server has noticed
		if time.Now().After(deadline) {
			t.Fatal("the server does not notice that its clients are gone")
		}
	}
	s.miss()

	watched := watchMemory(t, s.server)
	s.waits = make(chan time.Duration, len(s.clients))
	stop = speak(talker)
	begin, used := time.Now(), s.processorTime()
	s.all("coming back", (*stormClient).comeBack)
	took := time.Since(begin)
	used = s.processorTime() - used
	said := stop()
	bystander.await(spoken + said)
	during := p99(bystander.latest(said))
	peak := watched()
	close(s.waits)
	longest := time.Duration(0)
	for wait := range s.waits {
		longest = max(longest, wait)
	}
	n, seconds := float64(len(s.clients)), took.Seconds()
	t.Logf("%d clients in %d rooms: connected at %.0f/s; all caught up after %v, %.0f connects/s, %.0f messages/s, longest wait of one %v; the server used %v of processor time",
		len(s.clients), len(s.rooms), n/connected.Seconds(), took.Round(time.Millisecond), n/seconds, n*stormMissed/seconds, longest.Round(time.Millisecond), used)
	t.Logf("what was live in another room took %v p99, %v before", during.Round(time.Millisecond/10), before.Round(time.Millisecond/10))

	// What follows is the next that each of them sees.
	for i, room := range s.rooms {
		s.want[i] = append(s.want[i], beginnings(s.write(room, "after", 1))...)
	}
	s.all("reading on", (*stormClient).readOn)

	// The server gives memory back when it is calm.
	limit := level + level/10 + 16<<20
	now, end := memory(t, s.server), time.Now()
	for now > limit && time.Since(end) < patience {
		now = memory(t, s.server)
	}
	t.Logf("the server's memory was %d MB with all connected, %d MB at its peak, and %d MB %v after the storm",
		level>>20, peak>>20, now>>20, time.Since(end).Round(time.Second))
	if now > limit {
		t.Errorf("the server's memory did not return from %d MB to %d MB within %v", peak>>20, limit>>20, patience)
	}
	// A storm of 500 is over too soon for this; one of 10,000 shows it.
	if during > before+took/2+time.Second {
		t.Errorf("while clients came back for %v, what was live in another room was %v late, %v before", took, during, before)
	}
}

// all lets every client do something and waits until they have. It fails the test
// with the first few that could not.
func (s *storm) all(what string, do func(*stormClient) error) {
	s.t.Helper()
	var doing sync.WaitGroup
	var failed atomic.Int64
	for i, c := range s.clients {
		doing.Go(func() {
			if err := do(c); err != nil && failed.Add(1) <= 5 {
				s.t.Errorf("client %d, %s: %v", i, what, err)
			}
		})
	}
	doing.Wait()
	if n := failed.Load(); n > 0 {
		s.t.Fatalf("%d of %d clients failed", n, len(s.clients))
	}
}

// miss writes what the clients miss. When it returns nobody is in their rooms.
func (s *storm) miss() {
	for _, room := range s.rooms {
		acked := s.write(room, "missed", stormMissed)
		s.want, s.last = append(s.want, beginnings(acked)), append(s.last, acked[len(acked)-1])
	}
}

// write has somebody come into a room, write to it and leave.
func (s *storm) write(room, name string, n int) []stored {
	s.t.Helper()
	writer := connect(s.t, s.server.Addr, way{room: room})
	defer writer.conn.Close()
	acked, err := writer.flood(room, name, n, 50, func(string) string { return stamp(100) })
	if err != nil {
		s.t.Fatal(err)
	}
	return inOrder(acked)
}

// beginnings returns how the frames of messages begin: what follows is the same
// for everybody, and not what this is about.
func beginnings(messages []stored) (frames [][]byte) {
	for _, m := range messages {
		frames = append(frames, fmt.Appendf(nil, `{"type":"new_message","payload":{"seq":%d,"id":"%s",`, m.seq, m.id))
	}
	return frames
}

// files is how many files the server has open.
func (s *storm) files() int {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.server.PID()))
	if errors.Is(err, os.ErrNotExist) {
		s.t.Skip("NOT RUN: there is no /proc to see in that the server has noticed who is gone")
	} else if err != nil {
		s.t.Fatal(err)
	}
	return len(open)
}

// processorTime is what the server has used so far, of all processors.
func (s *storm) processorTime() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.server.PID()))
	if err != nil {
		s.t.Fatal(err)
	}
	var user, system int64 // in hundredths of a second; the 14th and 15th word, of which the 2nd ends with the last )
	_, rest, _ := strings.Cut(string(stat), ") ")
	if words := strings.Fields(rest); len(words) > 13 {
		user, _ = strconv.ParseInt(words[11], 10, 64)
		system, _ = strconv.ParseInt(words[12], 10, 64)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// speak sends messages that tell when they were due, 200 a second, until the
// function that it returns is called, which returns how many they were.
func speak(c *raw) (stop func() (spoken int)) {
	ticker := time.NewTicker(5 * time.Millisecond)
	stopped, ended := make(chan struct{}), make(chan int)
	go func() {
		defer ticker.Stop()
		for n := 0; ; {
			select {
			case <-stopped:
				ended <- n
				return
			case <-ticker.C:
				if c.send(shared.SendMessage.Frame("", shared.SendMessagePayload{Room: "live", Message: stamp(100)})) == nil {
					n++
				}
			}
		}
	}()
	return func() int {
		close(stopped)
		return <-ended
	}
}

// stormClient is a client of which one process can have ten thousand: it knows
// beforehand what it is to read. It keeps its session, as a real one does.
type stormClient struct {
	*storm
	room    int
	session string
	cursor  shared.Cursor

	conn net.Conn
	r    *bufio.Reader
	buf  []byte
	seen int // of what it is to get
}

// come connects for the first time.
func (c *stormClient) come() error {
	welcome, _, err := c.dial("")
	if err != nil {
		return err
	}
	c.session = welcome.Session
	return c.synced()
}

// comeBack connects with the cursor and gets what was missed.
func (c *stormClient) comeBack() error {
	begin := time.Now()
	after, _ := json.Marshal(c.cursor) // a struct of strings and a number
	_, joined, err := c.dial(string(after))
	if err != nil {
		return err
	}
	if joined.State != shared.StateRecovered {
		return fmt.Errorf("it is joined as %s", joined.State)
	}
	if err := c.synced(); err != nil {
		return err
	}
	if last := c.last[c.room]; c.seen != stormMissed || c.cursor.Seq != last.seq || c.cursor.ID != last.id {
		return fmt.Errorf("it has got %d messages, up to %+v, and missed %d up to %+v", c.seen, c.cursor, stormMissed, last)
	}
	c.waits <- time.Since(begin)
	return nil
}

// readOn reads until it has seen everything it is to get, and from then on answers
// pings.
func (c *stormClient) readOn() error {
	for c.seen < len(c.want[c.room]) {
		if _, err := c.next(); err != nil {
			return err
		}
	}
	go func() {
		for {
			if _, err := c.next(); err != nil {
				return
			}
		}
	}()
	return nil
}

// dial connects and reads up to room_joined.
func (c *stormClient) dial(after string) (welcome shared.WelcomePayload, joined shared.RoomJoinedPayload, err error) {
	c.front <- struct{}{}
	defer func() { <-c.front }()
	if c.conn, err = net.DialTimeout("tcp", c.server.Addr, patience); err != nil {
		return welcome, joined, err
	}
	_ = c.conn.SetDeadline(time.Now().Add(2 * patience))
	query := url.Values{"room": {c.rooms[c.room]}}
	header := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	if after != "" {
		query.Set("after", after)
		header += "Authorization: Bearer " + c.session + "\r\n"
	}
	if _, err := fmt.Fprintf(c.conn, "GET /ws?%s HTTP/1.1\r\nHost: %s\r\n%s\r\n", query.Encode(), c.server.Addr, header); err != nil {
		return welcome, joined, err
	}
	c.r = bufio.NewReader(c.conn)
	response, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return welcome, joined, err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		return welcome, joined, errors.New(response.Status)
	}
	if welcome, err = stormUntil(c, shared.Welcome); err == nil {
		joined, err = stormUntil(c, shared.RoomJoined)
	}
	return welcome, joined, err
}

// stormUntil reads up to the next event of a type.
func stormUntil[T any](c *stormClient, event shared.Type[T]) (payload T, err error) {
	for {
		frame, err := c.next()
		if err != nil {
			return payload, err
		}
		if is(frame, event.Name()) {
			return decode(event, frame)
		}
	}
}

// synced reads up to synced and keeps its cursor.
func (c *stormClient) synced() error {
	payload, err := stormUntil(c, shared.Synced)
	c.cursor = payload.Cursor
	return err
}

// next reads a text frame, which is valid until the next call. A message has to be
// the next of those that the client is to get.
func (c *stormClient) next() ([]byte, error) {
	for {
		header, err := c.r.Peek(2)
		if err != nil {
			return nil, err
		}
		if header[0] == 0x89 { // a ping, which has no payload here
			_, _ = c.r.Discard(2)
			if _, err := c.conn.Write([]byte{0x8A, 0x80, 0, 0, 0, 0}); err != nil {
				return nil, err
			}
			continue
		}
		if header[0] != 0x81 || header[1] > 126 {
			return nil, fmt.Errorf("a frame that is not a short text: % x", header)
		}
		start, length := 2, int(header[1])
		if length == 126 {
			if header, err = c.r.Peek(4); err != nil {
				return nil, err
			}
			start, length = 4, int(binary.BigEndian.Uint16(header[2:]))
		}
		_, _ = c.r.Discard(start)
		c.buf = append(c.buf[:0], make([]byte, length)...)
		if _, err := io.ReadFull(c.r, c.buf); err != nil {
			return nil, err
		}
		if !is(c.buf, shared.NewMessage.Name()) {
			return c.buf, nil
		}
		if c.want == nil { // before the storm
			return c.buf, nil
		}
		if c.seen == len(c.want[c.room]) || !bytes.HasPrefix(c.buf, c.want[c.room][c.seen]) {
			return nil, fmt.Errorf("after %d messages it gets %.80s", c.seen, c.buf)
		}
		c.seen++
		return c.buf, nil
	}
}

// cut ends the connection as a line that breaks does: with nothing said.
func (c *stormClient) cut() {
	if c.conn != nil {
		_ = c.conn.(*net.TCPConn).SetLinger(0)
		_ = c.conn.Close()
	}
}
