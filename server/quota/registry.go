package quota

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// MaxUserConns is how many connections one user may have.
	MaxUserConns = 32
	// NewRoomsPerSecond is how many rooms an address may write the first message of in a
	// second, and NewRoomsBurst how many at once.
	NewRoomsPerSecond = 1.0 / 6
	NewRoomsBurst     = 20

	// userRate and addressRate are the rates of all connections of a user, and of an
	// address, in multiples of the rate of one connection. Many people share an address.
	userRate    = 3
	addressRate = 20
	// dialsPerSecond is how many connections an address may open in a second. All that it
	// may have it may open at once, as clients do after a restart of the server.
	dialsPerSecond = 20
	// retention is how long a quota is kept after its last connection has ended.
	retention = time.Minute
	// maxQuotas bounds the addresses, and the users, that have a quota. At the bound, new
	// ones are refused until a quota expires.
	maxQuotas = 200_000
)

// Limits configures a Registry.
type Limits struct {
	// Rate is how many events a connection may send in a second; 0 means no limit.
	Rate float64
	// ConnsPerAddress is how many connections an address may have; 0 means no limit, and
	// none for users either.
	ConnsPerAddress int
}

// Registry keeps the quotas of addresses and users. It is safe for concurrent use.
type Registry struct {
	limits Limits

	mu        sync.Mutex
	addresses map[netip.Prefix]*Quota
	users     map[string]*Quota
}

// Quota is what one address or one user uses. Its methods are safe for concurrent use.
type Quota struct {
	// Guarded by Registry.mu.
	conns    int
	lastUsed time.Time // when a connection was last acquired or released

	// Safe for concurrent use; nil without a limit.
	events, dials, rooms *rate.Limiter
}

// NewRegistry returns a registry without quotas.
func NewRegistry(limits Limits) *Registry {
	return &Registry{limits: limits, addresses: map[netip.Prefix]*Quota{}, users: map[string]*Quota{}}
}

// AcquireAddress counts a connection from an address. Call it when the request arrives: a
// connection that is still being opened counts too. The error is a *Refusal. A quota that
// was acquired must be released.
func (r *Registry) AcquireAddress(from netip.Prefix, now time.Time) (*Quota, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.addresses[from]
	if q == nil {
		if len(r.addresses) >= maxQuotas {
			return nil, ErrFull
		}
		q = r.newAddress()
		r.addresses[from] = q
	}
	q.lastUsed = now
	if q.dials != nil && !q.dials.AllowN(now, 1) {
		return nil, &Refusal{"too many connections were opened from your address: wait a moment", time.Second}
	}
	if limit := r.limits.ConnsPerAddress; limit > 0 && q.conns >= limit {
		return nil, &Refusal{"there are too many connections from your address", 10 * time.Second}
	}
	q.conns++
	return q, nil
}

func (r *Registry) newAddress() *Quota {
	q := &Quota{events: r.newLimiter(addressRate)}
	if limit := r.limits.ConnsPerAddress; limit > 0 {
		q.dials = rate.NewLimiter(dialsPerSecond, max(dialsPerSecond, limit))
	}
	if r.limits.Rate > 0 {
		q.rooms = rate.NewLimiter(NewRoomsPerSecond, NewRoomsBurst)
	}
	return q
}

// newLimiter returns a limiter of this many times the rate of one connection, nil
// without a limit.
func (r *Registry) newLimiter(times float64) *rate.Limiter {
	perSecond := times * r.limits.Rate
	if perSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), max(1, int(Burst*perSecond)))
}

// AcquireUser counts a connection of a user. The error is a *Refusal.
func (r *Registry) AcquireUser(user string, now time.Time) (*Quota, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.users[user]
	if q == nil {
		if len(r.users) >= maxQuotas {
			return nil, ErrFull
		}
		q = &Quota{events: r.newLimiter(userRate)}
		r.users[user] = q
	}
	if q.conns >= MaxUserConns && r.limits.ConnsPerAddress > 0 {
		return nil, &Refusal{"you have too many tabs or other connections open", 10 * time.Second}
	}
	q.conns++
	q.lastUsed = now
	return q, nil
}

// Release stops counting a connection in each of these quotas.
func (r *Registry) Release(now time.Time, quotas ...*Quota) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, q := range quotas {
		q.conns--
		q.lastUsed = now
	}
}

// Expire removes quotas that have had no connection for longer than retention. It looks
// at every quota: call it about once a minute.
func (r *Registry) Expire(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for from, q := range r.addresses {
		if q.isExpired(now) {
			delete(r.addresses, from)
		}
	}
	for user, q := range r.users {
		if q.isExpired(now) {
			delete(r.users, user)
		}
	}
}

func (q *Quota) isExpired(now time.Time) bool {
	return q.conns == 0 && now.Sub(q.lastUsed) > retention
}

// AllowNewRoom reports whether one more room may get its first message, and counts it if
// so.
func (q *Quota) AllowNewRoom(now time.Time) bool {
	return q.rooms == nil || q.rooms.AllowN(now, 1)
}
