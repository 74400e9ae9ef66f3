package client

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"websockets/shared"
	"websockets/wasm/client/conn"
	"websockets/wasm/client/roomsync"
)

// These tests go through one conversation frame by frame. At each frame in each
// direction they put a fault on the line, and afterwards compare what the client
// shows, reports and keeps with the server's logs. To run one boundary alone:
//
//	go test -run 'TestEveryBoundary/to_client/17_' ./wasm/client
//	go test -run 'TestTwoFaults/seed_12$' ./wasm/client

// direction is where a frame goes.
type direction int

const (
	toClient direction = iota
	toServer
)

func (d direction) String() string { return [...]string{"to client", "to server"}[d] }

// latency returns how long a frame travels, and how far apart two frames are. The
// two primes keep frames in opposite directions from arriving at the same moment,
// when their order would be up to the scheduler.
func (d direction) latency() time.Duration { return [...]time.Duration{1300007, 1000003}[d] }

// kind is what the line does to a frame.
type kind string

const (
	cutBefore kind = "cut before it"
	cutAfter  kind = "cut after it" // it arrives, but the answer to it is lost
	outage    kind = "cut before it, and then no route for a while"
	double    kind = "doubled"
	swap      kind = "swapped with the next"

	delayShort  kind = "delayed by 1s"
	delayAck    kind = "delayed by 11s" // beyond the ack timeout, within its ping's grace
	delaySilent kind = "delayed by 46s" // beyond heartbeat, grace and the ping's grace
)

var kinds = []kind{cutBefore, cutAfter, outage, double, swap, delayShort, delayAck, delaySilent}

func (k kind) delay() time.Duration {
	return map[kind]time.Duration{delayShort: time.Second, delayAck: 11 * time.Second, delaySilent: 46 * time.Second}[k]
}

// refusals is how many attempts to connect an outage refuses: enough for the last
// of them to come after the longest wait.
const refusals = 7

func (f fault) String() string { return fmt.Sprintf("frame %d %s %s", f.at, f.direction, f.kind) }

// fault does something to frame number at, counted in its direction over all
// connections.
type fault struct {
	direction
	at int
	kind
}

// faultyLink joins the client to a model. It carries frames one after the other, as
// TCP does, except where a fault says otherwise.
type faultyLink struct {
	client *harness
	store  *memoryStore
	faults []fault

	// mu guards the model and all that follows.
	mu     sync.Mutex
	model  *model
	frames [2][]string // what was carried, each as its type and room
	did    []string    // the faults that happened, each with its frame
	wrongs []string

	conns    []*linkConn
	attempt  int       // attempts to connect since the current room was synced
	gone     time.Time // when the last connection or attempt ended; zero before
	notUntil time.Time // closing said so
	refuse   int       // attempts still to be refused
	waits    waits

	typed      time.Time // when typing came last
	misordered bool      // frames came in an order that no server uses: see lawful
	slow       bool      // the client had reason to give a connection up

	// Only the client's callbacks use these; a dial comes between two of them.
	synced   map[string]bool // rooms, on this connection
	unacked  map[string]bool // messages on the wire of this connection
	messages map[string]bool // told

	written map[string][]string // ids by room; only the test's goroutine writes to it
}

// waits holds the waits before attempts to connect, by the limit of each.
type waits map[time.Duration][]time.Duration

// linkConn is one connection of a faultyLink.
type linkConn struct {
	near    *pipe // the client's
	far     *modelConn
	severed bool          // frames on their way to the server do not arrive
	late    time.Time     // when a frame was first held up
	by      time.Duration // for how long
	up      bool          // that frame was on its way to the server
	asks    bool          // and the client waits for an answer to it
}

func newFaultyLink(random *rand.Rand, faults ...fault) *faultyLink {
	l := &faultyLink{
		faults: faults, store: newMemoryStore(), model: newModel(random), written: map[string][]string{}, waits: waits{},
		synced: map[string]bool{}, unacked: map[string]bool{}, messages: map[string]bool{},
	}
	l.model.backlog, l.model.inFlight = 3, 3
	l.model.wrong = l.wrong
	return l
}

// wrong records a violation. Call it with mu held.
func (l *faultyLink) wrong(format string, args ...any) {
	l.wrongs = append(l.wrongs, fmt.Sprintf(format, args...))
}

// serve makes a client connect through the link and watches its callbacks.
func (l *faultyLink) serve(h *harness, c *Config) {
	l.client = h
	c.Dial, c.Store = l.dial, l.store
	told, acked := c.OnMessage, c.OnAck
	c.OnMessage = func(m shared.Message) {
		l.messages[m.ID] = true
		told(m)
	}
	c.OnAck = func(id string, ack shared.AckPayload) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.model.stored[id] != 1 {
			l.wrong("acked message %s in the log: got %d times, want once", id, l.model.stored[id])
		}
		if l.store.Load()[id] != "" {
			l.wrong("acked message %s in the store: got it kept, want it removed", id)
		}
		acked(id, ack)
	}
	c.OnChange = l.look
	c.OnFrame = func(f Frame) {
		frame := f.Text
		l.mu.Lock()
		defer l.mu.Unlock()
		id := field(frame, "id") // of the event: a message's is the last too
		switch field(frame, "type") {
		case "synced":
			l.synced[roomOf(frame)] = true
		case "ack", "error":
			delete(l.unacked, id)
		case "send_message":
			l.unacked[id] = true
			if n := len(l.unacked); n > l.model.inFlight {
				l.wrong("messages in flight: got %d, want at most %d", n, l.model.inFlight)
			}
			if !strings.Contains(l.store.Load()[id], `"after":`) {
				l.wrong("kept message %s, now on the wire: got no cursor, want one", id)
			}
			if l.messages[id] {
				l.wrong("%s, which was shown: got it sent again, want it sent no more", id)
			}
			if room := roomOf(frame); !l.synced[room] {
				l.wrong("%s: got it sent before %s was synced on this connection, want it sent after", id, room)
			}
		}
	}
}

// look compares the view with the log. At any moment it must show a part of the
// log without a gap, and each message of ours once: there, or as pending.
func (l *faultyLink) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.misordered {
		return
	}
	for room, log := range l.model.logs {
		r, known := l.client.Room(room)
		if !known {
			continue
		}
		rows, from := map[string]int{}, 0
		for i, m := range r.Messages {
			rows[m.ID]++
			if i == 0 {
				from = slices.IndexFunc(log, func(logged shared.Message) bool { return logged.ID == m.ID })
			}
			if from < 0 || from+i >= len(log) || log[from+i].ID != m.ID {
				l.wrong("%s: got %s shown where the log does not have it, want it as in the log", room, m.ID)
				break
			}
		}
		if len(r.Members) > 1 || len(r.Typing) > 0 && time.Since(l.typed) > roomsync.TypingTimeout {
			l.wrong("%s: got members %v and typing %v, want at most one member, and nobody typing after %v", room, r.Members, r.Typing, roomsync.TypingTimeout)
		}
		for _, m := range r.Outgoing {
			rows[m.ID]++
			if m.State != Pending && m.State != Sent {
				l.wrong("state of %s: got %s (%s), want %s or %s", m.ID, m.State, m.Reason, Pending, Sent)
			}
		}
		for _, id := range l.written[room] {
			if rows[id] != 1 {
				l.wrong("%s in the rows of %s: got %d times, want once", id, room, rows[id])
			}
		}
	}
}

// dial connects. The client's wait before it is random; dial waits for the rest
// of the limit, so that a run is the same every time.
func (l *faultyLink) dial(_ context.Context, address, _ string) (Conn, error) {
	l.mu.Lock()
	due := time.Now()
	if !l.gone.IsZero() {
		from := l.gone
		if l.notUntil.After(from) {
			from = l.notUntil
		}
		limit := min(20*time.Second, 500*time.Millisecond<<l.attempt)
		wait := due.Sub(from)
		if wait < 0 || wait > limit {
			l.wrong("attempt %d to connect: got a wait of %v, want 0 to %v", l.attempt+1, wait, limit)
		}
		l.waits[limit] = append(l.waits[limit], wait)
		l.attempt++
		due = from.Add(limit + time.Millisecond)
	}
	l.mu.Unlock()
	time.Sleep(time.Until(due))

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse > 0 {
		l.refuse--
		l.gone = time.Now()
		return nil, errors.New("no route")
	}
	clear(l.synced)
	clear(l.unacked)
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	s := &linkConn{near: newPipeOf(128), far: &modelConn{pipe: newPipeOf(128), url: u, rooms: map[string]int{}}}
	l.conns = append(l.conns, s)
	l.model.conns = append(l.model.conns, s.far)
	l.model.greet(s.far)
	// The client comes back for what it has not shown, no more and no less.
	if last := l.lastTold(u.Query().Get("room")); last.Seq != 0 && !strings.Contains(u.Query().Get("after"), fmt.Sprintf(`"seq":%d,"id":"%s"`, last.Seq, last.ID)) {
		l.wrong("cursor of a reconnect: got %q, want message %d, which was shown last", u.Query().Get("after"), last.Seq)
	}
	go l.carry(s, toClient)
	go l.carry(s, toServer)
	go l.watch(s)
	return s.near, nil
}

func (l *faultyLink) lastTold(room string) (last shared.Message) {
	l.client.mu.Lock()
	defer l.client.mu.Unlock()
	for _, m := range l.client.messages {
		if m.Room == room {
			last = m
		}
	}
	return last
}

// watch notes the end of a connection.
func (l *faultyLink) watch(s *linkConn) {
	<-s.near.closed
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = time.Now()
	l.model.conns = slices.DeleteFunc(l.model.conns, func(c *modelConn) bool { return c == s.far })
	if by := s.near.byClient; by != nil && by.Code == shared.CloseSilent && !l.slow {
		l.wrong("slow connection: got it given up (%s), want it kept", by.Reason)
	}
	if s.late.IsZero() || s.by < delaySilent.delay() {
		return
	}
	// When nothing arrives, or an answer doesn't, the client may keep the
	// connection for this long and no longer.
	held := time.Since(s.late)
	if most := 46 * time.Second; (!s.up || s.asks) && held > most {
		l.wrong("stalled connection: got it kept for %v, want at most %v", held, most)
	}
}

// carry takes frames from one end to the other until the connection ends.
func (l *faultyLink) carry(s *linkConn, d direction) {
	for {
		frame := s.next(d, time.Hour)
		if frame == nil {
			return
		}
		f := l.count(d, frame)
		time.Sleep(d.latency())
		switch {
		case f == nil:
			l.deliver(s, d, frame)
		case f.kind == double:
			l.deliver(s, d, frame)
			l.deliver(s, d, frame)
		case f.kind == swap:
			after := s.next(d, 3*time.Second) // if there is one
			if after != nil {
				time.Sleep(d.latency()) // it travels as long as any other frame
				l.swapped(d, frame, after)
				l.deliver(s, d, after)
			}
			l.deliver(s, d, frame)
		case f.delay() > 0:
			l.hold(s, d, frame, f.delay())
			l.deliver(s, d, frame)
		default:
			if f.kind == cutAfter {
				l.deliver(s, d, frame)
			}
			l.cut(s, d, f.kind)
			return
		}
	}
}

// next waits for the next frame of a direction. It returns nil if none comes in
// time or the connection ends; frames that the client wrote before the end still
// come.
func (s *linkConn) next(d direction, patience time.Duration) []byte {
	from := s.far.toClient
	if d == toServer {
		from = s.near.toServer
	}
	ended := func() bool {
		select {
		case <-s.near.closed:
			return true
		default:
			return false
		}
	}
	if ended() && (d == toClient || len(from) == 0) {
		return nil
	}
	select {
	case frame := <-from:
		return s.open(frame)
	default:
	}
	select {
	case frame := <-from:
		return s.open(frame)
	case <-s.near.closed:
		if d == toServer && len(from) > 0 {
			return <-from
		}
	case <-time.After(patience):
	}
	return nil
}

// open returns the frame. A nil frame is the server's close: see shut.
func (s *linkConn) open(frame []byte) []byte {
	if frame == nil {
		time.Sleep(toClient.latency())
		s.near.end(&CloseError{Code: shared.CloseRestart}, nil)
	}
	return frame
}

// count notes a frame and returns what is to happen to it.
func (l *faultyLink) count(d direction, frame []byte) *fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.frames[d])
	l.frames[d] = append(l.frames[d], describe(frame))
	if len(l.faults) == 0 && field(frame, "type") == "error" {
		l.wrong("without a fault: got the answer %s, want no error", frame)
	}
	for _, f := range l.faults {
		if f.direction == d && f.at == n {
			l.did = append(l.did, fmt.Sprintf("%v (%s)", f, describe(frame)))
			return &f
		}
	}
	return nil
}

// swapped notes that a frame comes after the one that was behind it.
func (l *faultyLink) swapped(d direction, frame, after []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frames[d] = append(l.frames[d], describe(after))
	l.did[len(l.did)-1] += fmt.Sprintf(" (%s)", describe(after))
	l.misordered = l.misordered || !lawful(frame, after)
}

// hold delays a frame, and all frames behind it.
func (l *faultyLink) hold(s *linkConn, d direction, frame []byte, by time.Duration) {
	l.mu.Lock()
	s.late, s.by, s.up, s.asks = time.Now(), by, d == toServer, asks(frame)
	patience := conn.AckTimeout + conn.Grace // for an answer; then there is a ping, and its grace
	if what := describe(frame); what == "ping" || what == "pong" {
		patience = conn.Grace
	}
	l.slow = l.slow || by > patience
	l.mu.Unlock()
	time.Sleep(by)
}

// cut breaks the connection. Frames behind this one do not arrive.
func (l *faultyLink) cut(s *linkConn, d direction, k kind) {
	l.mu.Lock()
	s.severed = d == toServer
	if k == outage {
		l.refuse = refusals
	}
	l.mu.Unlock()
	s.near.end(errors.New("connection reset"), nil)
}

func (l *faultyLink) deliver(s *linkConn, d direction, frame []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d == toServer {
		if !s.severed {
			s.far.toServer <- frame
			l.model.read(s.far, false)
		}
	} else {
		select {
		case <-s.near.closed:
			return
		default:
		}
		l.expect(frame)
		s.near.toClient <- frame
	}
	// If the client's tab were closed now, only its store would know the messages.
	var kept map[string]string
	for _, written := range l.written {
		for _, id := range written {
			if l.model.stored[id] > 0 {
				continue
			}
			if kept == nil {
				kept = l.store.Load()
			}
			if kept[id] == "" {
				l.wrong("%s: got it neither in the log nor in the store, want it in one of them", id)
			}
		}
	}
}

// expect records the events for the client that decide when it reconnects and
// how long it shows somebody typing. Call it with mu held.
func (l *faultyLink) expect(frame []byte) {
	switch field(frame, "type") {
	case "synced":
		c := l.client.Client
		c.mu.Lock()
		defer c.mu.Unlock()
		if r := c.rooms.Find(c.rooms.Current()); r != nil && r.Name() == roomOf(frame) && r.Phase() == roomsync.Joined {
			l.attempt = 0
		}
	case "typing":
		l.typed = time.Now()
	case "closing":
		e, _ := shared.DecodeEvent(frame)
		p, _ := shared.Closing.Decode(e)
		l.notUntil = time.Now().Add(time.Duration(p.RetryAfter * float64(time.Second)))
	}
}

// field returns the last text of this name in a frame. It is much faster than
// JSON, and no text of the conversation needs more.
func field(frame []byte, name string) string {
	mark := fmt.Appendf(nil, `"%s":"`, name)
	i := bytes.LastIndex(frame, mark)
	if i < 0 {
		return ""
	}
	text, _, _ := bytes.Cut(frame[i+len(mark):], []byte(`"`))
	return string(text)
}

// roomOf returns the room that a frame is about, empty if there is none.
func roomOf(frame []byte) string {
	if field(frame, "type") == "welcome" {
		return ""
	}
	return cmp.Or(field(frame, "room"), field(frame, "name"))
}

func describe(frame []byte) string {
	return strings.TrimSpace(field(frame, "type") + " " + roomOf(frame))
}

// asks reports whether the client waits for the answer to a frame and gives the
// connection up without one.
func asks(frame []byte) bool {
	return slices.Contains([]string{"send_message", "join_room", "change_room", "leave_room", "ping"}, field(frame, "type"))
}

// lawful reports whether two frames may also arrive in the opposite order.
//
// TCP keeps the order, and the server has one writer for each connection, so frames are
// never swapped on a real connection. Even so, a client must accept frames of different
// streams in any order: acks and answers relative to messages, one room relative to
// another, presence and typing anywhere. The frames of a room from room_joined to synced
// and left are one stream, and so are the requests for one room.
//
// If frames of one stream are swapped, messages may be told late or be stored in another
// order than they were written, and the room may not become synced on that connection.
// But no message may be lost or doubled on either side, and in the end all are in their
// places.
//
// A client cannot notice a swap with a cut between the two frames, because a message does
// not name the one before it.
func lawful(a, b []byte) bool {
	stream := []string{
		"welcome", "room_joined", "new_message", "synced", "left",
		"change_room", "join_room", "leave_room", "send_message",
	}
	x, y := field(a, "type"), field(b, "type")
	switch {
	case !slices.Contains(stream, x), !slices.Contains(stream, y):
		return true
	case x == "welcome", x == "change_room", y == "change_room": // they concern rooms that they do not name
		return false
	}
	return roomOf(a) != roomOf(b)
}

// other stores a message of another user.
func (l *faultyLink) other(room, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.model.store(room, shared.Message{ID: id, Room: room, User: "you", Message: id}, func(shared.Message) {})
}

// tell sends an event to all connections.
func (l *faultyLink) tell(frame []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.model.conns {
		c.toClient <- frame
	}
}

// shut closes the connections from the server, after what it has sent.
func (l *faultyLink) shut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.model.conns {
		c.toClient <- shared.Closing.Frame("", shared.ClosingPayload{Reason: "restart", RetryAfter: 0.2})
		c.toClient <- nil
	}
}

// write sends messages from the client.
func (l *faultyLink) write(t *testing.T, room string, n int) {
	for range n {
		id, err := l.client.Send(room, "text")
		check(t, err)
		l.mu.Lock()
		l.written[room] = append(l.written[room], id)
		l.mu.Unlock()
	}
}

// conversation plays what the client and the others do, whatever the line does.
func (l *faultyLink) conversation(t *testing.T) {
	h := l.client
	you := shared.Member{User: "you", Name: "You"}
	pause := func() { time.Sleep(3 * time.Second) }

	pause() // welcome, and general from three messages back
	l.write(t, "general", 3)
	time.Sleep(2 * time.Millisecond)
	l.other("general", "a1") // between the sends and their acks
	l.other("general", "a2")
	pause()
	h.Typing("general")
	h.MarkRead("general", 100)
	l.tell(shared.Presence.Frame("", shared.PresencePayload{Room: "general", Joined: []shared.Member{you}, Count: 2}))
	l.tell(shared.Typing.Frame("", shared.TypingPayload{Room: "general", User: "you", Name: "You"}))
	l.other("general", "a3")
	pause()
	check(t, h.JoinRoom("other"))
	pause()
	l.write(t, "other", 1)
	l.other("general", "a4")
	l.other("other", "b1")
	l.write(t, "general", 1)
	pause()
	history, give := context.WithTimeout(context.Background(), time.Minute)
	defer give()
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		// It returns a page or an error, but doesn't hang.
		if err := h.LoadOlder(history, "general"); errors.Is(err, context.DeadlineExceeded) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.wrong("LoadOlder: got no answer in a minute, want a page or an error")
		}
	}()
	pause()
	check(t, h.ChangeRoom("other")) // and leave general
	l.other("general", "a5")
	l.write(t, "other", 1)
	pause()
	l.other("general", "a6")
	check(t, h.ChangeRoom("general")) // and leave other, and read what was missed in general
	l.other("other", "b2")
	pause()
	check(t, h.JoinRoom("side"))
	l.write(t, "side", 2)
	check(t, h.LeaveRoom("side")) // once they are sent
	pause()
	check(t, h.JoinRoom("other"))
	l.other("side", "c1")
	pause()
	time.Sleep(40 * time.Second) // a ping, and its pong
	l.look()
	l.shut()
	l.write(t, "general", 5)
	time.Sleep(100 * time.Millisecond)
	l.write(t, "other", 1)
	l.other("general", "a7") // while the client is away
	l.other("other", "b3")
	pause()
	l.write(t, "general", 1)
	pause()
	<-loaded
}

// run goes through the conversation with these faults, lets the line recover, and
// returns the link with the violations it recorded.
func run(t *testing.T, seed uint64, faults ...fault) (l *faultyLink) {
	bubble(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(seed, 3))
		l = newFaultyLink(random, faults...)
		for i := range 6 {
			l.other("general", fmt.Sprint("a0", i))
		}
		l.other("other", "b00")
		l.other("other", "b01")
		start(t, l.serve)
		l.conversation(t)
		l.mu.Lock()
		frames := l.frames // those of the conversation
		l.mu.Unlock()

		time.Sleep(time.Minute)
		for _, f := range faults {
			switch {
			case f.kind == outage:
				time.Sleep((refusals + 1) * conn.MaxBackoff)
			case f.delay() > 0:
				time.Sleep(2 * f.delay())
			}
		}
		for _, room := range []string{"general", "other", "side"} {
			check(t, l.client.JoinRoom(room))
			l.other(room, "last of "+room)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		l.judge()
		l.frames = frames
	})
	return l
}

// judge compares what the client has with the server's logs.
func (l *faultyLink) judge() {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.client
	all := slices.Concat(l.written["general"], l.written["other"], l.written["side"])
	for _, id := range all {
		if n := l.model.stored[id]; n != 1 {
			l.wrong("%s in the log: got %d times, want once", id, n)
		}
	}
	acked := h.ackedIDs()
	slices.Sort(acked)
	slices.Sort(all)
	if !slices.Equal(acked, all) {
		l.wrong("acked: got\n%v\nwant those written\n%v", acked, all)
	}
	if n, calls := h.left(); n != 0 || calls != 0 {
		l.wrong("left in the client: got %d messages and %d calls, want none", n, calls)
	}
	if kept := l.store.ids(); len(kept) > 0 {
		l.wrong("kept in the store: got %v, want none", kept)
	}
	view := h.View()
	if view.State != Online || view.Current != "general" || view.Queued != 0 || view.LastError != nil && !l.doubledQuestion() {
		l.wrong("view: got %s in %q, %d queued, last error %v, want %s in general, none queued, no error", view.State, view.Current, view.Queued, view.LastError, Online)
	}
	for room, log := range l.model.logs {
		var logged, mine, told, shown []string
		for _, m := range log {
			logged = append(logged, m.ID)
			if m.User == "me" {
				mine = append(mine, m.ID)
			}
		}
		for _, m := range h.told() {
			if m.Room == room {
				told = append(told, m.ID)
			}
		}
		r, _ := h.Room(room)
		for _, m := range r.Messages {
			shown = append(shown, m.ID)
		}
		if l.misordered { // see lawful
			slices.SortFunc(told, func(x, y string) int { return slices.Index(logged, x) - slices.Index(logged, y) })
			slices.Sort(mine)
			slices.Sort(l.written[room])
		}
		if n := len(logged) - len(told); n < 0 || !slices.Equal(told, logged[n:]) {
			l.wrong("messages told in %s: got\n%v\nwant the end of\n%v", room, told, logged)
		}
		if n := len(logged) - len(shown); n < 0 || len(shown) < len(told) || !slices.Equal(shown, logged[n:]) {
			l.wrong("messages shown in %s: got\n%v\nwant at least the last %d of\n%v", room, shown, len(told), logged)
		}
		if !slices.Equal(mine, l.written[room]) {
			l.wrong("our messages in the log of %s: got\n%v\nwant\n%v", room, mine, l.written[room])
		}
		if !r.Joined || !r.Synced || r.Refused != nil || len(r.Gaps) > 0 || r.WasReset || len(r.Outgoing) > 0 {
			l.wrong("%s: got joined: %v, synced: %v, refused: %v, %d gaps, reset: %v, %d pending, want it joined and synced, and nothing else",
				room, r.Joined, r.Synced, r.Refused, len(r.Gaps), r.WasReset, len(r.Outgoing))
		}
		h.Client.mu.Lock()
		cursor := h.rooms.Find(room).Cursor()
		h.Client.mu.Unlock()
		if want := l.model.cursor(room, len(log)); cursor == nil || *cursor != want {
			l.wrong("cursor in %s: got %v, want %v", room, cursor, want)
		}
	}
	// One connection to begin with, one after the server's restart, and one after
	// each cut. A restart may happen while there is no connection, and a stalled
	// connection may be given up.
	cuts, slow := 0, 0
	for _, f := range l.faults {
		switch f.kind {
		case cutBefore, cutAfter, outage:
			cuts++
		case delaySilent:
			slow++
		}
	}
	if n := len(l.conns); n < 1 || n > 2+cuts+slow || len(l.faults) == 0 && n != 2 {
		l.wrong("connections: got %d, want 1 to %d, and 2 without a fault", n, 2+cuts+slow)
	}
}

// doubledQuestion reports whether the server may have answered an event twice,
// the second time with an error that nobody asked for.
func (l *faultyLink) doubledQuestion() bool {
	return slices.ContainsFunc(l.faults, func(f fault) bool { return f.direction == toServer && (f.kind == double || f.kind == swap) })
}

// TestTwoFaults puts two faults into one conversation. The second often happens
// while the client still recovers from the first.
func TestTwoFaults(t *testing.T) {
	clean := run(t, 1)
	clean.report(t, "without a fault")
	if t.Failed() {
		return
	}
	for seed := range seeds(30) {
		t.Run(fmt.Sprintf("seed_%d", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 4))
			one := func(near float64) (f fault) {
				f.direction = direction(random.IntN(2))
				frames := float64(len(clean.frames[f.direction]))
				f.at, f.kind = int(near*frames)+random.IntN(int(frames*(1-near))+1), kinds[random.IntN(len(kinds))]
				return f
			}
			first := one(0)
			second := one(float64(first.at) / float64(len(clean.frames[first.direction])+1))
			l := run(t, seed, first, second)
			l.report(t, fmt.Sprintf("seed %d: %v and %v: ", seed, first, second))
			if seed >= 5 {
				return
			}
			again := run(t, seed, first, second)
			if !slices.Equal(again.did, l.did) || !slices.EqualFunc(again.frames[:], l.frames[:], slices.Equal) {
				t.Errorf("seed %d, second run: got %q with frames %v, want %q with %v", seed, again.did, again.frames, l.did, l.frames)
			}
		})
	}
}

func (l *faultyLink) report(t *testing.T, prefix string) {
	t.Helper()
	if len(l.wrongs) > 0 {
		t.Errorf("%s%s\n\t%s", prefix, strings.Join(l.did, ", "), strings.Join(l.wrongs, "\n\t"))
	}
}

// isTried reports whether TestEveryBoundary tries this kind of fault at a frame. It
// tries cuts at every frame, outages at every fourth, and the other kinds at every
// second, or with -seeds at every frame.
func isTried(at, nth int) bool {
	if runtime.GOOS == "js" { // the same code on another runtime, and slow
		return (at+nth)%4 == 0
	}
	switch kinds[nth] {
	case cutBefore, cutAfter:
		return true
	case outage:
		return at%4 == 0
	}
	return *seedsFlag > 0 || (at+nth)%2 == 0
}

// TestEveryBoundary cuts the connection before and after each frame of the
// conversation, and tries the other faults of a network there.
func TestEveryBoundary(t *testing.T) {
	clean := run(t, 1)
	clean.report(t, "without a fault")
	if t.Failed() {
		return
	}
	t.Logf("%d frames to the client, %d to the server", len(clean.frames[toClient]), len(clean.frames[toServer]))
	all := waits{}
	for _, d := range []direction{toClient, toServer} {
		t.Run(strings.ReplaceAll(d.String(), " ", "_"), func(t *testing.T) {
			for at, what := range clean.frames[d] {
				t.Run(fmt.Sprintf("%d_%s", at, strings.ReplaceAll(what, " ", "_")), func(t *testing.T) {
					for nth, k := range kinds {
						if !isTried(at, nth) {
							continue
						}
						l := run(t, 1, fault{d, at, k})
						if len(l.did) == 0 || !strings.Contains(l.did[0], what) {
							t.Errorf("fault at frame %d %s: got %q, want it at %q as in every run", at, d, l.did, what)
						}
						l.report(t, "")
						for limit, waited := range l.waits {
							all[limit] = append(all[limit], waited...)
						}
					}
				})
			}
		})
	}
	// Full jitter spreads the waits over their whole range.
	for limit, waited := range all {
		n := len(waited)
		if n < 40 {
			continue // one boundary alone was asked for
		}
		sum := time.Duration(0)
		for _, w := range waited {
			sum += w
		}
		mean := sum / time.Duration(n)
		t.Logf("%d waits of up to %v are %v on average", n, limit, mean)
		if slices.Min(waited) > limit/4 || slices.Max(waited) < limit*3/4 || mean < limit/4 || mean > limit*3/4 {
			t.Errorf("%d waits before a connection, of up to %v: got %v to %v, %v on average, want them over the whole range",
				n, limit, slices.Min(waited), slices.Max(waited), mean)
		}
	}
}

// A server that welcomes the client and breaks off before anything is synced has
// not recovered: the waits keep growing.
func TestWelcomeAloneDoesNotResetBackoff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		for range 46 {
			p := h.accept()
			p.greet()
			synctest.Wait()
			p.drop()
		}
		h.accept()
		h.mu.Lock()
		defer h.mu.Unlock()
		if took := h.dialed[46].Sub(h.dialed[6]); took < 40*conn.MaxBackoff/8 {
			t.Errorf("40 waits of up to %v: got %v in all, want at least %v", conn.MaxBackoff, took, 40*conn.MaxBackoff/8)
		}
	})
}
