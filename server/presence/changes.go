package presence

import "websockets/shared"

// changes has the users who have changed since members or servers were last told, each
// with the name that was told then, empty if the user was not present. So a user who left
// and came back in between has not changed.
type changes map[string]string

// note keeps what was told of a user last. It is called before each change.
func (c *changes) note(user, known string) {
	if *c == nil {
		*c = changes{}
	}
	if _, noted := (*c)[user]; !noted {
		(*c)[user] = known
	}
}

// noteChange is called before a user joins the room, changes name or leaves.
func (s *Set) noteChange(user string) {
	known := ""
	if u := s.users[user]; u != nil {
		known = u.name
	}
	s.forMembers.note(user, known)
}

// noteLocal is called before a user joins on this server, changes name or leaves there.
func (s *Set) noteLocal(user string) {
	known := ""
	if u := s.users[user]; u != nil && u.isLocal() {
		known = u.name
	}
	s.forServers.note(user, known)
}

// TakeChanges returns the presence event with what has changed since the last call, nil
// if nothing has. It names at most shared.MaxListedMembers users who joined, and as many
// who left.
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

// TakeUpdate returns what has changed about this server's users since the last call, for
// the other servers. It is empty if nothing has.
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
