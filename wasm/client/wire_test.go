package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"websockets/shared"
)

var seedsFlag = flag.Uint64("seeds", 0, "run the tests that have a seed with so many; 0: with few")

// seeds returns how many seeds a test is to run with: few, or those of -seeds.
func seeds(few uint64) uint64 { return cmp.Or(*seedsFlag, few) }

// pipe is a connection in memory. The client has it as its Conn; the test plays
// the server with a peer.
type pipe struct {
	toClient chan []byte
	toServer chan []byte
	closed   chan struct{}

	mu       sync.Mutex
	err      error // what the client's Read returns at the end
	byClient *CloseError
}

func newPipe() *pipe { return newPipeOf(4096) }

// newPipeOf returns a pipe for so many frames in each direction.
func newPipeOf(frames int) *pipe {
	return &pipe{
		toClient: make(chan []byte, frames),
		toServer: make(chan []byte, frames),
		closed:   make(chan struct{}),
	}
}

func (p *pipe) Read(ctx context.Context) ([]byte, error) {
	select {
	case frame := <-p.toClient:
		return frame, nil
	default:
	}
	select {
	case frame := <-p.toClient:
		return frame, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.closed:
	}
	select { // frames that came before the end
	case frame := <-p.toClient:
		return frame, nil
	default:
		return nil, p.err
	}
}

func (p *pipe) Write(_ context.Context, frame []byte) error {
	select {
	case <-p.closed:
		return errors.New("closed")
	default:
	}
	select {
	case <-p.closed:
		return errors.New("closed")
	case p.toServer <- frame:
		return nil
	}
}

func (p *pipe) Close(code int, reason string) error {
	p.end(errors.New("closed by the client"), &CloseError{Code: code, Reason: reason})
	return nil
}

func (p *pipe) end(err error, byClient *CloseError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err, p.byClient = err, byClient
		close(p.closed)
	}
}

// peer is the server's end of one connection, which the test plays.
type peer struct {
	*pipe
	t       *testing.T
	url     *url.URL
	session string
}

// next waits for the client's next event.
func (p *peer) next() shared.Event {
	p.t.Helper()
	select {
	case frame := <-p.toServer:
		e, err := shared.DecodeEvent(frame)
		if err != nil {
			p.t.Fatalf("the client sent: got %s (%v), want an event", frame, err)
		}
		return e
	case <-time.After(time.Hour):
		p.t.Fatal("the client sent: got nothing for an hour, want an event")
		return shared.Event{}
	}
}

// quiet fails if the client has sent anything more.
func (p *peer) quiet() {
	p.t.Helper()
	synctest.Wait()
	select {
	case frame := <-p.toServer:
		p.t.Fatalf("the client sent: got %s, want nothing", frame)
	default:
	}
}

// expect waits for an event of this type and returns its id and payload.
func expect[T any](p *peer, want shared.Type[T]) (id string, payload T) {
	p.t.Helper()
	e := p.next()
	if e.Type != want.Name() {
		p.t.Fatalf("the client sent: got %s %s, want %s", e.Type, e.Payload, want.Name())
	}
	payload, err := want.Decode(e)
	if err != nil {
		p.t.Fatal(err)
	}
	return e.ID, payload
}

// reply sends an event to the client.
func reply[T any](p *peer, t shared.Type[T], id string, payload T) {
	p.toClient <- t.Frame(id, payload)
}

// after returns the cursor in the address that the client dialled, nil without one.
func (p *peer) after() *shared.Cursor {
	raw := p.url.Query().Get("after")
	if raw == "" {
		return nil
	}
	var c shared.Cursor
	if err := json.Unmarshal([]byte(raw), &c); err != nil {
		p.t.Fatal(err)
	}
	return &c
}

// welcome lets the client in and into a room, which is synced at once.
func (p *peer) welcome(room string, state string, at shared.Cursor) {
	p.greet()
	p.joined("", room, state, at)
	p.synced(room, at)
}

func (p *peer) greet() {
	reply(p, shared.Welcome, "", shared.WelcomePayload{User: "me", Name: "Me", Heartbeat: 25, Version: "v1", Session: "token"})
}

func (p *peer) joined(id, room, state string, at shared.Cursor) {
	reply(p, shared.RoomJoined, id, shared.RoomJoinedPayload{Room: room, Cursor: at, State: state, Count: 1})
}

func (p *peer) synced(room string, at shared.Cursor) {
	reply(p, shared.Synced, "", shared.SyncedPayload{Room: room, Cursor: at})
}

// message sends the client a message of the room.
func (p *peer) message(room string, seq uint64, user, id string) {
	reply(p, shared.NewMessage, "", shared.Message{
		Seq: seq, ID: id, Room: room, User: user, From: user, Message: fmt.Sprint("text of ", id), Sent: time.Now().UTC(),
	})
}

// drop breaks the connection without a close frame.
func (p *peer) drop() { p.end(errors.New("connection reset"), nil) }

// shut closes the connection with a close frame.
func (p *peer) shut(code int, reason string) { p.end(&CloseError{Code: code, Reason: reason}, nil) }

// at is a cursor of the log "e1".
func at(seq uint64) shared.Cursor {
	if seq == 0 {
		return shared.Cursor{Epoch: "e1"}
	}
	return shared.Cursor{Epoch: "e1", Seq: seq, ID: fmt.Sprint("m", seq)}
}

// harness is a client that runs in a synctest bubble, and the test's view of it.
type harness struct {
	*Client
	t      *testing.T
	dials  chan *peer
	refuse error // what Dial returns instead of connecting
	dialed []time.Time
	cancel context.CancelFunc
	ended  chan error

	mu       sync.Mutex
	messages []shared.Message
	acks     []string
	changes  int
}

// start runs a client. It is stopped when the test ends.
func start(t *testing.T, adapt ...func(*harness, *Config)) *harness {
	h := &harness{t: t, dials: make(chan *peer, 16), ended: make(chan error, 1)}
	config := Config{
		URL:  "ws://chat.test/ws",
		Dial: h.dial,
		OnMessage: func(m shared.Message) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.messages = append(h.messages, m)
		},
		OnAck: func(id string, _ shared.AckPayload) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.acks = append(h.acks, id)
		},
		OnChange: func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.changes++
		},
	}
	for _, a := range adapt {
		a(h, &config)
	}
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	h.Client = c
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	go func() { h.ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		time.Sleep(time.Minute) // of the bubble's clock: more than a test's callbacks take
		synctest.Wait()
		if state := c.View().State; state != Ended {
			t.Errorf("state after the context has ended: got %s, want %s", state, Ended)
		}
	})
	return h
}

func (h *harness) dial(_ context.Context, address, session string) (Conn, error) {
	h.mu.Lock()
	h.dialed = append(h.dialed, time.Now())
	refuse := h.refuse
	h.mu.Unlock()
	if refuse != nil {
		return nil, refuse
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	p := newPipe()
	h.dials <- &peer{pipe: p, t: h.t, url: u, session: session}
	return p, nil
}

// accept waits for the client to connect.
func (h *harness) accept() *peer {
	h.t.Helper()
	select {
	case p := <-h.dials:
		return p
	case <-time.After(time.Hour):
		h.t.Fatal("the client: got no connection in an hour, want one")
		return nil
	}
}

// connect accepts and welcomes the client into general at seq 0.
func (h *harness) connect() *peer {
	p := h.accept()
	p.welcome("general", shared.StateNew, at(0))
	synctest.Wait()
	return p
}

func (h *harness) send(message string) string {
	h.t.Helper()
	id, err := h.Send("", message)
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}

// told returns what OnMessage was told.
func (h *harness) told() []shared.Message {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.messages)
}

// seen returns the ids of the messages that OnMessage was told.
func (h *harness) seen() (ids []string) {
	for _, m := range h.told() {
		ids = append(ids, m.ID)
	}
	return ids
}

// ackedIDs returns the ids that OnAck was told.
func (h *harness) ackedIDs() []string {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.acks)
}

// left returns how many messages and calls the client still holds.
func (h *harness) left() (messages, calls int) {
	synctest.Wait()
	h.Client.mu.Lock()
	defer h.Client.mu.Unlock()
	return h.outbox.Len(), h.conn.Status().Calls
}

// changed returns how often OnChange was called.
func (h *harness) changed() int {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changes
}

// pending returns the state of a message of ours in the current room's view,
// empty if it is not pending there.
func (h *harness) stateOf(id string) OutgoingState {
	synctest.Wait()
	for _, m := range h.View().Room.Outgoing {
		if m.ID == id {
			return m.State
		}
	}
	return ""
}

func (h *harness) wantSeen(ids ...string) {
	h.t.Helper()
	if got := h.seen(); !slices.Equal(got, ids) {
		h.t.Errorf("OnMessage: got %v, want %v", got, ids)
	}
}

func (h *harness) wantAcked(ids ...string) {
	h.t.Helper()
	if got := h.ackedIDs(); !slices.Equal(got, ids) {
		h.t.Errorf("OnAck: got %v, want %v", got, ids)
	}
}

func (h *harness) wantState(id string, want OutgoingState) {
	h.t.Helper()
	if got := h.stateOf(id); got != want {
		h.t.Errorf("state of message %s: got %q, want %q", id, got, want)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bubble runs a test with a clock of its own.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}
