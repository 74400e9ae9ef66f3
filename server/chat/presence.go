package chat

import "websockets/shared"

// presence is who is in a room, a user once whatever the number of his
// connections, and what of it has changed since it was last told. The room's
// lock guards it.
type presence struct {
	users   map[string]*attendance
	changed map[string]string // users who came, went or were renamed; the name the others know, "" if none
}

type attendance struct {
	name        string
	connections int
}

func (p *presence) count() int { return len(p.users) }

// list returns some of the users, as many as an event may name.
func (p *presence) list() []shared.Member {
	listed := make([]shared.Member, 0, min(len(p.users), shared.MaxListedMembers))
	for user, a := range p.users {
		if len(listed) == shared.MaxListedMembers {
			break
		}
		listed = append(listed, shared.Member{User: user, Name: a.name})
	}
	return listed
}

func (p *presence) enter(user, name string) {
	a := p.users[user]
	if a == nil {
		if p.users == nil {
			p.users = map[string]*attendance{}
		}
		p.note(user, "")
		a = &attendance{name: name}
		p.users[user] = a
	}
	a.connections++
}

func (p *presence) leave(user string) {
	a := p.users[user]
	if a.connections--; a.connections == 0 {
		p.note(user, a.name)
		delete(p.users, user)
	}
}

func (p *presence) rename(user, name string) {
	if a := p.users[user]; a != nil && a.name != name {
		p.note(user, a.name)
		a.name = name
	}
}

// note remembers what the others know of a user who is about to change: what
// counts is what they knew before the first change.
func (p *presence) note(user, knownAs string) {
	if p.changed == nil {
		p.changed = map[string]string{}
	}
	if _, noted := p.changed[user]; !noted {
		p.changed[user] = knownAs
	}
}

// news returns what has changed since the last call, nil if nothing has: who
// went and came back meanwhile has not.
func (p *presence) news(room string) *shared.PresencePayload {
	event := &shared.PresencePayload{Room: room, Count: len(p.users)}
	changed := false
	for user, knownAs := range p.changed {
		a := p.users[user]
		switch {
		case a == nil && knownAs != "":
			changed = true
			if len(event.Left) < shared.MaxListedMembers {
				event.Left = append(event.Left, user)
			}
		case a != nil && a.name != knownAs:
			changed = true
			if len(event.Joined) < shared.MaxListedMembers {
				event.Joined = append(event.Joined, shared.Member{User: user, Name: a.name})
			}
		}
	}
	p.changed = nil
	if !changed {
		return nil
	}
	return event
}

// tellPresence sends every member what has changed since the last call.
func (r *room) tellPresence() {
	r.mu.Lock()
	news := r.presence.news(r.name)
	r.mu.Unlock()
	if news != nil {
		r.offer(textFrame(shared.Presence.Frame("", *news)), nil)
	}
}

// rename tells the room another name of one of its users.
func (r *room) rename(user, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.presence.rename(user, name)
}
