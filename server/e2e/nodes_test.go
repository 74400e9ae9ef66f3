package e2e

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"websockets/server/servertest"
	"websockets/shared"
)

// The second promise says "to any node": these tests run several servers on one
// external NATS and break the servers, NATS and the lines between them.

// serveOn starts a server whose log is on a NATS at these addresses.
func serveOn(t *testing.T, nats string, args ...string) *servertest.Process {
	t.Helper()
	server := servertest.Start(t, append([]string{"--rate", "0", "--nats", nats}, args...)...)
	t.Cleanup(func() {
		// No epoch may have changed: nothing has lost a message here.
		if log := server.Log(); t.Failed() || strings.Contains(log, "not the one it was") {
			t.Errorf("the log of the server at %s:\n%s", server.Addr, log)
		}
	})
	return server
}

// TestOneOrderOnAllServers: with senders and members on two servers, everybody is
// shown the same messages, once, in the same order.
func TestOneOrderOnAllServers(t *testing.T) {
	t.Parallel()
	nats := servertest.StartNATS(t, 1)
	a, b := serveOn(t, nats.URL()), serveOn(t, nats.URL())
	c := gather(t, []string{"one", "two", "three"}, a.WS(), a.WS(), b.WS(), b.WS())
	c.whileFlooding(func() { c.awaitAcks(c.recorders, 500) })
	c.judge(a.WS(), b.WS())
}

// TestClientsGoOnAtAnotherServer: a server is killed under load. Its clients go on at
// the other one, as the same users, with their cursors, and send again what was not
// acked.
func TestClientsGoOnAtAnotherServer(t *testing.T) {
	t.Parallel()
	nats := servertest.StartNATS(t, 1)
	servers := []*servertest.Process{serveOn(t, nats.URL()), serveOn(t, nats.URL())}
	door := servertest.NewProxy(t, servers[0].Addr)
	c := gather(t, []string{"one", "two", "three"}, door.WS(), door.WS(), servers[1].WS())
	moving := c.recorders[:2]
	var users []string
	for _, r := range moving {
		users = append(users, r.client.View().Me.User)
	}
	c.whileWriting(c.recorders, func() {
		for range 3 { // there, back again, and there
			servers[0].Kill()
			servers[0], servers[1] = servers[1], servers[0]
			door.SwitchTo(servers[0].Addr)
			c.awaitAcks(moving, 100)
			servers[1].Start() // the next to come to
		}
	})
	c.judge(servers[0].WS(), servers[1].WS())
	for i, r := range moving {
		if user := r.client.View().Me.User; user != users[i] {
			t.Errorf("user of client %s: got %s, want %s as on the first server", r.name, user, users[i])
		}
	}
}

// TestResentThroughAnotherServer: a client gets no answer to a message and sends it
// again through another server. What the first server published has not arrived yet,
// or it is stored and nobody knows. The message is in the log once.
func TestResentThroughAnotherServer(t *testing.T) {
	t.Parallel()
	for name, disturb := range map[string]func(*servertest.Proxy){
		"in flight": (*servertest.Proxy).Hold,
		"stored":    (*servertest.Proxy).Swallow,
	} {
		t.Run(name, func(t *testing.T) {
			nats := servertest.StartNATS(t, 1)
			line := servertest.NewProxy(t, nats.Nodes[0].Addr)
			a, b := serveOn(t, "nats://"+line.Addr), serveOn(t, nats.URL())
			door := servertest.NewProxy(t, a.Addr)
			c := gather(t, []string{"room"}, door.WS(), b.WS())
			moving, watching := c.recorders[0], c.recorders[1]

			disturb(line)
			moving.send("room", "once")
			moving.barrier() // the message has been handed to the log
			if name == "stored" {
				watching.await("the message to come from the log", func() bool { return len(watching.shown["room"]) == 1 })
			}
			door.SwitchTo(b.Addr)
			door.Cut()
			moving.awaitSettled()

			if name == "stored" {
				line.Cut() // what was swallowed is a hole
			}
			line.Forward()
			// What the first server stores now was handed to NATS after the first try.
			late := c.add(a.WS())
			late.awaitJoined(c.rooms)
			late.send("room", "late")
			c.judge(a.WS(), b.WS())
			if got := late.shownIn("room"); !slices.Equal(got, []string{"once", "late"}) {
				t.Errorf("the room: got %q, want once and late", got)
			}
		})
	}
}

// TestSendsWhileNATSIsDown: NATS is killed under load and started again on its
// store. Meanwhile sends fail with a code that says to try again, and are not stored
// later. Afterwards everything goes on by itself, and nothing is lost or doubled.
func TestSendsWhileNATSIsDown(t *testing.T) {
	t.Parallel()
	nats := servertest.StartNATS(t, 1)
	node := nats.Nodes[0]
	a, b := serveOn(t, nats.URL()), serveOn(t, nats.URL())
	c := gather(t, []string{"one", "two"}, a.WS(), b.WS())
	asking := servertest.Dial(t, a.WS(), servertest.DialOptions{Room: "one"})
	c.whileWriting(c.recorders, func() {
		for range 3 {
			node.Kill()
			for _, r := range c.recorders {
				r.await("being told to send later", func() bool { return r.client.View().PausedUntil.After(time.Now()) })
			}
			told, err := servertest.Ask(asking, shared.SendMessage, shared.SendMessagePayload{Message: "refused"}, shared.Failed)
			if err != nil || told.Code != shared.CodeUnavailable || told.RetryAfter <= 0 {
				t.Errorf("sending without NATS: got %+v, %v, want %s and when to try again", told, err, shared.CodeUnavailable)
			}
			node.Start()
			c.awaitAcks(c.recorders, 50)
			c.awaitSeen(c.recorders)
		}
	})
	_, written := c.judge(a.WS(), b.WS())
	if slices.Contains(written["one"], "refused") {
		t.Error("got a message in the log whose sender was told that it is not stored")
	}
}

// TestJoiningWhileNATSStandsStill: a server that is cut off from the log does not say
// that nothing was missed. A client that believed it would send again what another
// server has stored.
func TestJoiningWhileNATSStandsStill(t *testing.T) {
	t.Parallel()
	nats := servertest.StartNATS(t, 1)
	node, server := nats.Nodes[0], serveOn(t, nats.URL())
	here := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x"})
	epoch := servertest.Await(here, shared.Synced).Cursor.Epoch
	ack, err := servertest.Ask(here, shared.SendMessage, shared.SendMessagePayload{Message: "before"}, shared.Ack)
	if err != nil {
		t.Fatal(err)
	}
	place := shared.Cursor{Epoch: epoch, Seq: ack.Seq, ID: "asked"}
	c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "y"})
	join := func() error {
		joined, err := servertest.Ask(c, shared.JoinRoom, shared.JoinPayload{Name: "x", After: &place}, shared.RoomJoined)
		if err == nil && joined.State != shared.StateCurrent {
			t.Fatalf("joining: got %+v, want state %s", joined, shared.StateCurrent)
		}
		if err == nil {
			_, err = servertest.Ask(c, shared.LeaveRoom, shared.LeavePayload{Name: "x"}, shared.Left)
		}
		return err
	}
	if err := join(); err != nil {
		t.Fatal(err)
	}
	node.Freeze()
	servertest.Eventually(t, "joining to be refused while the server is cut off from the log", func() bool { err = join(); return err != nil })
	if !strings.Contains(err.Error(), string(shared.CodeUnavailable)) {
		t.Fatalf("joining without the log: got %v, want %s", err, shared.CodeUnavailable)
	}
	node.Thaw()
	servertest.Eventually(t, "joining to work again", func() bool { return join() == nil })
}

// TestStopWhileNATSStandsStill: a server that is stopped while NATS does not answer
// ends nevertheless, and what is under way is not acked.
func TestStopWhileNATSStandsStill(t *testing.T) {
	t.Parallel()
	nats := servertest.StartNATS(t, 1)
	server := serveOn(t, nats.URL())
	c := gather(t, []string{"room"}, server.WS())
	nats.Nodes[0].Freeze()
	c.recorders[0].send("room", "under way")
	c.recorders[0].barrier()
	server.Stop()
	if acked := c.recorders[0].ackedCount(); acked > 0 {
		t.Errorf("acks of a message that nobody stored: got %d, want 0", acked)
	}
}

// TestWrongUseOfNATS: flags that contradict each other are refused in one line.
func TestWrongUseOfNATS(t *testing.T) {
	t.Parallel()
	const unreachable = "nats://127.0.0.1:1"
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"fsync":            {[]string{"--nats", unreachable, "--fsync", "always"}, "--fsync cannot be used with --nats"},
		"replicas of none": {[]string{"--data", t.TempDir(), "--replicas", "3"}, "--replicas requires --nats"},
		"prefix of none":   {[]string{"--data", t.TempDir(), "--nats-prefix", "x"}, "--nats-prefix requires --nats"},
		"prefix":           {[]string{"--nats", unreachable, "--nats-prefix", "a.b"}, `--nats-prefix: "a.b" cannot be a prefix: use 1 to 32 letters`},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := servertest.Run(t, append([]string{"--listen", "127.0.0.1:0"}, c.args...)...)
			if code == 0 || stdout != "" {
				t.Errorf("got exit code %d and standard output %q, want another code than 0 and no output", code, stdout)
			}
			if strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "websockets: ") || !strings.Contains(stderr, c.want) {
				t.Errorf("standard error: got %q, want one line with %q", stderr, c.want)
			}
		})
	}
}

// TestReplicasComeAndGo: in a cluster of three with three replicas, the leader of a
// room's stream is killed under load and comes back; then a replica is frozen, falls
// behind, and goes on. Members see everything, and clients that join or come back
// meanwhile miss nothing.
func TestReplicasComeAndGo(t *testing.T) {
	t.Parallel()
	nats := servertest.StartNATS(t, 3)
	a, b := serveOn(t, nats.URL(), "--replicas", "3"), serveOn(t, nats.URL(), "--replicas", "3")
	door := servertest.NewProxy(t, a.Addr)
	c := gather(t, []string{"room"}, a.WS(), b.WS(), door.WS())
	writing := c.recorders[:2]

	var newcomers []*crowd
	come := func() {
		t.Helper()
		door.Cut() // a client that was there comes back with a cursor
		newcomers = append(newcomers, gather(t, c.rooms, b.WS()))
	}
	c.whileWriting(writing, func() {
		stream := nats.Fullest("websockets_ROOMS_") // the room's
		leader := nats.AwaitLeader(stream, nil)
		leader.Kill()
		nats.AwaitLeader(stream, leader)
		come()
		c.awaitAcks(writing, 50)
		c.awaitSeen(writing)
		leader.Start()
		nats.AwaitHealthy()

		leader = nats.AwaitLeader(stream, nil)
		lagging := nats.Nodes[0]
		if lagging == leader {
			lagging = nats.Nodes[1]
		}
		lagging.Freeze()
		c.awaitAcks(writing, 200)
		come()
		lagging.Thaw()
		c.awaitSeen(writing)
		come()
		nats.AwaitLeader(stream, nil) // a replica that comes back may have another chosen
		c.awaitSeen(c.recorders)
		c.awaitAcks(writing, 50)
	})
	nats.AwaitInSync()
	_, logged := c.judge(a.WS(), b.WS())
	written := logged["room"]
	for _, n := range newcomers {
		r := n.recorders[0]
		r.await("the last message", func() bool { return slices.Contains(r.shown["room"], written[len(written)-1]) })
		got := r.shownIn("room")
		if want := written[max(0, len(written)-len(got)):]; len(got) < 50 || !slices.Equal(got, want) {
			t.Errorf("a client that came meanwhile: got another room than the log has from there on: %s", difference(got, want))
		}
		n.end()
	}
}

// TestPresenceAcrossServers: every server knows who is in a room, a user counts
// once, a user that moves from one server to another is not seen to leave, and the
// members of a server that was stopped or killed leave.
func TestPresenceAcrossServers(t *testing.T) {
	t.Parallel()
	const room = "room"
	nats := servertest.StartNATS(t, 1)
	a, b, c := serveOn(t, nats.URL()), serveOn(t, nats.URL()), serveOn(t, nats.URL())
	door := servertest.NewProxy(t, a.Addr)
	people := gather(t, []string{room}, b.WS(), door.WS(), c.WS())
	watcher, ann, bob := people.recorders[0], people.recorders[1], people.recorders[2]
	user := func(r *recorder) string { return r.client.View().Me.User }
	awaitCount := func(r *recorder, n int) {
		t.Helper()
		r.await(fmt.Sprintf("knowing of %d users", n), func() bool { v, _ := r.client.Room(room); return v.Count == n })
	}
	awaitGone := func(r *recorder) {
		t.Helper()
		watcher.await("knowing that "+r.name+" is gone", func() bool {
			v, _ := watcher.client.Room(room)
			return !slices.ContainsFunc(v.Members, func(m shared.Member) bool { return m.User == user(r) })
		})
	}

	awaitCount(watcher, 3)
	first := servertest.Dial(t, b.WS(), servertest.DialOptions{Room: room})
	if joined := servertest.Await(first, shared.RoomJoined); joined.Count != 4 || !names(joined.Members, user(ann)) || !names(joined.Members, user(bob)) {
		t.Errorf("users on all servers: got %d, %v, want 4, with %s and %s", joined.Count, joined.Members, user(ann), user(bob))
	}
	awaitCount(ann, 4)

	ann.client.Typing(room)
	watcher.await("seeing that somebody on another server types", func() bool {
		v, _ := watcher.client.Room(room)
		return names(v.Typing, user(ann))
	})

	// The last of a room on its server moves to another, and back again.
	if _, err := servertest.Ask(first, shared.Ping, shared.Empty{}, shared.Pong); err != nil { // what came before is read
		t.Fatal(err)
	}
	awaitNews := func(of string) {
		t.Helper()
		for told := false; !told; {
			news := servertest.Await(first, shared.Presence)
			if names(news.Joined, user(ann)) || slices.Contains(news.Left, user(ann)) {
				t.Errorf("a move from one server to another: got %+v, want no presence event about it", news)
			}
			told = names(news.Joined, of) || slices.Contains(news.Left, of)
		}
	}
	var lost *servertest.Conn
	for _, server := range []*servertest.Process{b, a} {
		door.SwitchTo(server.Addr)
		door.Hold() // longer than presence is gathered, shorter than the grace
		door.Cut()
		lost = servertest.Dial(t, c.WS(), servertest.DialOptions{Room: room})
		awaitNews(lost.Welcome.User)
		door.Forward()
		ann.send(room, "moved to "+server.Addr)
		ann.awaitSettled()
		servertest.Close(lost)
	}
	awaitNews(lost.Welcome.User) // it was lost after the moves: all that they could be told as has been told

	// A user on two servers counts once.
	awaitCount(ann, 4)
	servertest.Dial(t, a.WS(), servertest.DialOptions{Room: room, Session: watcher.client.Session()})
	if joined := servertest.Await(servertest.Dial(t, a.WS(), servertest.DialOptions{Room: room}), shared.RoomJoined); joined.Count != 5 {
		t.Errorf("users, one of them on two servers: got %d, want 5", joined.Count)
	}
	awaitCount(watcher, 5)

	a.Kill()
	c.Stop()
	awaitGone(bob)
	awaitGone(ann)
	awaitCount(watcher, 2)
}

func names(members []shared.Member, user string) bool {
	return slices.ContainsFunc(members, func(m shared.Member) bool { return m.User == user })
}

// TestTheFeedLies: what the feed does not bring, members get from the log.
func TestTheFeedLies(t *testing.T) {
	t.Parallel()
	nats := servertest.StartNATS(t, 1)
	thief := newThief(t, nats.Nodes[0].Addr)
	a, b := serveOn(t, nats.URL()), serveOn(t, "nats://"+thief.Addr)
	c := gather(t, []string{"room"}, a.WS(), b.WS())
	there, here := c.recorders[0], c.recorders[1]
	shown := func(r *recorder, text string) func() bool {
		return func() bool { return slices.Contains(r.shown["room"], text) }
	}

	// The last message of a room is the one that no later one gives away.
	for _, from := range c.recorders {
		for n := range 3 {
			randomMoment() // so that the theft falls on any moment between two looks at the log
			text := fmt.Sprintf("stolen %s-%d", from.name, n)
			stolen := thief.steal(text)
			from.send("room", "just before "+text)
			from.send("room", text)
			from.await("an ack for "+text, func() bool { return len(from.acked) == len(from.texts) })
			awaitTheft(t, stolen, text)
			here.await(text, shown(here, text))
		}
	}

	// The first of a room that has just been opened.
	for n := range 2 {
		randomMoment()
		fresh := gather(t, []string{fmt.Sprintf("fresh-%d", n)}, b.WS(), a.WS())
		text := fmt.Sprintf("stolen first-%d", n)
		stolen := thief.steal(text)
		fresh.recorders[1].send(fresh.rooms[0], text)
		awaitTheft(t, stolen, text)
		fresh.recorders[0].await(text, func() bool { return len(fresh.recorders[0].shown[fresh.rooms[0]]) > 0 })
		fresh.end()
	}

	// One in the middle shows by the next.
	stolen := thief.steal("stolen in the middle")
	there.send("room", "stolen in the middle")
	there.send("room", "the next")
	awaitTheft(t, stolen, "stolen in the middle")
	here.await("the one in the middle", shown(here, "stolen in the middle"))

	// The feed is cut and comes back.
	thief.Cut()
	there.send("room", "while it is cut")
	here.await("what was written while the feed was cut", shown(here, "while it is cut"))

	// The feed stands still, on connections that stay open.
	thief.Deafen()
	there.send("room", "while it stands still")
	here.await("what was written while the feed stood still", shown(here, "while it stands still"))
	c.judge(a.WS(), b.WS())
}

// randomMoment lets a random time pass: a fault has to fall on any moment. It waits
// for nothing.
func randomMoment() {
	timer := time.NewTimer(time.Duration(rand.IntN(1000)) * time.Millisecond)
	<-timer.C
}

// thief is a line between a server and NATS that can take single messages out of
// the feed.
type thief struct {
	*servertest.Proxy

	mu     sync.Mutex
	wanted string        // a text, in the feed
	stolen chan struct{} // closed when it was stolen
}

func newThief(t *testing.T, target string) *thief {
	t.Helper()
	h := &thief{}
	h.Proxy = servertest.NewFilter(t, target, h.read)
	return h
}

// steal takes the next message of the feed that holds the text. The channel is
// closed when that has happened.
func (h *thief) steal(text string) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wanted, h.stolen = text, make(chan struct{})
	return h.stolen
}

// awaitTheft waits for the theft: without it a test proves nothing.
func awaitTheft(t *testing.T, stolen <-chan struct{}, text string) {
	t.Helper()
	select {
	case <-stolen:
	case <-time.After(servertest.Patience):
		t.Fatalf("waited %v for the feed to bring %q", servertest.Patience, text)
	}
}

// read reads what NATS says next, a line and the body that belongs to it; nothing
// if it is stolen.
func (h *thief) read(r *bufio.Reader) ([]byte, error) {
	frame, err := r.ReadBytes('\n')
	line := strings.Fields(string(frame))
	if err != nil || len(line) < 2 || line[0] != "MSG" && line[0] != "HMSG" {
		return frame, err
	}
	size, err := strconv.Atoi(line[len(line)-1]) // a subject first, a size last
	if err != nil {
		return nil, err
	}
	body := make([]byte, size+len("\r\n"))
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	if strings.HasPrefix(line[1], "websockets.feed.") && h.takes(body) {
		return nil, nil
	}
	return append(frame, body...), nil
}

func (h *thief) takes(body []byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wanted == "" || !strings.Contains(string(body), strconv.Quote(h.wanted)) {
		return false
	}
	h.wanted = ""
	close(h.stolen)
	return true
}
