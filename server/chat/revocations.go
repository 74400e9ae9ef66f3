package chat

import (
	"sync"
	"time"

	"websockets/server/auth"
)

// revocationMemory is how long a revocation is remembered: longer than it takes a
// connection from the verification of its session to its registration as a client.
const revocationMemory = time.Minute

// recentRevocations remembers whose sessions were revoked a moment ago. A connection
// whose session was verified just before may not be a client yet when the clients of
// its user are closed. Methods may be called from any goroutine. The zero value is
// ready for use.
type recentRevocations struct {
	mu     sync.Mutex // guards what follows
	byUser map[string]revocation
}

// revocation is the last one of a user's sessions.
type revocation struct {
	upTo  time.Time // sessions that were issued until then are revoked
	added time.Time
}

func (r *recentRevocations) add(user string, upTo, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byUser == nil {
		r.byUser = map[string]revocation{}
	}
	if upTo.After(r.byUser[user].upTo) {
		r.byUser[user] = revocation{upTo: upTo, added: now}
	}
}

// include reports whether a session was revoked a moment ago.
func (r *recentRevocations) include(session *auth.Session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, found := r.byUser[session.User]
	return found && session.IsRevoked(last.upTo)
}

// expire forgets revocations that are older than revocationMemory.
func (r *recentRevocations) expire(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for user, last := range r.byUser {
		if now.Sub(last.added) > revocationMemory {
			delete(r.byUser, user)
		}
	}
}
