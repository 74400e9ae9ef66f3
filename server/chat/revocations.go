package chat

import (
	"sync"
	"time"

	"websockets/server/auth"
)

// revocationMemory is how long a revocation is remembered. It is longer than the time
// between verifying a connection's session and registering the client.
const revocationMemory = time.Minute

// recentRevocations remembers which sessions were revoked in the last minute. A
// connection whose session was verified just before the revocation is not among the
// user's clients yet when they are closed. Methods may be called from any goroutine. The
// zero value is ready for use.
type recentRevocations struct {
	mu     sync.Mutex // guards what follows
	byUser map[string]revocation
}

// revocation is the last revocation of a user's sessions.
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

// include reports whether a session is one of those revoked.
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
