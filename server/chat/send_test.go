package chat

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/delivery"
	"websockets/server/eventlog"
	"websockets/server/servertest"
	"websockets/server/timeline"
	"websockets/shared"
)

// An ack means that the message is in the log.
func TestAckedMessageIsInTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.join("x")
		for _, text := range texts(0, 20) {
			ack := c.Say(text)
			place, err := s.log.Locate(t.Context(), "x", ack.Seq)
			if err != nil || place.State != eventlog.Present {
				t.Fatalf("the log at %d, where %q was acked: got nothing, %v, want it", ack.Seq, text, err)
			}
			m, err := timeline.Message(place.Record)
			if err != nil || m.Message != text || m.User != c.Welcome.User || !m.Sent.Equal(ack.Sent) || ack.Room != "x" {
				t.Errorf("%q: got ack %+v, and in the log %+v, %v, want the same message", text, ack, m, err)
			}
			if heard := c.TakeMessages(1)[0]; heard != m {
				t.Errorf("new_message: got %+v, want what the log has: %+v", heard, m)
			}
		}
	})
}

// The user, name, sequence and time in a message are the server's, never the client's.
func TestServerSetsUserSequenceAndTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.join("x")
		write(c, `{"type":"send_message","payload":{"message":"hi","user":"root","from":"Root","seq":7,"id":"mine","sent":"1999-01-01T00:00:00Z"},"id":"outer"}`)
		ack := servertest.TakeAnswer(c, shared.Ack, "outer")
		m := c.TakeMessages(1)[0]
		if m.User != c.Welcome.User || m.From != c.Welcome.Name || m.ID != "outer" || m.Seq != ack.Seq || !m.Sent.Equal(time.Now()) {
			t.Errorf("message: got %+v, want the server's user, name, sequence and time and the id outer", m)
		}
	})
}

// The same message is the same one for as long as welcome says, over WebSocket.
func TestMessageIsKnownForADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clock := &servertest.Clock{}
		s := serveInBubble(t, func(with *setup) { with.log.Now = clock.Now })
		c := s.join("x")
		window := time.Duration(c.Welcome.Dedupe.Seconds) * time.Second
		if window != 24*time.Hour || c.Welcome.Dedupe.Messages < 1<<20 {
			t.Errorf("welcome's dedupe: got %+v, want a day and a million messages", c.Welcome.Dedupe)
		}
		say := func(text string) {
			write(c, shared.SendMessage.Frame("the-id", shared.SendMessagePayload{Room: "x", Message: text}))
		}
		say("once")
		first := servertest.TakeAnswer(c, shared.Ack, "the-id")
		clock.Set(window)
		say("once")
		if again := servertest.TakeAnswer(c, shared.Ack, "the-id"); again != first {
			t.Errorf("ack after %v: got %+v, want %+v", window, again, first)
		}
		say("something else")
		c.TakeRefusal("the-id", shared.CodeIDReused)
		clock.Set(window + time.Second)
		say("once")
		if again := servertest.TakeAnswer(c, shared.Ack, "the-id"); again.Seq <= first.Seq {
			t.Errorf("ack after more than %v: got %+v, want another message than %d", window, again, first.Seq)
		}
	})
}

// Retention that is shorter than a day shortens it.
func TestRetentionShortensDedupe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, func(with *setup) { with.log.MaxAge, with.log.MaxRoomMessages = time.Hour, 500 })
		want := shared.Dedupe{Seconds: 3600, Messages: 500}
		if got := s.join("x").Welcome.Dedupe; got != want {
			t.Errorf("welcome's dedupe: got %+v, want %+v", got, want)
		}
	})
}

func TestMessageIsStoredOncePerID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.join("x")
		say := func(c *servertest.Conn, room, text string) {
			write(c, shared.SendMessage.Frame("the-id", shared.SendMessagePayload{Room: room, Message: text}))
		}
		say(c, "x", "once")
		first := servertest.TakeAnswer(c, shared.Ack, "the-id")

		say(c, "x", "once") // again
		if again := servertest.TakeAnswer(c, shared.Ack, "the-id"); again != first {
			t.Errorf("ack of the same message: got %+v, want %+v", again, first)
		}
		say(c, "x", "something else")
		c.TakeRefusal("the-id", shared.CodeIDReused)

		// From another connection of the same user it is the same message; from
		// another user it is another.
		second := s.join("x", c.Welcome.Session)
		say(second, "x", "once")
		if again := servertest.TakeAnswer(second, shared.Ack, "the-id"); again != first {
			t.Errorf("ack on another connection: got %+v, want %+v", again, first)
		}
		stranger := s.join("x")
		say(stranger, "x", "once")
		if theirs := servertest.TakeAnswer(stranger, shared.Ack, "the-id"); theirs.Seq == first.Seq {
			t.Errorf("ack of a stranger's message: got %+v, want another sequence", theirs)
		}

		// In another room of the same shard it is another message.
		beside := "beside"
		servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.JoinRoom, shared.JoinPayload{Name: beside}))
		say(c, beside, "once")
		if ack := servertest.TakeAnswer(c, shared.Ack, "the-id"); ack.Room != beside || ack.Seq == first.Seq {
			t.Errorf("ack in another room: got %+v, want %s and another sequence than %d", ack, beside, first.Seq)
		}
		if got := textsOf(s.stored("x")); !slices.Equal(got, []string{"once", "once"}) { // the user's and the stranger's
			t.Errorf("messages in the room: got %q, want the user's and the stranger's", got)
		}
		if got := textsOf(s.stored(beside)); !slices.Equal(got, []string{"once"}) {
			t.Errorf("messages in the other room: got %q, want one", got)
		}
	})
}

// The same id is sent many times before anything is answered. Each gets one answer, all
// the same.
func TestSameIDSentManyTimesAtOnceIsStoredOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.join("x")
		const times = 100
		for range times {
			write(c, shared.SendMessage.Frame("the-id", shared.SendMessagePayload{Message: "once"}))
		}
		first := servertest.TakeAnswer(c, shared.Ack, "the-id")
		for range times - 1 {
			if again := servertest.TakeAnswer(c, shared.Ack, "the-id"); again != first {
				t.Fatalf("ack: got %+v, want %+v again", again, first)
			}
		}
		c.Barrier()
		c.None("one more answer", func(e shared.Event) bool { return e.ID != "" })
		if got := textsOf(s.stored("x")); len(got) != 1 {
			t.Errorf("messages in the room: got %q, want one", got)
		}
	})
}

// All members see each acked message once, in the order of the log, and each sender's
// messages in the order they were sent.
func TestAllMembersSeeTheSameOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { checkSameOrder(t, serveInBubble(t)) })
}

func checkSameOrder(t *testing.T, s *testServer) {
	t.Helper()
	const senders, each = 8, 100
	total := senders * each
	observers := []*servertest.Conn{s.join("x"), s.join("x")}
	var clients []*servertest.Conn
	for range senders {
		clients = append(clients, s.join("x"))
	}
	heard := make([][]shared.Message, senders+len(observers))
	acked := make([]map[string]uint64, senders)
	var all sync.WaitGroup
	for i, c := range clients {
		acked[i] = map[string]uint64{}
		all.Go(func() {
			for n := range each {
				id := fmt.Sprintf("%d-%d", i, n)
				frame := shared.SendMessage.Frame(id, shared.SendMessagePayload{Message: id})
				if err := c.WS.WriteMessage(websocket.TextMessage, frame); err != nil {
					t.Errorf("sender %d: %v", i, err)
				}
			}
		})
	}
	for i, c := range append(clients, observers...) {
		all.Go(func() {
			for len(heard[i]) < total || i < senders && len(acked[i]) < each {
				e, err := read(c)
				if err != nil {
					t.Errorf("reader %d after %d messages: %v", i, len(heard[i]), err)
					return
				}
				switch e.Type {
				case shared.NewMessage.Name():
					m, _ := shared.NewMessage.Decode(e)
					heard[i] = append(heard[i], m)
				case shared.Ack.Name():
					ack, _ := shared.Ack.Decode(e)
					if acked[i][e.ID] != 0 {
						t.Errorf("acks of %s: got two, want one", e.ID)
					}
					acked[i][e.ID] = ack.Seq
				case shared.Presence.Name():
				default:
					t.Errorf("event: got %s %s, want messages, acks and presence only", e.Type, e.Payload)
				}
			}
		})
	}
	all.Wait()
	stored := s.stored("x")
	if len(stored) != total {
		t.Fatalf("the log holds %d messages, want %d", len(stored), total)
	}
	for i := range heard {
		if !slices.Equal(heard[i], stored) {
			t.Errorf("reader %d: got other messages or another order, want the log's", i)
		}
	}
	next := make([]int, senders)
	for _, m := range stored {
		var i, n int
		if _, err := fmt.Sscanf(m.ID, "%d-%d", &i, &n); err != nil {
			t.Fatal(err)
		}
		if n != next[i] || acked[i][m.ID] != m.Seq || m.User != clients[i].Welcome.User {
			t.Fatalf("the log: got %+v, acked at %d, want number %d of sender %d", m, acked[i][m.ID], next[i], i)
		}
		next[i]++
	}
}

// Members read what the log does not deliver.
func TestUndeliveredMessagesAreReadFromTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.join("x")
		c.Say("first")
		s.log.lossy.Store(true)
		for _, text := range texts(0, 20) {
			c.Say(text)
		}
		if got := textsOf(c.TakeMessages(21)); !slices.Equal(got, append([]string{"first"}, texts(0, 20)...)) {
			t.Errorf("messages: got %q, want first and 20 more", got)
		}
	})
}

// What was not delivered comes before the next message.
func TestGapInDeliveryIsFilled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.join("x")
		c.Say("first")
		c.TakeMessages(1)
		s.log.lossy.Store(true)
		s.put("x", texts(0, 5)...)
		s.log.lossy.Store(false)
		c.Say("last")
		if got := textsOf(c.TakeMessages(6)); !slices.Equal(got, append(texts(0, 5), "last")) {
			t.Errorf("messages: got %q, want 5 and last", got)
		}
		c.Barrier()
		c.None("a message again", isMessageEvent)
	})
}

// floodMessages are 80 MB: no connection holds that.
const floodMessages = 20_000

// flood sends long messages, and nobody reads what it gets.
type flood struct {
	conn    *servertest.Conn
	written atomic.Int64
	stop    atomic.Bool
	done    chan struct{} // closed when it has ended
}

func startFlood(conn *servertest.Conn) *flood {
	f := &flood{conn: conn, done: make(chan struct{})}
	go f.run()
	return f
}

func (f *flood) run() {
	defer close(f.done)
	text := strings.Repeat("x", shared.MaxMessageLength)
	for n := range floodMessages {
		if f.stop.Load() {
			return
		}
		frame := shared.SendMessage.Frame(fmt.Sprint("flood-", n), shared.SendMessagePayload{Message: text})
		if err := f.conn.WS.WriteMessage(websocket.TextMessage, frame); err != nil {
			f.conn.T.Errorf("the flood broke off after %d: %v", n, err)
			return
		}
		f.written.Add(1)
	}
}

// readOn ends a flood that is held in a Write, and reads until that has gone out and
// each message has its one ack. The log has to have them in order.
func (f *flood) readOn(s *testServer) {
	s.t.Helper()
	f.stop.Store(true)
	answered := map[string]bool{}
	ended := func() bool {
		select {
		case <-f.done:
			return int64(len(answered)) == f.written.Load()
		default:
			return false
		}
	}
	for !ended() {
		e, err := read(f.conn)
		if err != nil {
			s.t.Fatalf("after %d of %d answers: %v", len(answered), f.written.Load(), err)
		}
		if e.ID == "" {
			continue
		}
		if e.Type != shared.Ack.Name() || answered[e.ID] {
			s.t.Fatalf("answer to %s: got %s %s, answered before: %v, want one ack", e.ID, e.Type, e.Payload, answered[e.ID])
		}
		answered[e.ID] = true
	}
	inLog := 0
	for _, m := range s.stored("x") {
		if m.User == f.conn.Welcome.User {
			if m.ID != fmt.Sprint("flood-", inLog) {
				s.t.Fatalf("the log: got %s, want flood-%d", m.ID, inLog)
			}
			inLog++
		}
	}
	if int64(inLog) != f.written.Load() {
		s.t.Errorf("messages in the log: got %d, want %d", inLog, f.written.Load())
	}
}

// sayAndHear sends a message, waits until it is acked and comes back, and drops
// what came before it.
func sayAndHear(c *servertest.Conn, text string) {
	c.T.Helper()
	c.Say(text)
	c.Take(text, func(e shared.Event) bool {
		m, err := shared.NewMessage.Decode(e)
		return isMessageEvent(e) && err == nil && m.Message == text
	})
	c.Forget()
}

// A client that sends and never reads is held back at its own socket: what the server
// holds for it is bounded, and other clients' messages are delivered. When it reads
// again, every event has its one answer.
func TestFloodIsHeldBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		other := s.join("x")
		f := startFlood(s.join("x"))
		time.Sleep(delivery.StallTimeout + delivery.Tick) // the acks that its last write was stuck with are out
		held := f.written.Load()
		const most = delivery.Window + 16 + 600 // the connection holds 16 messages one way and some 600 acks the other
		if held > most {
			t.Errorf("messages of the flood: got %d in, want at most %d", held, most)
		}
		for range 30 {
			sayAndHear(other, "another's")
		}
		time.Sleep(delivery.PingAfter - delivery.StallTimeout) // any longer, and it is closed as silent
		sayAndHear(other, "another's")
		if now := f.written.Load(); now != held {
			t.Errorf("messages of the flood: got %d more in, want it held back", now-held)
		}
		f.readOn(s)
	})
}

// After an append has failed, the client's later ones are refused until none is in
// flight and it is time to try again. So what is sent again keeps its order.
func TestSendsAreRefusedAfterAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s sends
		for range 3 {
			if !s.begin() {
				t.Fatal("one of the first sends: got it refused, want it taken")
			}
		}
		s.end(false)
		s.end(true) // one is still under way
		time.Sleep(2 * retryAfter)
		if s.begin() {
			t.Error("a send that could overtake the failed one: got it taken, want it refused")
		}
		s.end(false)
		if !s.begin() {
			t.Error("a send after all were settled: got it refused, want it taken")
		}
	})
}

// When the log is closed, a send is refused with an error that says when to try again.
func TestSendIsRefusedWithoutTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.join("x")
		c.Say("stored")
		s.log.Close()
		for i := range 3 {
			refusal := c.TakeRefusal(servertest.Send(c, shared.SendMessage, shared.SendMessagePayload{Message: fmt.Sprint(i)}), shared.CodeUnavailable)
			if refusal.RetryAfter <= 0 {
				t.Errorf("refusal: got %+v, want a retry_after", refusal)
			}
		}
		for _, id := range []string{
			servertest.Send(c, shared.JoinRoom, shared.JoinPayload{Name: "y"}),
			servertest.Send(c, shared.LoadHistory, shared.LoadHistoryPayload{}),
			servertest.Send(c, shared.SetName, shared.SetNamePayload{Name: "Ada"}),
			servertest.Send(c, shared.ListRooms, shared.ListRoomsPayload{}),
		} {
			c.TakeRefusal(id, shared.CodeUnavailable)
		}
		c.Barrier() // and the connection lives
	})
}
