package presence

import (
	"time"

	"websockets/shared"
)

// grace is how long a user whose last connection broke still counts as present. If they
// come back in time, nobody is told that they leave and join.
const grace = 3 * time.Second

// Set is the users in one room. The zero value is an empty room. A Set is not safe for
// concurrent use; the room's lock guards it.
type Set struct {
	users        map[string]*userPresence
	lastHeard    map[string]time.Time // by remote server
	nextFullSync time.Time            // zero until FullSyncDue is first asked

	forMembers changes // since the last TakeChanges
	forServers changes // since the last TakeUpdate; local users only
}

// userPresence is where a user is.
type userPresence struct {
	name        string
	connections int                 // on this server
	localGrace  time.Time           // end of the grace after the last of them broke; zero if there is none
	servers     map[string]struct{} // the remote servers that the user is on
	remoteGrace time.Time           // end of the grace after a remote server lost the user; zero if there is none
}

func (u *userPresence) isLocal() bool { return u.connections > 0 || !u.localGrace.IsZero() }

func (u *userPresence) isPresent() bool {
	return u.isLocal() || len(u.servers) > 0 || !u.remoteGrace.IsZero()
}

// Count returns how many users are in the room.
func (s *Set) Count() int { return len(s.users) }

// List returns users, at most shared.MaxListedMembers.
func (s *Set) List() []shared.Member {
	listed := make([]shared.Member, 0, min(len(s.users), shared.MaxListedMembers))
	for user, u := range s.users {
		if len(listed) == shared.MaxListedMembers {
			break
		}
		listed = append(listed, shared.Member{User: user, Name: u.name})
	}
	return listed
}

// Join adds a connection of a user, who has this name now.
func (s *Set) Join(user, name string) {
	s.noteLocal(user)
	u := s.upsert(user, name)
	u.connections++
	u.localGrace, u.remoteGrace = time.Time{}, time.Time{}
}

// Leave removes a connection that has left the room. Each Leave or Lose needs a Join
// before it.
func (s *Set) Leave(user string) {
	u := s.users[user]
	s.noteLocal(user)
	u.connections--
	s.removeIfAbsent(user, u)
}

// Lose removes a connection that broke. If it was the user's last one here, they count
// as present until the grace ends.
func (s *Set) Lose(user string, now time.Time) {
	u := s.users[user]
	u.connections--
	if u.connections == 0 {
		u.localGrace = now.Add(grace)
	}
}

// Rename changes the name of a user, if they are in the room.
func (s *Set) Rename(user, name string) {
	if s.users[user] == nil {
		return
	}
	s.noteLocal(user)
	s.upsert(user, name)
}

// Apply merges the update of a remote server.
func (s *Set) Apply(u Update, now time.Time) {
	if s.lastHeard == nil {
		s.lastHeard = map[string]time.Time{}
	}
	s.lastHeard[u.Server] = now
	for _, user := range u.Away {
		s.loseRemote(user, u.Server, now)
	}
	if u.All {
		s.keepRemote(u.Server, u.Came)
	}
	for _, user := range u.Went {
		s.removeRemote(user, u.Server)
	}
	for _, m := range u.Came {
		s.addRemote(m, u.Server)
	}
}

// Expire removes users whose grace has ended, and the users of servers that have sent
// nothing for remoteTimeout. Call it about once a second.
func (s *Set) Expire(now time.Time) {
	for user, u := range s.users {
		if isOver(u.localGrace, now) {
			s.noteLocal(user)
			u.localGrace = time.Time{}
		}
		if isOver(u.remoteGrace, now) {
			u.remoteGrace = time.Time{}
		}
		s.removeIfAbsent(user, u)
	}
	for server, heard := range s.lastHeard {
		if now.Sub(heard) > remoteTimeout {
			s.keepRemote(server, nil)
			delete(s.lastHeard, server)
		}
	}
}

// isOver reports whether there was a grace and it has ended.
func isOver(end, now time.Time) bool { return !end.IsZero() && !now.Before(end) }

// upsert returns the user's entry, with this name.
func (s *Set) upsert(user, name string) *userPresence {
	u := s.users[user]
	if u != nil && u.name == name {
		return u
	}
	s.noteChange(user)
	if u == nil {
		if s.users == nil {
			s.users = map[string]*userPresence{}
		}
		u = &userPresence{}
		s.users[user] = u
	}
	u.name = name
	return u
}

// removeIfAbsent forgets a user who is on no server.
func (s *Set) removeIfAbsent(user string, u *userPresence) {
	if !u.isPresent() {
		s.noteChange(user)
		delete(s.users, user)
	}
}

func (s *Set) addRemote(m shared.Member, server string) {
	u := s.upsert(m.User, m.Name)
	if u.servers == nil {
		u.servers = map[string]struct{}{}
	}
	u.servers[server] = struct{}{}
}

func (s *Set) removeRemote(user, server string) {
	u := s.users[user]
	if u == nil {
		return
	}
	delete(u.servers, server)
	s.removeIfAbsent(user, u)
}

// loseRemote removes a server that has lost the user, who may be on their way to another
// one.
func (s *Set) loseRemote(user, server string, now time.Time) {
	u := s.users[user]
	if u == nil {
		return
	}
	if _, there := u.servers[server]; there {
		delete(u.servers, server)
		u.remoteGrace = now.Add(grace)
	}
}

// keepRemote removes a server from all users except those who are still there.
func (s *Set) keepRemote(server string, still []shared.Member) {
	stays := make(map[string]bool, len(still))
	for _, m := range still {
		stays[m.User] = true
	}
	for user, u := range s.users {
		if _, there := u.servers[server]; there && !stays[user] {
			s.removeRemote(user, server)
		}
	}
}
