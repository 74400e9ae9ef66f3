package presence

import "websockets/shared"

const (
	// awayTicks is how long a user whose connection was lost counts as present: who
	// comes back within it has not been away.
	awayTicks = 3
	// FullSyncTicks is how often a server tells the others who is in a room with it,
	// and forgetAfter for how long they believe it, in ticks.
	FullSyncTicks = 10
	forgetAfter   = 25
)

// Set is who is in a room, a user once whatever the number of his
// connections and of the servers they are at, and what of it has changed since it
// was last told. The room's lock guards it.
type Set struct {
	users map[string]*attendance
	heard map[string]int64 // other servers, and the tick at which they last told

	changed map[string]string // users who came, went or were renamed; the name the others know, "" if none
	here    map[string]bool   // users who came to or went from this server; true if they were here
}

// attendance is a user's in one room.
type attendance struct {
	name        string
	connections int                 // at this server
	leavesAt    int64               // the tick at which he is gone from here, 0 if he is not leaving
	elsewhere   map[string]struct{} // other servers he is at
	awayUntil   int64               // the tick until which one that he was at may have lost him to another, 0 if none
}

func (a *attendance) isHere() bool { return a.connections > 0 || a.leavesAt != 0 }
func (a *attendance) isThere() bool {
	return a.isHere() || len(a.elsewhere) > 0 || a.awayUntil != 0
}

func (p *Set) Count() int { return len(p.users) }

// List returns some of the users, as many as an event may name.
func (p *Set) List() []shared.Member {
	listed := make([]shared.Member, 0, min(len(p.users), shared.MaxListedMembers))
	for user, a := range p.users {
		if len(listed) == shared.MaxListedMembers {
			break
		}
		listed = append(listed, shared.Member{User: user, Name: a.name})
	}
	return listed
}

// attend returns the user's attendance, noting what the others know of him.
func (p *Set) attend(user, name string) *attendance {
	a := p.users[user]
	if a == nil {
		if p.users == nil {
			p.users = map[string]*attendance{}
		}
		p.note(user, "")
		a = &attendance{name: name}
		p.users[user] = a
	} else if a.name != name {
		p.note(user, a.name)
		a.name = name
	}
	return a
}

// settle forgets a user who is nowhere any more.
func (p *Set) settle(user string, a *attendance) {
	if !a.isThere() {
		p.note(user, a.name)
		delete(p.users, user)
	}
}

func (p *Set) Enter(user, name string) {
	a := p.attend(user, name)
	p.noteHere(user, a.isHere())
	a.connections++
	a.leavesAt, a.awayUntil = 0, 0
}

// Leave takes one connection off. now 0 means that the user left; else his
// connection was lost in that tick and he may come back.
func (p *Set) Leave(user string, now int64) {
	a := p.users[user]
	if a.connections--; a.connections > 0 {
		return
	}
	if now != 0 {
		a.leavesAt = now + awayTicks
		return
	}
	p.noteHere(user, true)
	p.settle(user, a)
}

// Expire forgets who has not come back, and servers that have not told for long.
func (p *Set) Expire(now int64) {
	for user, a := range p.users {
		if a.leavesAt != 0 && now >= a.leavesAt {
			p.noteHere(user, true)
			a.leavesAt = 0
			p.settle(user, a)
		}
		if a.awayUntil != 0 && now >= a.awayUntil {
			a.awayUntil = 0
			p.settle(user, a)
		}
	}
	for node, at := range p.heard {
		if now-at > forgetAfter {
			p.Apply(Update{Server: node, All: true}, now)
			delete(p.heard, node)
		}
	}
}

func (p *Set) Rename(user, name string) {
	if a := p.users[user]; a != nil && a.name != name {
		p.noteHere(user, false) // so that the others get to know the new name
		p.attend(user, name)
	}
}

// Apply takes what another server tells in this tick.
func (p *Set) Apply(s Update, now int64) {
	node, came, went := s.Server, s.Came, s.Went
	if p.heard == nil {
		p.heard = map[string]int64{}
	}
	p.heard[node] = now
	for _, user := range s.Away {
		if a := p.users[user]; a != nil {
			if _, was := a.elsewhere[node]; was {
				delete(a.elsewhere, node)
				a.awayUntil = now + awayTicks
			}
		}
	}
	if s.All {
		stays := make(map[string]bool, len(came))
		for _, m := range came {
			stays[m.User] = true
		}
		for user, a := range p.users {
			if _, was := a.elsewhere[node]; was && !stays[user] {
				went = append(went, user)
			}
		}
	}
	for _, user := range went {
		if a := p.users[user]; a != nil {
			delete(a.elsewhere, node)
			p.settle(user, a)
		}
	}
	for _, m := range came {
		a := p.attend(m.User, m.Name)
		if a.elsewhere == nil {
			a.elsewhere = map[string]struct{}{}
		}
		a.elsewhere[node] = struct{}{}
	}
}

// note remembers what the others know of a user who is about to change: what
// counts is what they knew before the first change.
func (p *Set) note(user, knownAs string) {
	if p.changed == nil {
		p.changed = map[string]string{}
	}
	if _, noted := p.changed[user]; !noted {
		p.changed[user] = knownAs
	}
}

func (p *Set) noteHere(user string, wasHere bool) {
	if p.here == nil {
		p.here = map[string]bool{}
	}
	if _, noted := p.here[user]; !noted {
		p.here[user] = wasHere
	}
}

// Changes returns what has changed since the last call, nil if nothing has: who
// went and came back meanwhile has not.
func (p *Set) Changes(room string) *shared.PresencePayload {
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

// LocalChanges returns who came to and went from this server since the last
// call.
func (p *Set) LocalChanges() (came []shared.Member, went []string) {
	for user, was := range p.here {
		a := p.users[user]
		switch is := a != nil && a.isHere(); {
		case is && !was:
			came = append(came, shared.Member{User: user, Name: a.name})
		case !is && was:
			went = append(went, user)
		}
	}
	p.here = nil
	return came, went
}

// Local returns who is at this server.
func (p *Set) Local() (here []shared.Member) {
	for user, a := range p.users {
		if a.isHere() {
			here = append(here, shared.Member{User: user, Name: a.name})
		}
	}
	return here
}
