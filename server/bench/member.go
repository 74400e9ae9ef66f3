package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"websockets/shared"
)

const (
	// sample is how often a member decodes a delivery in full, the first one
	// included.
	sample = 1024
	// slowBuffer is about what the kernel takes for a reader that has stopped, where
	// it would take megabytes, so that the server feels it soon. A smaller one takes
	// minutes to read through, on a loopback of 64 KiB segments.
	slowBuffer = 64 << 10
	// joinWait is how long the server may take from the upgrade to room_joined.
	joinWait = 15 * time.Second
	// comebacks is how often a slow reader that was closed may come back.
	comebacks = 10
)

// member is a connection in a room. Its reader, a goroutine of its own, checks
// what comes.
type member struct {
	run    *run
	index  int // in run.members
	room   *room
	slow   bool
	sender *sender // nil if it does not send

	mu   sync.Mutex
	conn *websocket.Conn // another one when a slow reader has come back

	// Owned by the reader once it runs.
	user, session, epoch string
	buffer               bytes.Buffer // the last frame
	order                order
	newest               place // the message with the highest sequence; its sender is the run's
	odd                  int   // frames that are not as they should be
	cameBack             int
	ended                bool // before its time: what it has not got is not lost

	got    atomic.Int64  // different messages
	want   atomic.Int64  // of a slow reader when it reads on, else 0
	full   chan struct{} // closed by isFull, when it has them
	isFull func()
}

// enter connects and waits for room_joined: from there on the member gets
// everything. A member that was there before comes back to its place.
func (m *member) enter(ctx context.Context) error {
	r := m.run
	var after *shared.Cursor
	if m.epoch != "" {
		after = &shared.Cursor{Epoch: m.epoch, Seq: m.order.last}
		if m.order.last > 0 {
			after.ID = idOf(r.id, m.newest.sender, m.newest.number)
		}
	}
	conn, err := r.target.dial(ctx, m.room.name, after, m.session)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if socket := socketOf(conn); m.slow && after == nil && socket != nil {
		_ = socket.SetReadBuffer(slowBuffer) // without it, it is a slow reader all the same
	}
	_ = conn.SetReadDeadline(time.Now().Add(joinWait))
	for joined := false; !joined; {
		_, frame, err := conn.ReadMessage()
		if err == nil {
			joined, err = m.greeted(frame)
		}
		if err != nil {
			_ = conn.Close()
			return r.target.ended(err)
		}
	}
	_ = conn.SetReadDeadline(time.Time{})
	m.mu.Lock()
	m.conn = conn
	m.mu.Unlock()
	if r.leaving.Load() { // it was told to go while it came
		m.sayGoodbye()
	}
	if after == nil {
		r.connected.Add(1)
		r.reading.Go(m.read)
	}
	return nil
}

// greeted takes what comes before room_joined.
func (m *member) greeted(frame []byte) (joined bool, err error) {
	event, err := shared.DecodeEvent(frame)
	if err != nil {
		return false, fmt.Errorf("it sent %q: is it a websockets server?", shared.Clip(string(frame), 100))
	}
	switch event.Type {
	case shared.Welcome.Name():
		welcome, err := shared.Welcome.Decode(event)
		if err != nil {
			return false, err
		}
		m.user, m.session = welcome.User, welcome.Session
	case shared.RoomJoined.Name():
		room, err := shared.RoomJoined.Decode(event)
		switch {
		case err != nil:
			return false, err
		case m.epoch != "" && room.State != shared.StateCurrent && room.State != shared.StateRecovered:
			return false, fmt.Errorf("a slow reader came back to its place and was told that the room is %s", room.State)
		}
		m.epoch = room.Cursor.Epoch
		return true, nil
	case shared.Failed.Name():
		told, err := shared.Failed.Decode(event)
		if err != nil {
			return false, err
		}
		return false, &told
	}
	return false, nil
}

// socketOf returns the TCP connection below, nil if there is none.
func socketOf(conn *websocket.Conn) *net.TCPConn {
	below := conn.NetConn()
	if secure, ok := below.(*tls.Conn); ok {
		below = secure.NetConn()
	}
	socket, _ := below.(*net.TCPConn)
	return socket
}

// read takes what comes until the connection has ended. A slow reader takes
// nothing while the load lasts.
func (m *member) read() {
	r := m.run
	for {
		if m.slow {
			m.pause()
		}
		frame, err := m.next()
		switch {
		case err == nil:
			m.take(frame)
		case r.leaving.Load():
			return
		case m.slow && m.pausing() && m.comeBack():
		default:
			m.ended = true
			r.fail(fmt.Sprintf("a connection ended: %v", r.target.ended(err)))
			return
		}
	}
}

func (m *member) pausing() bool {
	select {
	case <-m.run.loading:
		return true
	default:
		return false
	}
}

// pause waits until slow readers are to read on, if the load has begun.
func (m *member) pause() {
	if m.pausing() {
		<-m.run.readOn
	}
}

// comeBack connects a slow reader again that the server has closed, as it does
// with one that takes nothing for longer than the heartbeat allows.
func (m *member) comeBack() bool {
	m.pause()
	if m.cameBack++; m.cameBack > comebacks {
		return false
	}
	_ = m.conn.Close()
	return m.enter(context.Background()) == nil
}

// next reads a frame, which holds until the next one.
func (m *member) next() ([]byte, error) {
	_, reader, err := m.conn.NextReader()
	if err != nil {
		return nil, err
	}
	m.buffer.Reset()
	_, err = m.buffer.ReadFrom(reader)
	return m.buffer.Bytes(), err
}

var (
	messageStart = []byte(`{"type":"` + shared.NewMessage.Name() + `"`)
	ackStart     = []byte(`{"type":"` + shared.Ack.Name() + `"`)
	failedStart  = []byte(`{"type":"` + shared.Failed.Name() + `"`)
	closingStart = []byte(`{"type":"` + shared.Closing.Name() + `"`)
)

// take looks at a frame. What is of no interest here, as presence, is left out.
func (m *member) take(frame []byte) {
	switch {
	case bytes.HasPrefix(frame, messageStart):
		m.takeMessage(frame)
	case bytes.HasPrefix(frame, ackStart):
		m.takeAck(frame)
	case bytes.HasPrefix(frame, failedStart):
		if event, err := shared.DecodeEvent(frame); err == nil {
			told, _ := shared.Failed.Decode(event)
			m.run.fail("the server refused a message: " + m.run.target.advise(told))
		}
	case bytes.HasPrefix(frame, closingStart):
		if event, err := shared.DecodeEvent(frame); err == nil {
			told, _ := shared.Closing.Decode(event)
			m.run.mu.Lock()
			m.run.closing = told.Reason
			m.run.mu.Unlock()
		}
	}
}

func (m *member) takeMessage(frame []byte) {
	r := m.run
	at := r.now()
	d, ok := scan(frame, r.id, r.Size)
	if !ok || m.got.Load()%sample == 0 {
		var why string
		if d, why = m.inspect(frame); why != "" {
			m.wrong(why, frame)
			return
		}
	}
	if d.sender >= len(r.senders) || r.senders[d.sender].member.room != m.room || d.number >= r.senders[d.sender].sent.Load() {
		m.wrong("nobody sent this to this room", frame)
		return
	}
	s := r.senders[d.sender]
	if d.seq > m.order.last {
		m.newest = place{d.sender, d.number}
	}
	first := m.order.take(place{s.place, d.number}, d.seq)
	if first == 0 {
		return
	}
	got := m.got.Add(1)
	if m.slow {
		if got == m.want.Load() {
			m.isFull()
		}
		return
	}
	if slot := s.slot(d.number); slot.due != d.due || !slot.at(d.seq) {
		m.wrong("this is not what others got", frame)
	}
	r.seen.delivered.add(m.index, at-d.due)
	for n := d.number + 1 - first; n != d.number+1; n++ {
		s.settled(n)
	}
}

// inspect decodes a delivery in full. It returns what is wrong with it, if
// anything.
func (m *member) inspect(frame []byte) (d delivery, why string) {
	r := m.run
	d, message, ok := decode(frame, r.id)
	switch {
	case !ok || d.sender >= len(r.senders):
		return d, "this is no message of this run"
	case message.Room != m.room.name:
		return d, "this is for another room"
	case message.Message != textOf(r.id, d.sender, d.number, d.due, r.Size) || message.ID != idOf(r.id, d.sender, d.number):
		return d, "this is not what was sent"
	case message.User != r.senders[d.sender].member.user:
		return d, "this is said to be another user's"
	}
	return d, ""
}

// at notes the sequence of the message, and reports whether it is the one that
// others were told.
func (s *slot) at(seq uint64) bool { return s.seq.CompareAndSwap(0, seq) || s.seq.Load() == seq }

func (m *member) takeAck(frame []byte) {
	r, s := m.run, m.sender
	at := r.now()
	seq, number, ok := scanAck(frame, r.id)
	if !ok || s == nil || number >= s.sent.Load() {
		m.wrong("this answers nothing that was sent", frame)
		return
	}
	slot := s.slot(number)
	switch {
	case slot.number.Load() != number || slot.acked.Swap(true):
		m.wrong("this was acked before", frame)
		return
	case !slot.at(seq):
		m.wrong("this was delivered with another sequence", frame)
	}
	r.seen.acked.add(m.index, at-slot.due)
	s.settled(number)
}

// wrong counts a frame that should not be.
func (m *member) wrong(why string, frame []byte) {
	m.odd++
	m.run.mu.Lock()
	defer m.run.mu.Unlock()
	if m.run.invalid == "" {
		m.run.invalid = fmt.Sprintf("%s: %s", why, shared.Clip(string(frame), 300))
	}
}

// expect tells a slow reader how many different messages there are for it. Its
// reader pauses.
func (m *member) expect(all int64) {
	m.want.Store(all)
	if m.got.Load() >= all {
		m.isFull()
	}
}

// sayGoodbye sends a close frame; the reader ends with the answer.
func (m *member) sayGoodbye() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn != nil {
		bye := websocket.FormatCloseMessage(shared.CloseNormal, "")
		_ = m.conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(100*time.Millisecond))
	}
}

func (m *member) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn != nil {
		_ = m.conn.Close()
	}
}
