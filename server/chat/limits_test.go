package chat

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/servertest"
	"websockets/shared"
)

// TestConnectionsOfAnAddress: one too many is refused before the upgrade, with when
// to come again; when one has gone, another comes in.
func TestConnectionsOfAnAddress(t *testing.T) {
	t.Parallel()
	s := serve(t, func(with *setup) { with.config.MaxConnsPerAddress = 3 })
	one := s.join("x")
	s.join("x")
	s.join("x")
	if header := s.dialRefused("the fourth connection", http.StatusTooManyRequests, nil); header.Get("Retry-After") == "" {
		t.Error("the fourth connection: got no Retry-After, want one")
	}
	one.Leave()
	servertest.Eventually(t, "a place for another connection", func() bool {
		conn, err := servertest.Upgrade(s.address(), servertest.DialOptions{})
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// TestConnectionsOpenedAtOnce: those that are still being opened count, and so do
// those that have not authenticated yet.
func TestConnectionsOpenedAtOnce(t *testing.T) {
	t.Parallel()
	const most = 3
	for name, with := range map[string]func(*setup){"guests": func(*setup) {}, "users": withTokens(t)} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, with, func(with *setup) { with.config.MaxConnsPerAddress = most })
			var in, out atomic.Int64
			var all sync.WaitGroup
			for range 10 * most {
				all.Go(func() {
					conn, response, err := websocket.DefaultDialer.Dial(s.address(), nil)
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
	}
}

// TestConnectionsOfAUser: a user has maxUserConns, on all devices together.
func TestConnectionsOfAUser(t *testing.T) {
	t.Parallel()
	s := serve(t, func(with *setup) { with.config.MaxConnsPerAddress = 1000 })
	first := s.join("x")
	for range maxUserConns - 1 {
		s.dial(servertest.DialOptions{Room: "x", Session: first.Welcome.Session})
	}
	refused := s.upgrade(servertest.DialOptions{Room: "x", Session: first.Welcome.Session})
	refused.AwaitClose(shared.CloseTryLater)
	refused.None("an event on one connection too many", func(shared.Event) bool { return true })
	s.join("x") // somebody else
	first.Barrier()
}

// TestTheRateOfAUser: all connections of a user share one rate. It is so low that no
// machine is too slow to exceed it, and each connection alone keeps to it.
func TestTheRateOfAUser(t *testing.T) {
	t.Parallel()
	s := serve(t, func(with *setup) { with.config.Rate = 0.1 })
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
	if refused == 0 || refused == len(conns) {
		t.Errorf("refused: got %d of %d events of one user, one on each connection, want some", refused, len(conns))
	}
}

// TestNewRoomsAreLimited: writing to rooms that nobody has written to is, for an
// address; writing to those that are there is not.
func TestNewRoomsAreLimited(t *testing.T) {
	t.Parallel()
	s := serve(t, func(with *setup) { with.config.Rate = 1000 })
	s.put("there", "before")
	c := s.join("there")
	created, refused, begun := 0, 0, time.Now()
	for i := range newRoomsBurst + 5 {
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
	most := newRoomsBurst + int(time.Since(begun).Seconds()*newRooms)
	if created < newRoomsBurst || created > most {
		t.Errorf("new rooms: got %d made and %d refused, want %d to %d made", created, refused, newRoomsBurst, most)
	}
	servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.ChangeRoom, shared.JoinPayload{Name: "there"}))
	c.Say("here I may")
}

// TestANewRoomIsOne: however many messages come before its first is in the log.
func TestANewRoomIsOne(t *testing.T) {
	t.Parallel()
	s := serve(t, func(with *setup) { with.config.Rate = 1000 })
	c := s.join("new")
	for i := range 2 * newRoomsBurst {
		servertest.Send(c, shared.SendMessage, shared.SendMessagePayload{Message: fmt.Sprint("message ", i)})
	}
	for i, m := range c.TakeMessages(2 * newRoomsBurst) {
		if want := fmt.Sprint("message ", i); m.Message != want {
			t.Fatalf("%q where %q was to come", m.Message, want)
		}
	}
	c.None("a refusal", func(e shared.Event) bool { return e.Type == shared.Failed.Name() })
}

// TestARefusedRoomKeepsOrder: what was sent behind a message that was refused for
// a new room does not get in before it when somebody else begins the room.
func TestARefusedRoomKeepsOrder(t *testing.T) {
	t.Parallel()
	s := serve(t, func(with *setup) { with.config.Rate = 1000 })
	c := s.join("there")
	s.clientOf(c).address.rooms.AllowN(time.Now(), newRoomsBurst) // it has used up its share
	for i := 0; ; i++ {
		room := fmt.Sprint("new-", i)
		servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.ChangeRoom, shared.JoinPayload{Name: room}))
		begun := time.Now()
		first := servertest.Send(c, shared.SendMessage, shared.SendMessagePayload{Message: "first"})
		if e := c.Take("an answer", func(e shared.Event) bool { return e.ID == first }); e.Type == shared.Ack.Name() {
			continue
		}
		s.put(room, "somebody else's")
		c.Take("what somebody else wrote", func(e shared.Event) bool {
			return e.Type == shared.NewMessage.Name() && servertest.Payload(c, shared.NewMessage, e).Message == "somebody else's"
		})
		id := servertest.Send(c, shared.SendMessage, shared.SendMessagePayload{Message: "second"})
		second := c.Take("an answer", func(e shared.Event) bool { return e.ID == id })
		if time.Since(begun) >= retryAfter {
			continue // it may have come too late
		}
		if refusal := servertest.Payload(c, shared.Failed, second); refusal.Code != shared.CodeRateLimited {
			t.Errorf("refusal: got %+v, want %s", refusal, shared.CodeRateLimited)
		}
		return
	}
}

func TestTooManyPings(t *testing.T) {
	t.Parallel()
	s := serve(t, func(with *setup) { with.config.Rate = 10 })
	c, other := s.join("x"), s.join("x")
	for range 3 * maxPings {
		if err := c.WS.WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(servertest.Patience)); err != nil {
			break
		}
	}
	c.AwaitClose(shared.ClosePolicy)
	other.Say("still here")
}

// TestSharesAreForgotten: what an address or user has used up is kept for a while
// and not longer, and so many at the most.
func TestSharesAreForgotten(t *testing.T) {
	s := newShares(Config{Rate: 1, MaxConnsPerAddress: 2})
	here := netip.MustParsePrefix("192.0.2.1/32")
	address, _, why := s.dialled(here, 1)
	if why != "" {
		t.Fatalf("dialled: got %q, want a place", why)
	}
	user := s.enter("ann", 1)
	s.forget(1 + 10*shareKept)
	if len(s.addresses) != 1 || len(s.users) != 1 {
		t.Errorf("shares with connections: got %d and %d, want 1 and 1", len(s.addresses), len(s.users))
	}
	s.leave(2000, address, user)
	s.forget(2000 + shareKept)
	if len(s.addresses) != 1 || len(s.users) != 1 {
		t.Errorf("shares just left: got %d and %d, want 1 and 1", len(s.addresses), len(s.users))
	}
	s.forget(2001 + shareKept)
	if len(s.addresses) != 0 || len(s.users) != 0 {
		t.Errorf("shares left long ago: got %d and %d, want none", len(s.addresses), len(s.users))
	}
	for i := range maxShares {
		s.addresses[netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)] = &share{}
	}
	if _, wait, why := s.dialled(here, 1); why == "" || wait <= 0 {
		t.Errorf("one address more than %d: got %q and a wait of %v, want a reason and a wait", maxShares, why, wait)
	}
}

func TestAddressOf(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:99":              "192.0.2.1/32",
		"[::ffff:192.0.2.1]:99":     "192.0.2.1/32",
		"[2001:db8:1:2:3:4:5:6]:99": "2001:db8:1:2::/64",
		"[2001:db8:1:2:9:9:9:9]:1":  "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1":          "fe80::/64",
		"@":                         netip.Prefix{}.String(),
	} {
		r := httptest.NewRequest("GET", "/ws", nil)
		r.RemoteAddr = remote
		if got := addressOf(r).String(); got != want {
			t.Errorf("%s is %s, want %s", remote, got, want)
		}
	}
}
