package presence

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"websockets/shared"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// after returns a time that long after the start.
func after(d time.Duration) time.Time { return start.Add(d) }

func member(user string) shared.Member { return shared.Member{User: user, Name: "Name of " + user} }

// join is Join under the name of member.
func (s *Set) join(user string) { s.Join(user, member(user).Name) }

// wantChanges fails unless the next presence event names exactly these users; there
// must be none if there are none.
func wantChanges(t *testing.T, s *Set, when string, joined, left []string) {
	t.Helper()
	var gotJoined, gotLeft []string
	event := s.TakeChanges("den")
	if event != nil {
		for _, m := range event.Joined {
			gotJoined = append(gotJoined, m.User)
		}
		gotLeft = event.Left
		if event.Room != "den" || event.Count != s.Count() {
			t.Errorf("%s: got room %q and count %d, want den and %d", when, event.Room, event.Count, s.Count())
		}
	}
	slices.Sort(gotJoined)
	slices.Sort(gotLeft)
	if !slices.Equal(gotJoined, joined) || !slices.Equal(gotLeft, left) {
		t.Errorf("%s: got joined %q and left %q, want %q and %q", when, gotJoined, gotLeft, joined, left)
	}
	if event != nil && len(joined)+len(left) == 0 {
		t.Errorf("%s: got the event %+v, want none", when, event)
	}
}

func TestUserCountsOnce(t *testing.T) {
	var s Set
	wantChanges(t, &s, "an empty room", nil, nil)
	s.join("ann")
	wantChanges(t, &s, "ann's first connection", []string{"ann"}, nil)
	s.join("ann")
	s.Apply(Update{Server: "b", Came: []shared.Member{member("ann")}}, start)
	wantChanges(t, &s, "her second connection, and another server", nil, nil)
	if s.Count() != 1 || !slices.Equal(s.List(), []shared.Member{member("ann")}) {
		t.Errorf("users: got %d, %v, want ann alone", s.Count(), s.List())
	}
	s.Leave("ann")
	s.Leave("ann")
	wantChanges(t, &s, "gone from this server", nil, nil)
	s.Apply(Update{Server: "b", Went: []string{"ann", "nobody"}}, start)
	wantChanges(t, &s, "gone from both", nil, []string{"ann"})
	if s.Count() != 0 || len(s.List()) != 0 {
		t.Errorf("users: got %d, %v, want none", s.Count(), s.List())
	}
}

// A user who leaves is gone at once. A user who was lost is gone when the grace ends.
func TestLostUserIsPresentForTheGrace(t *testing.T) {
	var s Set
	s.join("ann")
	s.join("bob")
	s.join("cid")
	s.join("cid")
	s.TakeChanges("den")

	s.Leave("ann")
	wantChanges(t, &s, "ann left", nil, []string{"ann"})
	s.Lose("bob", start)
	s.Lose("cid", start)
	s.Expire(after(grace - 1))
	wantChanges(t, &s, "bob was lost a moment ago", nil, nil)
	s.join("bob")
	s.Expire(after(2 * grace))
	wantChanges(t, &s, "bob came back in time", nil, nil)
	s.Lose("bob", after(2*grace))
	s.Expire(after(3 * grace))
	wantChanges(t, &s, "bob did not come back", nil, []string{"bob"})
	if want := []shared.Member{member("cid")}; !slices.Equal(s.List(), want) {
		t.Errorf("users: got %v, want %v, one of whose connections is left", s.List(), want)
	}
}

func TestUserWhoMovesToAnotherServerStaysPresent(t *testing.T) {
	var s Set
	s.Apply(Update{Server: "b", Came: []shared.Member{member("ann"), member("bob")}, All: true}, start)
	wantChanges(t, &s, "both are on b", []string{"ann", "bob"}, nil)
	// The last member of b is gone, and so b closes the room.
	s.Apply(Update{Server: "b", All: true, Away: []string{"ann", "bob", "nobody"}}, start)
	s.Expire(after(grace - 1))
	wantChanges(t, &s, "b has lost them a moment ago", nil, nil)
	s.Apply(Update{Server: "c", Came: []shared.Member{member("ann")}}, after(grace-1))
	s.Expire(after(grace))
	wantChanges(t, &s, "ann has come to c", nil, []string{"bob"})

	// From another server to this one.
	s.Apply(Update{Server: "c", All: true, Away: []string{"ann"}}, after(grace))
	s.join("ann")
	s.Expire(after(3 * grace))
	wantChanges(t, &s, "ann has come here", nil, nil)
}

func TestFullUpdateReplacesKnownUsers(t *testing.T) {
	var s Set
	s.Apply(Update{Server: "b", Came: []shared.Member{member("ann"), member("bob")}}, start)
	s.Apply(Update{Server: "c", Came: []shared.Member{member("cid")}}, start)
	s.TakeChanges("den")
	s.Apply(Update{Server: "b", Came: []shared.Member{member("bob"), member("dan")}, All: true}, start)
	wantChanges(t, &s, "a full update of b", []string{"dan"}, []string{"ann"})
}

func TestSilentServerIsForgotten(t *testing.T) {
	var s Set
	for _, server := range []string{"b", "c"} {
		s.Apply(Update{Server: server, Came: []shared.Member{member("on " + server)}}, start)
	}
	s.TakeChanges("den")
	s.Apply(Update{Server: "c"}, after(time.Second)) // it tells nothing, but it lives
	s.Expire(after(remoteTimeout))
	wantChanges(t, &s, "both were heard in time", nil, nil)
	s.Expire(after(remoteTimeout + time.Second))
	wantChanges(t, &s, "b was not", nil, []string{"on b"})
	if len(s.lastHeard) != 1 {
		t.Errorf("servers: got %v, want c alone", s.lastHeard)
	}
}

func TestNewNameIsTold(t *testing.T) {
	var s Set
	s.Rename("ann", "nobody's name")
	wantChanges(t, &s, "a name of nobody here", nil, nil)
	s.join("ann")
	s.TakeChanges("den")
	s.Rename("ann", "Ann")
	s.Rename("ann", "Ada")
	if event := s.TakeChanges("den"); event == nil || !slices.Equal(event.Joined, []shared.Member{{User: "ann", Name: "Ada"}}) {
		t.Errorf("after ann was renamed: got %+v, want Ada to join", event)
	}
	s.Rename("ann", "Ann")
	s.Rename("ann", "Ada")
	wantChanges(t, &s, "there and back", nil, nil)
	s.Apply(Update{Server: "b", Came: []shared.Member{{User: "ann", Name: "Eve"}}}, start)
	if event := s.TakeChanges("den"); event == nil || !slices.Equal(event.Joined, []shared.Member{{User: "ann", Name: "Eve"}}) {
		t.Errorf("after another server renamed her: got %+v, want Eve to join", event)
	}
}

// However many users join and leave, an event names shared.MaxListedMembers of each.
func TestEventIsBounded(t *testing.T) {
	const users = shared.MaxListedMembers + 5
	var s Set
	for i := range users {
		s.join(fmt.Sprint("old-", i))
	}
	if n := len(s.List()); n != shared.MaxListedMembers {
		t.Errorf("listed users: got %d of %d, want %d", n, users, shared.MaxListedMembers)
	}
	s.TakeChanges("den")
	for i := range users {
		s.Leave(fmt.Sprint("old-", i))
		s.join(fmt.Sprint("new-", i))
	}
	event := s.TakeChanges("den")
	if event == nil || len(event.Joined) != shared.MaxListedMembers || len(event.Left) != shared.MaxListedMembers || event.Count != users {
		t.Errorf("event: got %+v, want %d joined, %d left and a count of %d", event, shared.MaxListedMembers, shared.MaxListedMembers, users)
	}
}

// TestServersAgree has users come, go, vanish and move on three servers, whose updates
// are often lost. When all is quiet, and each server has told everybody once, all
// three know exactly who is there.
func TestServersAgree(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	now := start
	var servers [3]Set
	var connections [3]map[string]int
	for i := range connections {
		connections[i] = map[string]int{}
	}
	publish := func(from int, u Update, lossy bool) {
		u.Server = fmt.Sprint("server-", from)
		for to := range servers {
			if to != from && !u.IsEmpty() && !(lossy && random.IntN(3) == 0) {
				servers[to].Apply(u, now)
			}
		}
	}
	for range 3000 {
		now = now.Add(time.Duration(random.IntN(1000)) * time.Millisecond)
		i, user := random.IntN(len(servers)), fmt.Sprint("user-", random.IntN(8))
		s, here := &servers[i], connections[i]
		switch what := random.IntN(6); {
		case what < 3:
			s.join(user)
			here[user]++
		case here[user] > 0 && what == 3:
			s.Leave(user)
			here[user]--
		case here[user] > 0:
			s.Lose(user, now)
			here[user]--
		}
		s.Expire(now)
		publish(i, s.TakeUpdate(), true)
	}
	now = now.Add(grace)
	var want []string
	for i := range servers {
		servers[i].Expire(now)
		for user, n := range connections[i] {
			if n > 0 && !slices.Contains(want, user) {
				want = append(want, user)
			}
		}
	}
	for i := range servers {
		publish(i, servers[i].FullUpdate(), false)
	}
	slices.Sort(want)
	for i := range servers {
		var got []string
		for _, m := range servers[i].List() {
			got = append(got, m.User)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("users as server %d knows them: got %q, want %q", i, got, want)
		}
	}
}
