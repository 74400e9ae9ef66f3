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
	// sample: a member fully decodes the first delivery and then every 1024th.
	sample = 1024
	// slowBuffer is the receive buffer of a slow reader. The default of megabytes would
	// hide from the server that the reader has stopped. A smaller buffer would take
	// minutes to read through, on a loopback with 64 KiB segments.
	slowBuffer = 64 << 10
	// joinWait bounds the time from the upgrade to room_joined.
	joinWait = 15 * time.Second
	// maxReconnects is how often a slow reader reconnects after the server closed it.
	maxReconnects = 10
)

// member is a connection in a room. Its reader goroutine checks every frame.
type member struct {
	run    *run
	index  int // in run.members
	room   *room
	slow   bool
	sender *sender // nil if it does not send

	mu   sync.Mutex
	conn *websocket.Conn // replaced when a slow reader reconnects

	// Owned by the reader once it runs.
	user, session, epoch string
	buffer               bytes.Buffer // the last frame
	order                order
	newest               place // the message with the highest sequence; its sender counts in the run
	odd                  int   // invalid frames
	reconnects           int
	ended                bool // it ended early: messages it has not received are not lost

	got          atomic.Int64  // distinct messages received
	want         atomic.Int64  // for a slow reader that resumes: messages to receive, otherwise 0
	caughtUp     chan struct{} // closed by markCaughtUp when got reaches want
	markCaughtUp func()
}

// enter connects and waits for room_joined. From then on the member must get every
// message. A member that was connected before resumes from its position.
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
		_ = socket.SetReadBuffer(slowBuffer) // if this fails, the reader is slow all the same
	}
	_ = conn.SetReadDeadline(time.Now().Add(joinWait))
	for joined := false; !joined; {
		_, frame, err := conn.ReadMessage()
		if err == nil {
			joined, err = m.handshake(frame)
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
	if r.leaving.Load() { // leave was called meanwhile
		m.sendClose()
	}
	if after == nil {
		r.connected.Add(1)
		r.reading.Go(m.read)
	}
	return nil
}

// handshake handles the frames up to room_joined.
func (m *member) handshake(frame []byte) (joined bool, err error) {
	event, err := shared.DecodeEvent(frame)
	if err != nil {
		return false, fmt.Errorf("the server sent %q: is it a websockets server?", shared.Clip(string(frame), 100))
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
			return false, fmt.Errorf("a slow reader resumed and got the room state %s", room.State)
		}
		m.epoch = room.Cursor.Epoch
		return true, nil
	case shared.Failed.Name():
		failed, err := shared.Failed.Decode(event)
		if err != nil {
			return false, err
		}
		return false, &failed
	}
	return false, nil
}

// socketOf returns the underlying TCP connection, nil if there is none.
func socketOf(conn *websocket.Conn) *net.TCPConn {
	below := conn.NetConn()
	if secure, ok := below.(*tls.Conn); ok {
		below = secure.NetConn()
	}
	socket, _ := below.(*net.TCPConn)
	return socket
}

// read handles frames until the connection has ended. A slow reader pauses during the
// load.
func (m *member) read() {
	r := m.run
	for {
		if m.slow {
			m.pause()
		}
		frame, err := m.next()
		switch {
		case err == nil:
			m.handle(frame)
		case r.leaving.Load():
			return
		case m.slow && m.pausing() && m.reconnect():
		default:
			m.ended = true
			r.fail(fmt.Sprintf("a connection ended: %v", r.target.ended(err)))
			return
		}
	}
}

// pausing reports whether the load has begun.
func (m *member) pausing() bool {
	select {
	case <-m.run.loading:
		return true
	default:
		return false
	}
}

// pause blocks until slow readers resume, if the load has begun.
func (m *member) pause() {
	if m.pausing() {
		<-m.run.resume
	}
}

// reconnect connects a slow reader again after the server closed it. The server does
// that to a client that reads nothing for longer than the heartbeat.
func (m *member) reconnect() bool {
	m.pause()
	m.reconnects++
	if m.reconnects > maxReconnects {
		return false
	}
	_ = m.conn.Close()
	return m.enter(context.Background()) == nil
}

// next reads a frame. It is valid until the next call.
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

// handle handles a frame. It ignores events that do not matter here, such as presence.
func (m *member) handle(frame []byte) {
	switch {
	case bytes.HasPrefix(frame, messageStart):
		m.handleMessage(frame)
	case bytes.HasPrefix(frame, ackStart):
		m.handleAck(frame)
	case bytes.HasPrefix(frame, failedStart):
		if event, err := shared.DecodeEvent(frame); err == nil {
			failed, _ := shared.Failed.Decode(event)
			m.run.fail("the server refused a message: " + m.run.target.advise(failed))
		}
	case bytes.HasPrefix(frame, closingStart):
		if event, err := shared.DecodeEvent(frame); err == nil {
			closing, _ := shared.Closing.Decode(event)
			m.run.mu.Lock()
			m.run.closing = closing.Reason
			m.run.mu.Unlock()
		}
	}
}

func (m *member) handleMessage(frame []byte) {
	r := m.run
	at := r.now()
	d, ok := scan(frame, r.id, r.Size)
	if !ok || m.got.Load()%sample == 0 {
		var why string
		if d, why = m.inspect(frame); why != "" {
			m.reportInvalid(why, frame)
			return
		}
	}
	if d.sender >= len(r.senders) || r.senders[d.sender].member.room != m.room || d.number >= r.senders[d.sender].sent.Load() {
		m.reportInvalid("nobody sent this message to this room", frame)
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
			m.markCaughtUp()
		}
		return
	}
	if slot := s.slot(d.number); slot.due != d.due || !slot.at(d.seq) {
		m.reportInvalid("other members got a different message", frame)
	}
	r.seen.delivered.add(m.index, at-d.due)
	for n := d.number + 1 - first; n != d.number+1; n++ {
		s.confirm(n)
	}
}

// inspect decodes a delivery in full. It returns what is wrong with it, empty if it is
// valid.
func (m *member) inspect(frame []byte) (d delivery, why string) {
	r := m.run
	d, message, ok := decode(frame, r.id)
	switch {
	case !ok || d.sender >= len(r.senders):
		return d, "the message does not belong to this run"
	case message.Room != m.room.name:
		return d, "the message is for another room"
	case message.Message != textOf(r.id, d.sender, d.number, d.due, r.Size) || message.ID != idOf(r.id, d.sender, d.number):
		return d, "the message is not the one that was sent"
	case message.User != r.senders[d.sender].member.user:
		return d, "the message has the wrong user"
	}
	return d, ""
}

// at records the sequence of the message. It reports whether all members got the same
// one.
func (s *slot) at(seq uint64) bool { return s.seq.CompareAndSwap(0, seq) || s.seq.Load() == seq }

func (m *member) handleAck(frame []byte) {
	r, s := m.run, m.sender
	at := r.now()
	seq, number, ok := scanAck(frame, r.id)
	if !ok || s == nil || number >= s.sent.Load() {
		m.reportInvalid("the ack is for a message that was not sent", frame)
		return
	}
	slot := s.slot(number)
	switch {
	case slot.number.Load() != number || slot.acked.Swap(true):
		m.reportInvalid("the message was acked before", frame)
		return
	case !slot.at(seq):
		m.reportInvalid("the message was delivered with another sequence", frame)
	}
	r.seen.acked.add(m.index, at-slot.due)
	s.confirm(number)
}

// reportInvalid counts an invalid frame and keeps the first one.
func (m *member) reportInvalid(why string, frame []byte) {
	m.odd++
	m.run.mu.Lock()
	defer m.run.mu.Unlock()
	if m.run.invalid == "" {
		m.run.invalid = fmt.Sprintf("%s: %s", why, shared.Clip(string(frame), 300))
	}
}

// expect sets how many distinct messages a slow reader must receive. Its reader must
// be paused.
func (m *member) expect(all int64) {
	m.want.Store(all)
	if m.got.Load() >= all {
		m.markCaughtUp()
	}
}

// sendClose sends a close frame. The reader ends when the server answers it.
func (m *member) sendClose() {
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
