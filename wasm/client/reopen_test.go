//go:build !js

package client

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"websockets/server/servertest"
	"websockets/shared"
	"websockets/wasm/client/roomsync"
)

// These tests run against the real server. They close a client while a message is
// on its way, and open another one with its store and session.

// line is a TCP proxy that can lose everything in one direction while the
// connection stays open.
type line struct {
	addr       string
	loseToUs   atomic.Bool // lose what the server sends
	loseToThem atomic.Bool // lose what the client sends
}

func newLine(t *testing.T, server string) *line {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	l := &line{addr: listener.Addr().String()}
	var open sync.WaitGroup
	carry := func(to, from net.Conn, lost *atomic.Bool) {
		defer to.Close()
		buffer := make([]byte, 32<<10)
		for {
			n, err := from.Read(buffer)
			if err != nil {
				return
			}
			if lost.Load() {
				continue
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
	}
	open.Go(func() {
		for {
			us, err := listener.Accept()
			if err != nil {
				return
			}
			them, err := net.Dial("tcp", server)
			if err != nil {
				us.Close()
				continue
			}
			open.Go(func() { carry(us, them, &l.loseToUs) })
			open.Go(func() { carry(them, us, &l.loseToThem) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		open.Wait()
	})
	return l
}

// screen is a running client and what its callbacks were told.
type screen struct {
	*Client
	t     *testing.T
	close func() // ends the client

	mu   sync.Mutex
	told []shared.Message
	acks []string
	sent []string // ids of its send_message frames
	news chan struct{}
}

func openScreen(t *testing.T, addr, session string, store Store) *screen {
	t.Helper()
	s := &screen{t: t, news: make(chan struct{})}
	note := func(change func()) {
		s.mu.Lock()
		defer s.mu.Unlock()
		change()
		close(s.news)
		s.news = make(chan struct{})
	}
	config := Config{
		URL: "ws://" + addr + "/ws", Session: session,
		OnMessage: func(m shared.Message) { note(func() { s.told = append(s.told, m) }) },
		OnAck:     func(id string, _ shared.AckPayload) { note(func() { s.acks = append(s.acks, id) }) },
		OnChange:  func() { note(func() {}) },
		OnFrame: func(f Frame) {
			if e, err := shared.DecodeEvent(f.Text); f.Sent && err == nil && e.Type == shared.SendMessage.Name() {
				note(func() { s.sent = append(s.sent, e.ID) })
			}
		},
	}
	if store != nil {
		config.Store = store
	}
	c, err := New(config)
	check(t, err)
	s.Client = c
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		_ = c.Run(ctx)
		close(ended)
	}()
	s.close = func() { cancel(); <-ended }
	t.Cleanup(s.close)
	return s
}

// await waits until is returns true. It asks again at each callback.
func (s *screen) await(what string, is func() bool) {
	s.t.Helper()
	deadline := time.After(servertest.Patience)
	for {
		s.mu.Lock()
		news := s.news
		s.mu.Unlock()
		if is() {
			return
		}
		select {
		case <-news:
		case <-deadline:
			v := s.View()
			shown := len(v.Room.Messages)
			v.Room.Messages = v.Room.Messages[max(0, shown-3):]
			s.t.Fatalf("%s: got nothing in %v, want it; the view has %d messages, here with the last three: %+v", what, servertest.Patience, shown, v)
		}
	}
}

func (s *screen) awaitSynced() {
	s.t.Helper()
	s.await("the room", func() bool { return s.View().Room.Synced })
}

func (s *screen) times(id string) (told, sent, acked int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.told {
		if m.ID == id {
			told++
		}
	}
	for _, other := range s.sent {
		if other == id {
			sent++
		}
	}
	for _, other := range s.acks {
		if other == id {
			acked++
		}
	}
	return
}

func (s *screen) awaitTold(id string) {
	s.t.Helper()
	s.await("message "+id, func() bool { told, _, _ := s.times(id); return told > 0 })
}

func (s *screen) state(id string) OutgoingState {
	for _, m := range s.View().Room.Outgoing {
		if m.ID == id {
			return m.State
		}
	}
	return ""
}

// others is the client of another user, in the same room.
type others struct{ *screen }

func openOthers(t *testing.T, server *servertest.Process) others {
	s := openScreen(t, server.Addr, "", nil)
	s.awaitSynced()
	return others{s}
}

// write sends n messages and waits until all are stored.
func (o others) write(n int) {
	o.t.Helper()
	var last string
	for i := range n {
		id, err := o.Send("", fmt.Sprint("by others ", i))
		check(o.t, err)
		last = id
	}
	o.await("the acks", func() bool { _, _, acked := o.times(last); return acked > 0 })
}

// everything returns the ids of the room's log, in order.
func everything(t *testing.T, server *servertest.Process) (ids []string) {
	t.Helper()
	s := openScreen(t, server.Addr, "", nil)
	s.awaitSynced()
	for s.View().Room.More {
		ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
		check(t, s.LoadOlder(ctx, shared.DefaultRoom))
		cancel()
	}
	for _, m := range s.View().Room.Messages {
		ids = append(ids, m.ID)
	}
	return ids
}

func count(ids []string, id string) (n int) {
	for _, other := range ids {
		if other == id {
			n++
		}
	}
	return n
}

// sendAndLose opens a client and waits until its room is synced. Then it calls
// loses, which sets what the line loses from then on, and sends texts. It calls
// wire, which waits until they are as far as they get, and closes the client.
func sendAndLose(t *testing.T, server *servertest.Process, store Store, loses func(*line), wire func(*screen, []string), texts ...string) (session string, ids []string) {
	t.Helper()
	l := newLine(t, server.Addr)
	s := openScreen(t, l.addr, "", store)
	s.awaitSynced()
	loses(l)
	for _, text := range texts {
		id, err := s.Send("", text)
		check(t, err)
		ids = append(ids, id)
	}
	wire(s, ids)
	s.close()
	return s.Session(), ids
}

func losesAnswers(l *line)   { l.loseToUs.Store(true) }
func losesQuestions(l *line) { l.loseToThem.Store(true) }

func onTheWire(s *screen, ids []string) {
	for _, id := range ids {
		s.await("the frame", func() bool { _, sent, _ := s.times(id); return sent > 0 })
	}
}

// The messages are stored, their acks are lost, and the tab is closed and opened
// again 500 messages later. The client must not rely on the server to recognise
// their ids: it does not send them again.
func TestReopenAfterLostAck(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0", "--fsync", "interval")
	others := openOthers(t, server)
	others.write(60)
	store := newMemoryStore()
	session, ids := sendAndLose(t, server, store, losesAnswers, func(_ *screen, ids []string) {
		others.awaitTold(ids[0])
		others.awaitTold(ids[1])
	}, "first", "second")
	if kept := store.ids(); len(kept) != 2 {
		t.Fatalf("kept: got %v, want 2", kept)
	}
	others.write(500)

	s := openScreen(t, server.Addr, session, store)
	s.awaitSynced()
	s.await("an empty store", func() bool { return len(store.ids()) == 0 })
	log := everything(t, server)
	for _, id := range ids {
		told, sent, acked := s.times(id)
		if told != 1 || sent != 0 || acked != 1 {
			t.Errorf("%s after opening again: got shown %d times, sent %d times, acked %d times, want 1, 0, 1", id, told, sent, acked)
		}
		if told, _, _ := others.times(id); told != 1 {
			t.Errorf("%s shown to the others: got %d times, want once", id, told)
		}
		if n := count(log, id); n != 1 {
			t.Errorf("%s in the log: got %d times, want once", id, n)
		}
	}
	v := s.View()
	if n := len(v.Room.Messages); n != roomsync.MaxTail || v.Room.Messages[n-1].ID != log[len(log)-1] || len(v.Room.Outgoing) != 0 {
		t.Errorf("view: got %d messages and %d pending, want the log's last %d and none", n, len(v.Room.Outgoing), roomsync.MaxTail)
	}
	if len(log) != 562 {
		t.Errorf("messages in the log: got %d, want 562", len(log))
	}
}

// The same without later messages: the view is as full as any.
func TestReopenAfterLostAckFillsView(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0", "--fsync", "interval")
	others := openOthers(t, server)
	others.write(80)
	store := newMemoryStore()
	session, ids := sendAndLose(t, server, store, losesAnswers, func(_ *screen, ids []string) { others.awaitTold(ids[0]) }, "last")
	s := openScreen(t, server.Addr, session, store)
	s.await("a full view", func() bool { return len(s.View().Room.Messages) == shared.JoinBacklog })
	var shown []string
	for _, m := range s.View().Room.Messages {
		shown = append(shown, m.ID)
	}
	if log := everything(t, server); !slices.Equal(shown, log[len(log)-shared.JoinBacklog:]) {
		t.Errorf("shown: got\n%v\nwant the end of\n%v", shown, log)
	}
	if count(shown, ids[0]) != 1 {
		t.Errorf("our message among those shown: got %d, want 1", count(shown, ids[0]))
	}
}

// Messages that were on the wire and never stored are sent once, in the order
// written, together with one that was never on the wire.
func TestReopenSendsUnstoredMessages(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0", "--fsync", "interval")
	others := openOthers(t, server)
	store := newMemoryStore()
	session, ids := sendAndLose(t, server, store, losesQuestions, onTheWire, "first", "second")
	offline := openScreen(t, newDeadAddr(t), session, store)
	third, err := offline.Send("", "third")
	check(t, err)
	offline.close()
	ids = append(ids, third)
	others.write(500)

	s := openScreen(t, server.Addr, session, store)
	for _, id := range ids {
		s.awaitTold(id)
		others.awaitTold(id)
	}
	s.await("the acks", func() bool { return len(store.ids()) == 0 })
	log := everything(t, server)
	if got := log[len(log)-3:]; !slices.Equal(got, ids) || len(log) != 503 {
		t.Errorf("log: got %d messages that end with %v, want 503 and %v", len(log), got, ids)
	}
	for _, id := range ids {
		if told, sent, acked := s.times(id); told != 1 || sent != 1 || acked != 1 {
			t.Errorf("%s: got shown %d times, sent %d times, acked %d times, want each once", id, told, sent, acked)
		}
	}
}

// newDeadAddr returns an address where nothing listens.
func newDeadAddr(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// askedAndDone expects the client to ask the user, and to do as they decide.
func askedAndDone(t *testing.T, server *servertest.Process, s *screen, store *memoryStore, ids []string) {
	t.Helper()
	for _, id := range ids {
		s.await("the question", func() bool { return s.state(id) == Uncertain })
		if _, sent, _ := s.times(id); sent != 0 {
			t.Errorf("%s: got it sent %d times without asking, want 0", id, sent)
		}
	}
	if kept := store.ids(); len(kept) != 2 {
		t.Errorf("kept: got %v, want 2", kept)
	}
	check(t, s.Discard(ids[0]))
	check(t, s.Retry(ids[1]))
	s.await("the ack", func() bool { return len(store.ids()) == 0 })
	s.awaitTold(ids[1])
	log := everything(t, server)
	if count(log, ids[0]) != 0 || count(log, ids[1]) != 1 {
		t.Errorf("log: got the discarded message %d times and the other %d times, want 0 and 1", count(log, ids[0]), count(log, ids[1]))
	}
}

func TestReopenAfterTruncation(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0", "--fsync", "interval", "--max-room-messages", "100")
	others := openOthers(t, server)
	others.write(10)
	store := newMemoryStore()
	session, ids := sendAndLose(t, server, store, losesQuestions, onTheWire, "discarded", "retried")
	others.write(500)
	// The server may still have in memory what retention has removed.
	server.Kill()
	server.Start()
	askedAndDone(t, server, openScreen(t, server.Addr, session, store), store, ids)
}

func TestReopenOnAnotherLog(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0", "--fsync", "interval")
	others := openOthers(t, server)
	others.write(10)
	store := newMemoryStore()
	session, ids := sendAndLose(t, server, store, losesQuestions, onTheWire, "discarded", "retried")
	// The server cannot tell whether its log has changed or our cursor.
	for id, value := range store.Load() {
		changed := strings.Replace(value, `"epoch":"`, `"epoch":"old`, 1)
		if changed == value {
			t.Fatalf("kept message: got %s, want one with an epoch", value)
		}
		check(t, store.Save(id, changed))
	}
	askedAndDone(t, server, openScreen(t, server.Addr, session, store), store, ids)
}

// A tab that shows the room takes over the messages of a closed tab.
func TestImportWhileRunning(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0", "--fsync", "interval")
	others := openOthers(t, server)
	others.write(70)
	store := newMemoryStore()
	session, stored := sendAndLose(t, server, store, losesAnswers, func(_ *screen, ids []string) { others.awaitTold(ids[0]) }, "stored")
	// Another tab of the same user, whose message does not arrive.
	l := newLine(t, server.Addr)
	second := newMemoryStore()
	tab := openScreen(t, l.addr, session, second)
	tab.awaitSynced()
	losesQuestions(l)
	lost, err := tab.Send("", "lost")
	check(t, err)
	onTheWire(tab, []string{lost})
	tab.close()

	s := openScreen(t, server.Addr, session, newMemoryStore())
	s.awaitSynced()
	others.write(200)
	s.ImportOutbox(store)
	s.ImportOutbox(second)
	s.await("an empty store", func() bool { return len(store.ids()) == 0 && len(second.ids()) == 0 })
	s.awaitTold(lost)
	others.write(1)
	if told, sent, acked := s.times(stored[0]); told > 1 || sent != 0 || acked != 1 {
		t.Errorf("the stored message: got shown %d times, sent %d times, acked %d times, want at most 1, 0, 1", told, sent, acked)
	}
	if told, sent, acked := s.times(lost); told != 1 || sent != 1 || acked != 1 {
		t.Errorf("the lost message: got shown %d times, sent %d times, acked %d times, want each once", told, sent, acked)
	}
	log := everything(t, server)
	last := log[len(log)-1]
	s.awaitTold(last)
	var shown []string
	for _, m := range s.View().Room.Messages {
		shown = append(shown, m.ID)
	}
	if len(shown) > len(log) || !slices.Equal(shown, log[len(log)-len(shown):]) || len(shown) < 200 {
		t.Errorf("shown: got %d messages, want at least 200 that are the end of the log's %d", len(shown), len(log))
	}
}
