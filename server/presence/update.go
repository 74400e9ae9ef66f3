package presence

import (
	"hash/fnv"
	"time"

	"websockets/shared"
)

const (
	// fullSyncInterval is how often a server tells all of its users in a room. What
	// it tells between may be lost.
	fullSyncInterval = 10 * time.Second
	// remoteTimeout is how long a server is believed that is not heard: two of its
	// full syncs may be lost.
	remoteTimeout = 2*fullSyncInterval + fullSyncInterval/2
	// maxUsersPerUpdate keeps an Update below the 1 MiB that a message may have in
	// NATS: the longest id and name take some 280 bytes.
	maxUsersPerUpdate = 3500
)

// Update is what one server tells the others that have members in a room. Its JSON
// is read by servers of other versions: keys may be added, and none may change.
type Update struct {
	// Server is the server that tells, by an id that is new with each of its starts.
	Server string `json:"server"`
	// Came are users who are on that server, and Went users who are no longer.
	Came []shared.Member `json:"came,omitempty"`
	Went []string        `json:"went,omitempty"`
	// All says that Came is everybody on that server.
	All bool `json:"all,omitempty"`
	// Away are users whom that server has lost, and who may be on their way to
	// another one: it closes the room, so it cannot tell later that they are gone.
	Away []string `json:"away,omitempty"`
	// Asks asks the other servers for everybody on theirs.
	Asks bool `json:"asks,omitempty"`
}

// IsEmpty reports whether the update tells nothing.
func (u Update) IsEmpty() bool {
	return len(u.Came) == 0 && len(u.Went) == 0 && len(u.Away) == 0 && !u.All && !u.Asks
}

// bounded returns the update with at most maxUsersPerUpdate users of each kind. The
// rest is told by later full syncs, which name others.
func (u Update) bounded() Update {
	if len(u.Came) > maxUsersPerUpdate {
		u.Came, u.All = u.Came[:maxUsersPerUpdate], false
	}
	u.Went = u.Went[:min(len(u.Went), maxUsersPerUpdate)]
	u.Away = u.Away[:min(len(u.Away), maxUsersPerUpdate)]
	return u
}

// FullUpdate returns the update that tells everybody on this server.
func (s *Set) FullUpdate() Update {
	update := Update{All: true}
	for user, u := range s.users {
		if u.isLocal() {
			update.Came = append(update.Came, shared.Member{User: user, Name: u.name})
		}
	}
	return update.bounded()
}

// FinalUpdate returns the update of a server that closes the room: nobody is there
// any more, and who was may turn up on another server.
func (s *Set) FinalUpdate() Update {
	update := Update{All: true}
	for user, u := range s.users {
		if u.isLocal() {
			update.Away = append(update.Away, user)
		}
	}
	return update.bounded()
}

// FullSyncDue reports whether it is time to tell everybody on this server. Ask it
// about once a second; it is true once in a fullSyncInterval, at a time that depends
// on the room's name, so that not all rooms are due together.
func (s *Set) FullSyncDue(room string, now time.Time) bool {
	if s.nextFullSync.IsZero() {
		s.nextFullSync = now.Add(fullSyncOffset(room))
	}
	if now.Before(s.nextFullSync) {
		return false
	}
	s.nextFullSync = now.Add(fullSyncInterval)
	return true
}

// fullSyncOffset returns a time from 0 to fullSyncInterval.
func fullSyncOffset(room string) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(room)) // never fails
	return time.Duration(h.Sum64() % uint64(fullSyncInterval))
}
