package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"websockets/shared"
)

// model is a server as the protocol describes it, with one log for each room,
// that breaks connections at the worst moments: before it has read what was
// sent, after it has stored it, after it has acked it, in the middle of a join.
// It belongs to the test's one goroutine that calls step.
type model struct {
	random *rand.Rand
	logs   map[string][]shared.Message
	seq    uint64
	dials  chan *modelConn // from the client's goroutines
	conns  []*modelConn
	stored map[string]int // how often an id is in a log

	backlog  int // how many messages back a join without a cursor begins
	inFlight int // the limit that welcome tells
	// wrong reports what no client may do.
	wrong func(format string, args ...any)
}

type modelConn struct {
	*pipe
	url     *url.URL
	greeted bool
	current string
	failing bool           // refuses messages: see read
	rooms   map[string]int // how many messages of the room's log were sent
}

func newModel(random *rand.Rand) *model {
	return &model{
		random: random, logs: map[string][]shared.Message{}, stored: map[string]int{}, dials: make(chan *modelConn, 64),
		backlog: shared.JoinBacklog, inFlight: 8,
		wrong: func(format string, args ...any) { panic(fmt.Sprintf(format, args...)) },
	}
}

// serve makes a client connect to the model.
func (m *model) serve(_ *harness, c *Config) {
	c.Dial = func(_ context.Context, address, _ string) (Conn, error) {
		u, err := url.Parse(address)
		p := newPipe()
		m.dials <- &modelConn{pipe: p, url: u, rooms: map[string]int{}}
		return p, err
	}
}

func (m *model) cursor(room string, n int) shared.Cursor {
	if n == 0 {
		return shared.Cursor{Epoch: "e"}
	}
	last := m.logs[room][n-1]
	return shared.Cursor{Epoch: "e", Seq: last.Seq, ID: last.ID}
}

func (m *model) join(c *modelConn, id string, p shared.JoinPayload) {
	if _, in := c.rooms[p.Name]; in {
		n := c.rooms[p.Name]
		c.toClient <- shared.RoomJoined.Frame(id, shared.RoomJoinedPayload{Room: p.Name, Cursor: m.cursor(p.Name, n), State: shared.StateCurrent})
		return
	}
	log := m.logs[p.Name]
	n, state := max(0, len(log)-m.backlog), shared.StateNew
	if p.After != nil {
		state = shared.StateRecovered
		n = len(log)
		for n > 0 && log[n-1].Seq > p.After.Seq {
			n--
		}
		if m.cursor(p.Name, n) != *p.After {
			m.wrong("cursor of a join: got %v, want %v from the log", *p.After, m.cursor(p.Name, n))
		}
	}
	c.rooms[p.Name] = n
	c.toClient <- shared.RoomJoined.Frame(id, shared.RoomJoinedPayload{Room: p.Name, Cursor: m.cursor(p.Name, n), State: state})
	m.follow(c, p.Name)
	c.toClient <- shared.Synced.Frame("", shared.SyncedPayload{Room: p.Name, Cursor: m.cursor(p.Name, len(log))})
}

// follow sends what the connection has not been sent of the room.
func (m *model) follow(c *modelConn, room string) {
	n, in := c.rooms[room]
	if !in {
		return
	}
	for _, message := range m.logs[room][n:] {
		c.toClient <- shared.NewMessage.Frame("", message)
	}
	c.rooms[room] = len(m.logs[room])
}

func (m *model) handle(c *modelConn, e shared.Event) {
	fail := func(code string, retry float64) {
		c.toClient <- shared.Failed.Frame(e.ID, shared.Error{Code: code, Message: "no", RetryAfter: retry})
	}
	switch e.Type {
	case "load_history":
		p, _ := shared.LoadHistory.Decode(e)
		page := shared.HistoryPayload{Room: p.Room}
		for _, message := range m.logs[p.Room] {
			if message.Seq < p.Before {
				page.Messages = append(page.Messages, message)
			}
		}
		if n := len(page.Messages) - p.Limit; n > 0 {
			page.Messages, page.More = page.Messages[n:], true
		}
		c.toClient <- shared.History.Frame(e.ID, page)
	case "ping":
		c.toClient <- shared.Pong.Frame(e.ID, shared.Empty{})
	case "change_room":
		p, _ := shared.ChangeRoom.Decode(e)
		old := c.current
		c.current = p.Name
		m.join(c, e.ID, p)
		if old != p.Name {
			delete(c.rooms, old)
		}
	case "join_room":
		p, _ := shared.JoinRoom.Decode(e)
		if c.current == "" {
			c.current = p.Name
		}
		m.join(c, e.ID, p)
	case "leave_room":
		p, _ := shared.LeaveRoom.Decode(e)
		if _, in := c.rooms[p.Name]; !in {
			fail(shared.CodeNotMember, 0)
			return
		}
		delete(c.rooms, p.Name)
		if c.current == p.Name {
			c.current = ""
		}
		c.toClient <- shared.Left.Frame(e.ID, p)
	case "send_message":
		p, _ := shared.SendMessage.Decode(e)
		if _, in := c.rooms[p.Room]; !in {
			fail(shared.CodeNotMember, 0)
			return
		}
		m.store(p.Room, shared.Message{ID: e.ID, Room: p.Room, User: "me", From: "Me", Message: p.Message}, func(at shared.Message) {
			c.toClient <- shared.Ack.Frame(e.ID, shared.AckPayload{Room: p.Room, Seq: at.Seq})
		})
	}
}

// store appends a message unless it is there, and acks it before or after the
// rooms get to see it.
func (m *model) store(room string, message shared.Message, ack func(shared.Message)) {
	i := slices.IndexFunc(m.logs[room], func(old shared.Message) bool { return old.ID == message.ID })
	if i >= 0 {
		ack(m.logs[room][i])
		return
	}
	m.seq += 1 + m.random.Uint64N(3)
	message.Seq = m.seq
	m.logs[room] = append(m.logs[room], message)
	m.stored[message.ID]++
	early := m.random.IntN(2) == 0
	if early {
		ack(message)
	}
	for _, c := range m.conns {
		m.follow(c, room)
	}
	if !early {
		ack(message)
	}
}

func (m *model) greet(c *modelConn) {
	c.greeted = true
	c.toClient <- shared.Welcome.Frame("", shared.WelcomePayload{User: "me", Heartbeat: 25, Limits: shared.Limits{InFlight: m.inFlight}})
	p := shared.JoinPayload{Name: shared.DefaultRoom}
	if room := c.url.Query().Get("room"); room != "" {
		p.Name = room
	}
	if after := c.url.Query().Get("after"); after != "" {
		if err := json.Unmarshal([]byte(after), &p.After); err != nil {
			m.wrong("after in the address: got %s (%v), want a cursor", after, err)
		}
	}
	c.current = p.Name
	m.join(c, "", p)
}

// read handles the next event. If fail is set, it refuses a message for now, and
// those behind it until the client knows, which keeps them in order.
func (m *model) read(c *modelConn, fail bool) {
	e, err := shared.DecodeEvent(<-c.toServer)
	if err != nil {
		m.wrong("the client sent: got %v, want an event", err)
		return
	}
	if e.Type != "send_message" {
		m.handle(c, e)
		return
	}
	if c.failing = c.failing || fail; !c.failing {
		m.handle(c, e)
		return
	}
	c.toClient <- shared.Failed.Frame(e.ID, shared.Error{Code: shared.CodeUnavailable, Message: "later", RetryAfter: 0.3})
}

// wait waits until the clients have read everything.
func (m *model) wait() {
	synctest.Wait()
	for _, c := range m.conns {
		c.failing = c.failing && len(c.toServer) > 0
	}
}

// accept takes the connections that have been dialled.
func (m *model) accept() {
	for len(m.dials) > 0 {
		m.conns = append(m.conns, <-m.dials)
	}
}

// step does one of the things a server does.
func (m *model) step() {
	m.accept()
	alive := m.conns[:0]
	for _, c := range m.conns {
		select {
		case <-c.closed:
			// The server may read what was sent after the client has given up.
			if m.random.IntN(2) == 0 && len(c.toServer) > 0 {
				alive = append(alive, c)
			}
		default:
			alive = append(alive, c)
		}
	}
	m.conns = alive
	if m.random.IntN(4) == 0 {
		room := []string{"general", "other"}[m.random.IntN(2)]
		m.store(room, shared.Message{ID: fmt.Sprint("x", m.seq), Room: room, User: "you", Message: "hi"}, func(shared.Message) {})
	}
	if len(m.conns) == 0 {
		return
	}
	c := m.conns[m.random.IntN(len(m.conns))]
	if !c.greeted {
		m.greet(c)
		return
	}
	if len(c.toServer) > 0 {
		m.read(c, m.random.IntN(10) == 0)
	}
	if m.random.IntN(25) == 0 {
		c.end(errors.New("connection reset"), nil)
	}
}

// TestModelDeliversExactlyOnce writes, changes rooms and comes back on a bad line,
// in many ways, and compares with the server's logs.
func TestModelDeliversExactlyOnce(t *testing.T) {
	for seed := range seeds(40) {
		bubble(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			m := newModel(random)
			h := start(t, m.serve)
			synctest.Wait()
			written := map[string][]string{} // ids by room
			var all []string
			act := func() {
				switch random.IntN(12) {
				case 0, 1, 2, 3:
					room := []string{"general", "other"}[random.IntN(2)]
					id, err := h.Send(room, "text")
					if err != nil {
						t.Fatal(err)
					}
					written[room], all = append(written[room], id), append(all, id)
				case 4:
					check(t, h.ChangeRoom([]string{"general", "other"}[random.IntN(2)]))
				case 5:
					check(t, h.JoinRoom([]string{"general", "other"}[random.IntN(2)]))
				case 6:
					h.CheckNow()
				}
			}
			for range 300 {
				if random.IntN(4) == 0 {
					act()
				}
				if random.IntN(3) > 0 {
					m.step()
				}
				if random.IntN(2) == 0 {
					m.wait()
				}
				time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
			}
			// The line has recovered: everything gets through.
			check(t, h.JoinRoom("general"))
			check(t, h.JoinRoom("other"))
			m.calm()

			for _, id := range all {
				if n := m.stored[id]; n != 1 {
					t.Errorf("seed %d: message %s in the log: got %d times, want once", seed, id, n)
				}
			}
			acked := h.ackedIDs()
			slices.Sort(acked)
			slices.Sort(all)
			if !slices.Equal(acked, all) {
				t.Errorf("seed %d: acked: got %d messages, each once: %v, want %d, each once", seed, len(acked), slices.Equal(slices.Compact(slices.Clone(acked)), acked), len(all))
			}
			if n, _ := h.left(); n != 0 {
				t.Errorf("seed %d: messages left in the outbox: got %d, want none", seed, n)
			}
			for room, log := range m.logs {
				var logged, seen, mine []string
				for _, message := range log {
					logged = append(logged, message.ID)
					if message.User == "me" {
						mine = append(mine, message.ID)
					}
				}
				for _, message := range h.told() {
					if message.Room == room {
						seen = append(seen, message.ID)
					}
				}
				// The client saw the log from where it joined, without a gap.
				if from := slices.Index(logged, seen[0]); from < 0 || !slices.Equal(logged[from:], seen) {
					t.Errorf("seed %d: messages seen in %s: got\n%s\nwant the end of\n%s", seed, room, strings.Join(seen, " "), strings.Join(logged, " "))
				}
				if !slices.Equal(mine, written[room]) {
					t.Errorf("seed %d: our messages in %s: got %v, want %v", seed, room, mine, written[room])
				}
			}
		})
		if t.Failed() {
			return
		}
	}
}

// calm serves without faults until nothing moves any more.
func (m *model) calm() {
	for range 400 {
		time.Sleep(100 * time.Millisecond)
		m.wait()
		m.accept()
		m.conns = slices.DeleteFunc(m.conns, func(c *modelConn) bool {
			select {
			case <-c.closed:
				return true
			default:
				return false
			}
		})
		for _, c := range m.conns {
			if !c.greeted {
				m.greet(c)
			}
			for len(c.toServer) > 0 {
				m.read(c, false)
			}
		}
	}
	synctest.Wait()
}
