package presence

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"websockets/shared"
)

// Servers of other versions read and write these keys.
func TestUpdateJSON(t *testing.T) {
	for text, want := range map[string]Update{
		`{"server":"s"}`: {Server: "s"},
		`{"server":"s","came":[{"user":"u","name":"n"}],"went":["v"],"all":true,"away":["w"],"asks":true}`: {
			Server: "s", Came: []shared.Member{{User: "u", Name: "n"}}, Went: []string{"v"}, All: true, Away: []string{"w"}, Asks: true,
		},
	} {
		encoded, err := json.Marshal(want)
		if err != nil || string(encoded) != text {
			t.Errorf("encoded: got %s, %v, want %s", encoded, err, text)
		}
		var got Update
		if err := json.Unmarshal([]byte(text), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("decoded %s: got %+v, %v, want %+v", text, got, err, want)
		}
	}
}

// An update has what has changed about this server's users since the last one: no other
// server's users, and none who joined and left in between.
func TestTakeUpdate(t *testing.T) {
	ada := shared.Member{User: "ann", Name: "Ada"}
	for _, c := range []struct {
		name string
		do   func(*Set)
		want Update
	}{
		{"nothing", func(*Set) {}, Update{}},
		{"somebody joins", func(s *Set) { s.join("bob") }, Update{Came: []shared.Member{member("bob")}}},
		{"ann leaves", func(s *Set) { s.Leave("ann") }, Update{Went: []string{"ann"}}},
		{"ann is lost", func(s *Set) { s.Lose("ann", start) }, Update{}},
		{"and does not come back", func(s *Set) { s.Lose("ann", start); s.Expire(after(grace)) }, Update{Went: []string{"ann"}}},
		{"a second connection", func(s *Set) { s.join("ann") }, Update{}},
		{"there and back", func(s *Set) { s.Leave("ann"); s.join("ann") }, Update{}},
		{"here for a moment", func(s *Set) { s.join("bob"); s.Leave("bob") }, Update{}},
		{"a new name", func(s *Set) { s.Rename("ann", "Ada") }, Update{Came: []shared.Member{ada}}},
		{"a second connection and a new name", func(s *Set) { s.join("ann"); s.Rename("ann", "Ada") }, Update{Came: []shared.Member{ada}}},
		{"a new name, and gone", func(s *Set) { s.Rename("ann", "Ada"); s.Leave("ann") }, Update{Went: []string{"ann"}}},
		{"somebody on another server", func(s *Set) {
			s.Apply(Update{Server: "b", Came: []shared.Member{member("bob")}}, start)
			s.Rename("bob", "Ben")
			s.Apply(Update{Server: "b", Went: []string{"bob"}}, start)
		}, Update{}},
	} {
		var s Set
		s.join("ann")
		s.TakeUpdate()
		c.do(&s)
		if got := s.TakeUpdate(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
		if again := s.TakeUpdate(); !again.IsEmpty() {
			t.Errorf("%s, asked again: got %+v, want nothing", c.name, again)
		}
	}
}

// A full update names every user who is here, those in their grace too, and nobody else.
func TestFullAndFinalUpdates(t *testing.T) {
	var s Set
	s.join("ann")
	s.join("bob")
	s.Lose("bob", start)
	s.Apply(Update{Server: "b", Came: []shared.Member{member("cid")}}, start)
	full, final := s.FullUpdate(), s.FinalUpdate()
	slices.SortFunc(full.Came, func(a, b shared.Member) int { return strings.Compare(a.User, b.User) })
	slices.Sort(final.Away)
	if want := (Update{Came: []shared.Member{member("ann"), member("bob")}, All: true}); !reflect.DeepEqual(full, want) {
		t.Errorf("full update: got %+v, want %+v", full, want)
	}
	if want := (Update{Away: []string{"ann", "bob"}, All: true}); !reflect.DeepEqual(final, want) {
		t.Errorf("final update: got %+v, want %+v", final, want)
	}
}

// With the longest names an update stays below 1 MiB. One that does not name every user
// does not claim to.
func TestUpdatesAreBounded(t *testing.T) {
	var s Set
	user := func(i int) string { return strings.Repeat("u", 122) + fmt.Sprintf("%06d", i) }
	for i := range maxUsersPerUpdate + 1 {
		s.Join(user(i), strings.Repeat("🦊", shared.MaxNameLength))
	}
	updates := map[string]Update{"full": s.FullUpdate(), "final": s.FinalUpdate(), "after all have come": s.TakeUpdate()}
	for i := range maxUsersPerUpdate + 1 {
		s.Leave(user(i))
	}
	updates["after all have gone"] = s.TakeUpdate()
	for name, u := range updates {
		if n := len(u.Came) + len(u.Went) + len(u.Away); n != maxUsersPerUpdate {
			t.Errorf("%s: got %d users, want %d", name, n, maxUsersPerUpdate)
		}
		if len(u.Came) > 0 && u.All {
			t.Errorf("%s: got all set, want it unset: one user is not named", name)
		}
		encoded, err := json.Marshal(u)
		if err != nil || len(encoded) > 1<<20 {
			t.Errorf("%s: got %d bytes, %v, want at most 1 MiB", name, len(encoded), err)
		}
	}
}

// Rooms that are opened together and have similar names are due at different times, each
// once in an interval.
func TestFullSyncsAreSpread(t *testing.T) {
	const rooms, intervals = 1000, 5
	var sets [rooms]Set
	due := [rooms]int{}
	most := 0
	for at := time.Duration(0); at < intervals*fullSyncInterval; at += time.Second {
		together := 0
		for i := range sets {
			if sets[i].FullSyncDue(fmt.Sprint("bench-", i), after(at)) {
				due[i]++
				together++
			}
		}
		most = max(most, together)
	}
	even := rooms / int(fullSyncInterval/time.Second)
	if most > 2*even {
		t.Errorf("rooms due in one second: got %d of %d, want at most %d", most, rooms, 2*even)
	}
	for i, n := range due {
		if n < intervals-1 || n > intervals {
			t.Errorf("room %d: got it due %d times in %d intervals, want %d or one less", i, n, intervals, intervals)
		}
	}
}
