//go:build unix

package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/servertest"
	"websockets/shared"
)

// patience is how long a connection may live, and anything take that nothing is
// measured by: far longer than any of these tests.
const patience = 3 * time.Minute

// raw is a client without any cleverness: it resumes nothing, repairs nothing
// and shows what is on the wire. One goroutine at a time reads, one writes.
type raw struct {
	t       *testing.T
	conn    *websocket.Conn
	welcome shared.WelcomePayload
	buf     bytes.Buffer // the last frame
}

// way is how a raw client comes in.
type way struct {
	room    string // empty: the default one
	after   *shared.Cursor
	session string
	// narrow lets the kernel hold little at first, as between machines: some 100 KB
	// instead of megabytes. After a lot of traffic it is a megabyte all the same.
	narrow bool
}

// connect opens a connection that ends with the test and waits for its welcome.
func connect(t *testing.T, addr string, w way) *raw {
	t.Helper()
	c, err := tryConnect(t, addr, w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.conn.Close() })
	return c
}

// tryConnect is connect for goroutines that are not the test's own. The caller
// closes the connection.
func tryConnect(t *testing.T, addr string, w way) (*raw, error) {
	query := url.Values{}
	if w.room != "" {
		query.Set("room", w.room)
	}
	if w.after != nil {
		cursor, _ := json.Marshal(w.after) // a struct of strings and a number
		query.Set("after", string(cursor))
	}
	header := http.Header{}
	if w.session != "" {
		header.Set("Authorization", "Bearer "+w.session)
	}
	dialer := net.Dialer{Timeout: patience}
	if w.narrow {
		dialer.Control = narrow
	}
	conn, _, err := (&websocket.Dialer{NetDialContext: dialer.DialContext, ReadBufferSize: 16 << 10}).Dial("ws://"+addr+"/ws?"+query.Encode(), header)
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	conn.SetPingHandler(func(data string) error { // gorilla's own has a second for it
		_ = conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(patience))
		return nil
	})
	c := &raw{t: t, conn: conn}
	if c.welcome, err = until(c, shared.Welcome); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

// narrow makes the segments those of an ethernet and the receive buffer small.
func narrow(_, _ string, socket syscall.RawConn) (err error) {
	const bytes, segment = 16 << 10, 1400
	controlErr := socket.Control(func(fd uintptr) {
		err = errors.Join(
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, bytes),
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, segment))
	})
	return errors.Join(controlErr, err)
}

// next reads a frame, which is valid until the next call.
func (c *raw) next() ([]byte, error) {
	_, r, err := c.conn.NextReader()
	if err != nil {
		return nil, err
	}
	c.buf.Reset()
	if _, err := c.buf.ReadFrom(r); err != nil {
		return nil, err
	}
	return c.buf.Bytes(), nil
}

func (c *raw) send(frame []byte) error { return c.conn.WriteMessage(websocket.TextMessage, frame) }

// until reads up to the next event of a type.
func until[T any](c *raw, event shared.Type[T]) (payload T, err error) {
	for {
		frame, err := c.next()
		if err != nil {
			return payload, fmt.Errorf("waiting for %s: %w", event.Name(), err)
		}
		if is(frame, event.Name()) {
			return decode(event, frame)
		}
	}
}

// mustUntil is until for the test's own goroutine.
func mustUntil[T any](c *raw, event shared.Type[T]) T {
	c.t.Helper()
	payload, err := until(c, event)
	if err != nil {
		c.t.Fatal(err)
	}
	return payload
}

// ask sends an event and reads up to its answer; what comes before is lost.
func ask[Q, A any](c *raw, event shared.Type[Q], question Q, answer shared.Type[A]) (payload A, err error) {
	const id = "asked"
	if err := c.send(event.Frame(id, question)); err != nil {
		return payload, err
	}
	for {
		frame, err := c.next()
		if err != nil {
			return payload, fmt.Errorf("waiting for the answer to %s: %w", event.Name(), err)
		}
		if e, err := shared.DecodeEvent(frame); err != nil || e.ID == id {
			return decode(answer, frame)
		}
	}
}

func decode[T any](event shared.Type[T], frame []byte) (payload T, err error) {
	e, err := shared.DecodeEvent(frame)
	if err == nil && e.Type != event.Name() {
		err = fmt.Errorf("got %s, want %s", frame, event.Name())
	}
	if err == nil {
		payload, err = event.Decode(e)
	}
	return payload, err
}

func is(frame []byte, event string) bool {
	rest, ok := bytes.CutPrefix(frame, []byte(`{"type":"`))
	return ok && bytes.HasPrefix(rest, []byte(event)) && rest[len(event)] == '"'
}

// stored is a message's place in the log, as an ack or a new_message tells it.
type stored struct {
	seq uint64
	id  string
}

// message is what a new_message brings.
type message struct {
	stored
	room, text string
}

// messageIn reads a new_message by hand, since a test reads a million of them.
func messageIn(frame []byte) (m message, ok bool) {
	if !is(frame, shared.NewMessage.Name()) {
		return m, false
	}
	m.stored = storedIn(frame)
	m.room, m.text = between(frame, `"room":"`, `"`), between(frame, `"message":"`, `"`)
	return m, true
}

func ackIn(frame []byte) (m stored, ok bool) {
	if !is(frame, shared.Ack.Name()) {
		return m, false
	}
	return storedIn(frame), true
}

func storedIn(frame []byte) (m stored) {
	m.seq, _ = strconv.ParseUint(between(frame, `"seq":`, `,`), 10, 64)
	m.id = between(frame, `"id":"`, `"`)
	return m
}

func between(frame []byte, before, behind string) string {
	_, rest, _ := bytes.Cut(frame, []byte(before))
	found, _, _ := bytes.Cut(rest, []byte(behind))
	return string(found)
}

// flood sends n messages to a room that the client is in and returns their acks:
// the sender's own record. text is given a message's id. At most window are under
// way; one is until it is acked and has come back to its sender, so a flood is as
// fast as its room and not faster.
func (c *raw) flood(room, name string, n, window int, text func(id string) string) (acked []stored, err error) {
	acked = make([]stored, 0, n)
	mine := name + "-"
	for sent, back := 0, 0; back < n || len(acked) < n; {
		if sent < n && sent-min(back, len(acked)) < window {
			id := mine + strconv.Itoa(sent)
			if err := c.send(shared.SendMessage.Frame(id, shared.SendMessagePayload{Room: room, Message: text(id)})); err != nil {
				return acked, err
			}
			sent++
			continue
		}
		frame, err := c.next()
		if err != nil {
			return acked, fmt.Errorf("%s has %d acks of %d: %w", name, len(acked), n, err)
		}
		if m, ok := messageIn(frame); ok {
			if strings.HasPrefix(m.id, mine) {
				back++
			}
		} else if m, ok := ackIn(frame); ok {
			acked = append(acked, m)
		} else if is(frame, shared.Failed.Name()) {
			return acked, fmt.Errorf("%s was refused: %s", name, frame)
		}
	}
	return acked, nil
}

// floodRoom has several senders flood a room, n messages in all, and returns the
// record of all, in the order of the log. A test's floods differ in their names.
func floodRoom(t *testing.T, senders []*raw, room, name string, n, window int, text func(id string) string) []stored {
	t.Helper()
	lists := make([][]stored, len(senders))
	var floods sync.WaitGroup
	for i, c := range senders {
		share := n*(i+1)/len(senders) - n*i/len(senders)
		floods.Go(func() {
			var err error
			if lists[i], err = c.flood(room, fmt.Sprintf("%s-%d", name, i), share, window, text); err != nil {
				t.Errorf("flooding %s: %v", room, err)
			}
		})
	}
	floods.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return inOrder(slices.Concat(lists...))
}

// connectAll opens n connections.
func connectAll(t *testing.T, addr string, n int, w way) (all []*raw) {
	t.Helper()
	for range n {
		all = append(all, connect(t, addr, w))
	}
	return all
}

func inOrder(list []stored) []stored {
	slices.SortFunc(list, func(a, b stored) int { return cmp.Compare(a.seq, b.seq) })
	return list
}

// beyond returns what lies after a sequence in a record.
func beyond(record []stored, seq uint64) []stored {
	i, found := slices.BinarySearchFunc(record, seq, func(m stored, seq uint64) int { return cmp.Compare(m.seq, seq) })
	if found {
		i++
	}
	return record[i:]
}

// parting says where what was received and the record part, empty if they do
// not.
func parting(got, want []stored) string {
	if slices.Equal(got, want) {
		return ""
	}
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	around := func(s []stored) []stored { return s[max(0, i-1):min(len(s), i+3)] }
	return fmt.Sprintf("%d messages came and %d are in the log; they part at %d: %v and %v", len(got), len(want), i, around(got), around(want))
}

// stamp is a text that tells when it was written, padded to about size bytes.
func stamp(size int) string {
	text := strconv.FormatInt(int64(time.Since(began)), 10) + " "
	return text + strings.Repeat("x", max(0, size-len(text)))
}

// age is how long ago a stamp was written.
func age(stamp string) time.Duration {
	digits, _, _ := strings.Cut(stamp, " ")
	written, _ := strconv.ParseInt(digits, 10, 64)
	return time.Since(began) - time.Duration(written)
}

var began = time.Now()

// p99 is what all but one in a hundred were faster than.
func p99(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)*99/100]
}

// memory returns the server's resident memory in bytes.
func memory(t *testing.T, server *servertest.Process) int64 {
	t.Helper()
	bytes, err := residentBytes(server.PID())
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("NOT RUN: there is no /proc to read the server's memory from")
	} else if err != nil {
		t.Fatal(err)
	}
	return bytes
}

func residentBytes(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	var kilobytes int64
	_, err = fmt.Sscan(between(status, "VmRSS:", "kB"), &kilobytes)
	return kilobytes << 10, err
}

// watchMemory looks at the server's memory all the time until the function that
// it returns is called, which returns the most that was seen.
func watchMemory(t *testing.T, server *servertest.Process) (most func() int64) {
	pid, peak := server.PID(), memory(t, server)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				bytes, _ := residentBytes(pid)
				peak = max(peak, bytes)
			case <-stop:
				return
			case <-t.Context().Done():
				return
			}
		}
	}()
	return func() int64 {
		close(stop)
		<-stopped
		return peak
	}
}

func closeAll(all []*raw) {
	for _, c := range all {
		_ = c.conn.Close()
	}
}

// enter joins a room on a connection that is in another one, and returns the
// cursor of its end.
func enter(c *raw, room string) shared.Cursor {
	c.t.Helper()
	if err := c.send(shared.JoinRoom.Frame("", shared.JoinPayload{Name: room})); err != nil {
		c.t.Fatal(err)
	}
	for {
		if synced := mustUntil(c, shared.Synced); synced.Room == room {
			return synced.Cursor
		}
	}
}

// readUpTo returns the messages that come before an event.
func readUpTo[T any](c *raw, event shared.Type[T]) (got []stored) {
	c.t.Helper()
	for {
		frame, err := c.next()
		if err != nil {
			c.t.Fatalf("waiting for %s after %d messages: %v", event.Name(), len(got), err)
		}
		if m, ok := messageIn(frame); ok {
			got = append(got, m.stored)
		}
		if is(frame, event.Name()) {
			return got
		}
	}
}

func idsOf(record []stored) (ids []string) {
	for _, m := range record {
		ids = append(ids, m.id)
	}
	return ids
}

// listener is a member that reads what comes on a goroutine of its own, unless it
// is stopped, and keeps a record.
type listener struct {
	*raw
	room  string
	epoch string
	ended chan struct{} // closed when the connection has ended

	mu      sync.Mutex    // guards what follows
	stopped chan struct{} // not nil while it does not read; closed when it is to read on
	got     []stored
	late    []time.Duration // how old each was when it came
	wanted  int             // of messages, by the one who waits
	reached chan struct{}   // closed when they are there, or the connection has ended
	err     error           // how it ended
}

// listen reads a room until the connection ends, which it does with the test.
func listen(c *raw, room string) *listener {
	l := listenLater(c, room)
	l.readOn()
	return l
}

// listenLater is listen for one who reads up to synced and then has stopped.
func listenLater(c *raw, room string) *listener {
	l := &listener{raw: c, room: room, ended: make(chan struct{})}
	l.epoch = mustUntil(c, shared.Synced).Cursor.Epoch
	l.stop()
	go l.run()
	c.t.Cleanup(func() {
		l.readOn()
		_ = c.conn.Close()
		<-l.ended
	})
	return l
}

func (l *listener) run() {
	defer close(l.ended)
	for {
		l.mu.Lock()
		stopped := l.stopped
		l.mu.Unlock()
		if stopped != nil {
			<-stopped
		}
		frame, err := l.next()
		if err != nil {
			l.mu.Lock()
			l.err = err
			l.tellReached()
			l.mu.Unlock()
			return
		}
		if m, ok := messageIn(frame); ok && m.room == l.room {
			l.mu.Lock()
			l.got = append(l.got, m.stored)
			l.late = append(l.late, age(m.text))
			l.tellReached()
			l.mu.Unlock()
		}
	}
}

// tellReached wakes the one who waits. l.mu is held.
func (l *listener) tellReached() {
	if l.reached != nil && (l.err != nil || len(l.got) >= l.wanted) {
		close(l.reached)
		l.reached = nil
	}
}

// await waits until n messages have come, in all.
func (l *listener) await(n int) {
	l.t.Helper()
	reached := make(chan struct{})
	l.mu.Lock()
	l.wanted, l.reached = n, reached
	l.tellReached()
	l.mu.Unlock()
	select {
	case <-reached:
	case <-time.After(patience):
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.got) < n {
		l.t.Fatalf("a member has got %d messages of %d: %v", len(l.got), n, l.err)
	}
}

// stop makes it not read any more, after at most one more frame.
func (l *listener) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = make(chan struct{})
}

func (l *listener) readOn() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped != nil {
		close(l.stopped)
		l.stopped = nil
	}
}

// record returns what has come so far.
func (l *listener) record() []stored {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.got)
}

// latest returns how old the last n messages were when they came.
func (l *listener) latest(n int) []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.late[len(l.late)-n:])
}
