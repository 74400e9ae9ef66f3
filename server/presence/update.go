package presence

import (
	"hash/fnv"
	"time"

	"websockets/shared"
)

const (
	// fullSyncInterval is how often a server sends all of its users in a room. Any update
	// may be lost, so the others need it.
	fullSyncInterval = 10 * time.Second
	// remoteTimeout is the silence after which the users of a server are removed. Two
	// full syncs may be lost.
	remoteTimeout = 2*fullSyncInterval + fullSyncInterval/2
	// maxUsersPerUpdate keeps an Update below the 1 MiB of a NATS message: the longest id
	// and name take some 280 bytes.
	maxUsersPerUpdate = 3500
)

// Update is what one server tells the others about its users in a room. Servers of other
// versions read its JSON: keys may be added, and none may change.
type Update struct {
	// Server is the id of the server that sends. It is a new one after each start.
	Server string `json:"server"`
	// Came are users who are on that server, and Went are users who no longer are.
	Came []shared.Member `json:"came,omitempty"`
	Went []string        `json:"went,omitempty"`
	// All means that Came names every user on that server.
	All bool `json:"all,omitempty"`
	// Away are users who were on that server when it closed the room. They may be on
	// their way to another one, so they count as present until their grace ends.
	Away []string `json:"away,omitempty"`
	// Asks requests a full update from every other server.
	Asks bool `json:"asks,omitempty"`
}

// IsEmpty reports whether there is nothing to send.
func (u Update) IsEmpty() bool {
	return len(u.Came) == 0 && len(u.Went) == 0 && len(u.Away) == 0 && !u.All && !u.Asks
}

// bounded returns the update with at most maxUsersPerUpdate users of each kind. Later
// full syncs tell the rest: the order of users is random.
func (u Update) bounded() Update {
	if len(u.Came) > maxUsersPerUpdate {
		u.Came, u.All = u.Came[:maxUsersPerUpdate], false
	}
	u.Went = u.Went[:min(len(u.Went), maxUsersPerUpdate)]
	u.Away = u.Away[:min(len(u.Away), maxUsersPerUpdate)]
	return u
}

// FullUpdate returns an update with every user on this server.
func (s *Set) FullUpdate() Update {
	update := Update{All: true}
	for user, u := range s.users {
		if u.isLocal() {
			update.Came = append(update.Came, shared.Member{User: user, Name: u.name})
		}
	}
	return update.bounded()
}

// FinalUpdate returns the update of a server that closes the room: no user is there any
// more, and those who were may connect to another server.
func (s *Set) FinalUpdate() Update {
	update := Update{All: true}
	for user, u := range s.users {
		if u.isLocal() {
			update.Away = append(update.Away, user)
		}
	}
	return update.bounded()
}

// FullSyncDue reports whether it is time for a FullUpdate. Call it about once a second:
// it returns true once in a fullSyncInterval, at a time that depends on the room's name,
// so that rooms are not due all at once.
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

// fullSyncOffset returns a duration from 0 to fullSyncInterval.
func fullSyncOffset(room string) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(room)) // never fails
	return time.Duration(h.Sum64() % uint64(fullSyncInterval))
}
