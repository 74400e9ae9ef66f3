package presence

import "websockets/shared"

// changes holds the users who have changed since an audience was last told, each
// with the name that the audience knows, empty if it does not know them. So a user
// who went and came back meanwhile has not changed.
type changes map[string]string

// note remembers what the audience knows of a user, before the first change.
func (c *changes) note(user, known string) {
	if *c == nil {
		*c = changes{}
	}
	if _, noted := (*c)[user]; !noted {
		(*c)[user] = known
	}
}

// noteChange is called before a user appears in the room, changes name or
// disappears.
func (s *Set) noteChange(user string) {
	known := ""
	if u := s.users[user]; u != nil {
		known = u.name
	}
	s.forMembers.note(user, known)
}

// noteLocal is called before a user appears on this server, changes name or
// disappears from it.
func (s *Set) noteLocal(user string) {
	known := ""
	if u := s.users[user]; u != nil && u.isLocal() {
		known = u.name
	}
	s.forServers.note(user, known)
}

// TakeChanges returns the presence event that tells the members of a room what has
// changed since the last call, nil if nothing has. It names at most
// shared.MaxListedMembers users who joined, and as many who left.
func (s *Set) TakeChanges(room string) *shared.PresencePayload {
	event := &shared.PresencePayload{Room: room, Count: len(s.users)}
	changed := false
	for user, known := range s.forMembers {
		u := s.users[user]
		switch {
		case u == nil && known != "":
			changed = true
			if len(event.Left) < shared.MaxListedMembers {
				event.Left = append(event.Left, user)
			}
		case u != nil && u.name != known:
			changed = true
			if len(event.Joined) < shared.MaxListedMembers {
				event.Joined = append(event.Joined, shared.Member{User: user, Name: u.name})
			}
		}
	}
	s.forMembers = nil
	if !changed {
		return nil
	}
	return event
}

// TakeUpdate returns what the other servers are to know of this one's users since
// the last call. It is empty if nothing has changed.
func (s *Set) TakeUpdate() (update Update) {
	for user, known := range s.forServers {
		u := s.users[user]
		local := u != nil && u.isLocal()
		switch {
		case local && u.name != known:
			update.Came = append(update.Came, shared.Member{User: user, Name: u.name})
		case !local && known != "":
			update.Went = append(update.Went, user)
		}
	}
	s.forServers = nil
	return update.bounded()
}
