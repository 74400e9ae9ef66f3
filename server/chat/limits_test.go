package chat

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/quota"
	"websockets/server/servertest"
	"websockets/shared"
)

// One too many is refused before the upgrade, with a Retry-After. When one has ended,
// another is accepted.
func TestConnectionsPerAddressAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, func(with *setup) { with.config.MaxConnsPerAddress = 3 })
		one := s.join("x")
		s.join("x")
		s.join("x")
		if header := s.dialRefused("the fourth connection", http.StatusTooManyRequests, nil); header.Get("Retry-After") == "" {
			t.Error("the fourth connection: got no Retry-After, want one")
		}
		one.Leave()
		synctest.Wait() // until it is counted out
		s.join("x")
	})
}

// Connections count while they are being opened, and before they have authenticated.
func TestConnectionsBeingOpenedCount(t *testing.T) {
	t.Parallel()
	const most = 3
	for _, who := range []string{"guests", "users"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				change := []func(*setup){func(with *setup) { with.config.MaxConnsPerAddress = most }}
				if who == "users" {
					change = append(change, withTokens(t))
				}
				s := serveInBubble(t, change...)
				var in, out atomic.Int64
				var all sync.WaitGroup
				for range 10 * most {
					all.Go(func() {
						conn, response, err := s.handshake(nil)
						switch {
						case err == nil:
							in.Add(1)
							t.Cleanup(func() { _ = conn.Close() })
						case response != nil && response.StatusCode == http.StatusTooManyRequests:
							out.Add(1)
						}
					})
				}
				all.Wait()
				if in.Load() != most || out.Load() != 9*most {
					t.Errorf("connections: got %d in and %d refused, want %d and %d", in.Load(), out.Load(), most, 9*most)
				}
			})
		})
	}
}

// What PROTOCOL.md says of many events at once: 30 are handled at once, 20 wait, 84 are
// refused, and the next ends the connection.
func TestManyEventsAtOnce(t *testing.T) {
	t.Parallel()
	for sent, stays := range map[int]bool{100: true, 134: true, 135: false} {
		t.Run(fmt.Sprint(sent), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serveInBubble(t, func(with *setup) { with.config.Rate = 10 })
				c := s.join("x")
				time.Sleep(10 * time.Second) // at rest
				var sending sync.WaitGroup
				sending.Go(func() {
					for i := range sent {
						_ = c.Write(shared.SendMessage.Frame(fmt.Sprint("m", i), shared.SendMessagePayload{Message: "hi"}))
					}
				})
				if !stays {
					c.AwaitClose(shared.ClosePolicy)
					return
				}
				refused := 0
				for i := range sent {
					id := fmt.Sprint("m", i)
					answer := c.Take("the answer to "+id, func(e shared.Event) bool { return e.ID == id })
					if answer.Type == shared.Failed.Name() {
						refused++
					}
				}
				if want := sent - 50; refused != want {
					t.Errorf("refused: got %d, want %d", refused, want)
				}
				sending.Wait()
				time.Sleep(quota.RefusalPeriod)
				c.Barrier()
			})
		})
	}
}

// A user may have quota.MaxUserConns, on all devices together.
func TestConnectionsPerUserAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, func(with *setup) { with.config.MaxConnsPerAddress = 1000 })
		first := s.join("x")
		for range quota.MaxUserConns - 1 {
			s.dial(servertest.DialOptions{Room: "x", Session: first.Welcome.Session})
		}
		refused := s.upgrade(servertest.DialOptions{Room: "x", Session: first.Welcome.Session})
		refused.AwaitClose(shared.CloseTryLater)
		refused.None("an event on one connection too many", func(shared.Event) bool { return true })
		s.join("x") // somebody else
		first.Barrier()
	})
}

// All connections of a user share one rate, even if each of them stays within its own.
func TestConnectionsOfAUserShareOneRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, func(with *setup) { with.config.Rate = 0.1 })
		conns := []*servertest.Conn{s.join("x")}
		for range 9 {
			conns = append(conns, s.join("x", conns[0].Welcome.Session))
		}
		other := s.join("x")
		for _, c := range conns {
			write(c, shared.Ping.Frame("one", shared.Empty{}))
		}
		other.Say("others are not held up")
		refused := 0
		for _, c := range conns {
			e := c.Take("an answer", func(e shared.Event) bool { return e.ID == "one" })
			if e.Type == shared.Pong.Name() {
				continue
			}
			refused++
			if refusal := servertest.Payload(c, shared.Failed, e); refusal.Code != shared.CodeRateLimited {
				t.Fatalf("refusal: got %+v, want %s", refusal, shared.CodeRateLimited)
			}
		}
		if refused != len(conns)-1 {
			t.Errorf("refused: got %d of %d events of one user, one on each connection, want all but one", refused, len(conns))
		}
	})
}

// An address may write to a limited number of rooms that have no messages. Rooms that
// have some are not limited.
func TestNewRoomsAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, func(with *setup) { with.config.Rate = 1000 })
		s.put("there", "before")
		c := s.join("there")
		created, refused := 0, 0
		for i := range quota.NewRoomsBurst + 5 {
			servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.ChangeRoom, shared.JoinPayload{Name: fmt.Sprint("new-", i)}))
			id := servertest.Send(c, shared.SendMessage, shared.SendMessagePayload{Message: "the first"})
			switch e := c.Take("an answer", func(e shared.Event) bool { return e.ID == id }); e.Type {
			case shared.Ack.Name():
				created++
				c.Say("the second")
			default:
				refused++
				if refusal := servertest.Payload(c, shared.Failed, e); refusal.Code != shared.CodeRateLimited || refusal.RetryAfter <= 0 {
					t.Errorf("refusal: got %+v, want %s with a retry_after", refusal, shared.CodeRateLimited)
				}
			}
		}
		if created != quota.NewRoomsBurst || refused != 5 {
			t.Errorf("new rooms: got %d made and %d refused, want %d and 5", created, refused, quota.NewRoomsBurst)
		}
		servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.ChangeRoom, shared.JoinPayload{Name: "there"}))
		c.Say("here I may")
	})
}

// A room counts once, however many messages come before its first is stored.
func TestNewRoomCountsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, func(with *setup) { with.config.Rate = 1000 })
		c := s.join("new")
		for i := range 2 * quota.NewRoomsBurst {
			servertest.Send(c, shared.SendMessage, shared.SendMessagePayload{Message: fmt.Sprint("message ", i)})
		}
		for i, m := range c.TakeMessages(2 * quota.NewRoomsBurst) {
			if want := fmt.Sprint("message ", i); m.Message != want {
				t.Fatalf("%q where %q was to come", m.Message, want)
			}
		}
		c.None("a refusal", func(e shared.Event) bool { return e.Type == shared.Failed.Name() })
	})
}

// Messages that were sent after a refused first message do not overtake it when somebody
// else starts the room.
func TestRefusedFirstMessageKeepsOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, func(with *setup) { with.config.Rate = 1000 })
		c := s.join("there")
		for range quota.NewRoomsBurst { // it has used up its quota
			s.clientOf(c).addrQuota.AllowNewRoom(time.Now())
		}
		servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.ChangeRoom, shared.JoinPayload{Name: "new"}))
		send := func(text string) (id string) {
			return servertest.Send(c, shared.SendMessage, shared.SendMessagePayload{Message: text})
		}
		c.TakeRefusal(send("first"), shared.CodeRateLimited)
		s.put("new", "somebody else's")
		if got := c.TakeMessages(1)[0].Message; got != "somebody else's" {
			t.Errorf("message: got %q, want somebody else's", got)
		}
		time.Sleep(retryAfter - 1)
		c.TakeRefusal(send("second"), shared.CodeRateLimited)
		time.Sleep(time.Nanosecond)
		servertest.TakeAnswer(c, shared.Ack, send("first, again"))
	})
}

func TestTooManyPingsCloseConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, func(with *setup) { with.config.Rate = 10 })
		c, other := s.join("x"), s.join("x")
		for range 3 * quota.MaxPings {
			if err := c.WS.WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(servertest.Patience)); err != nil {
				break
			}
		}
		c.AwaitClose(shared.ClosePolicy)
		other.Say("still here")
	})
}
