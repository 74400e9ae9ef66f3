package chat

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"websockets/shared"
)

const (
	// maxUserConns is how many connections one user may have.
	maxUserConns = 32
	// userShare and addressShare are how many times the rate of one connection all
	// those of a user, and of an address, may have together: many people share an
	// address.
	userShare    = 3
	addressShare = 20
	// dials is how many connections an address may open in a second, dialBurst at
	// once: as many as it may have, after a restart of the server.
	dials = 20
	// newRooms is how often an address may write to rooms that had no message before,
	// newRoomsBurst at once.
	newRooms      = 1.0 / 6
	newRoomsBurst = 20
	// shareKept is how long, in ticks, what an address or user has used up is
	// remembered after the last connection.
	shareKept = 60
	// maxShares is how many addresses and users are remembered; beyond it nobody new
	// comes in until some are forgotten.
	maxShares = 200_000
)

// shares are what those of one address, and of one user, may use up together.
type shares struct {
	config Config

	mu        sync.Mutex
	addresses map[netip.Prefix]*share
	users     map[string]*share
}

// share is guarded by shares.mu but for its limiters.
type share struct {
	conns int
	used  int64 // tick of the last connection that came or went
	// events, dials and rooms are nil without a limit.
	events, dials, rooms *rate.Limiter
}

func newShares(config Config) *shares {
	return &shares{config: config, addresses: map[netip.Prefix]*share{}, users: map[string]*share{}}
}

// dialled counts a connection in, from when it is asked for: those that are still
// being opened are an address's too. If it is one too many, dialled returns how long
// to wait before the next, with why.
func (s *shares) dialled(from netip.Prefix, now int64) (address *share, wait time.Duration, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.addressOf(from)
	if a == nil {
		return nil, time.Minute, "the server has too many callers just now"
	}
	a.used = now
	if a.dials != nil && !a.dials.Allow() {
		return nil, time.Second, "too many connections were opened from your address: wait a moment"
	}
	if most := s.config.MaxConnsPerAddress; most > 0 && a.conns >= most {
		return nil, 10 * time.Second, "there are too many connections from your address"
	}
	a.conns++
	return a, 0, ""
}

// addressOf returns an address's share, nil if there are too many. s.mu is held.
func (s *shares) addressOf(from netip.Prefix) *share {
	a := s.addresses[from]
	if a != nil || len(s.addresses) >= maxShares {
		return a
	}
	a = &share{events: s.limiter(addressShare)}
	if most := s.config.MaxConnsPerAddress; most > 0 {
		a.dials = rate.NewLimiter(dials, max(dials, most))
	}
	if s.config.Rate > 0 {
		a.rooms = rate.NewLimiter(newRooms, newRoomsBurst)
	}
	s.addresses[from] = a
	return a
}

func (s *shares) limiter(times float64) *rate.Limiter {
	if s.config.Rate <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(times*s.config.Rate), max(1, int(burst*times*s.config.Rate)))
}

// enter counts a connection of a user in, and returns the share it uses, or nil if
// it is one too many.
func (s *shares) enter(user string, now int64) *share {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.users[user]
	if of == nil {
		if len(s.users) >= maxShares {
			return nil
		}
		of = &share{events: s.limiter(userShare)}
		s.users[user] = of
	}
	if of.conns >= maxUserConns && s.config.MaxConnsPerAddress > 0 {
		return nil
	}
	of.conns++
	of.used = now
	return of
}

// leave counts a connection out.
func (s *shares) leave(now int64, from ...*share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range from {
		one.conns--
		one.used = now
	}
}

// forget drops what nobody uses any more.
func (s *shares) forget(now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for from, one := range s.addresses {
		if one.conns == 0 && now-one.used > shareKept {
			delete(s.addresses, from)
		}
	}
	for user, one := range s.users {
		if one.conns == 0 && now-one.used > shareKept {
			delete(s.users, user)
		}
	}
}

// addressOf is where a request comes from, as far as limits are concerned: an IPv4
// address, or the network of an IPv6 one, which is one customer's.
func addressOf(r *http.Request) netip.Prefix {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{} // all of these are one
	}
	address = address.Unmap().WithZone("")
	bits := 32
	if address.Is6() {
		bits = 64
	}
	prefix, _ := address.Prefix(bits) // of an address of this kind
	return prefix
}

// mayCreate refuses a message to a room that has none, if there were too many of
// those. What the client has sent behind it is refused too, whoever may have begun
// the room meanwhile: he sends them again in order.
func (c *Client) mayCreate(m *member) error {
	switch {
	case c.address.rooms == nil:
		return nil
	case time.Now().Before(m.refuses):
	case m.room.mayBegin(c.address.rooms.Allow):
		return nil
	default:
		m.refuses = time.Now().Add(retryAfter)
	}
	refused := shared.Errorf(shared.CodeRateLimited, "too many new rooms: write in one that is there, or wait a moment")
	refused.RetryAfter = 1 / newRooms
	return refused
}
