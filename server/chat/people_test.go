package chat

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"websockets/shared"
)

// news gathers what presence events tell until count users are in the room.
func (c *testClient) news(count int) (joined []string, left []string) {
	c.t.Helper()
	for {
		p := until(c, shared.Presence)
		for _, m := range p.Joined {
			joined = append(joined, m.User)
		}
		left = append(left, p.Left...)
		if p.Count == count {
			return joined, left
		}
	}
}

func TestWhoComesAndGoesIsTold(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.join("x")
	c.news(1) // its own coming
	within := func(begun time.Time) {
		t.Helper()
		if took := time.Since(begun); took > 2*tick+5*time.Second { // 5 s for a busy machine
			t.Errorf("it took %v to be told", took)
		}
	}
	begun := time.Now()
	other := s.join("x")
	if other.joined.Count != 2 || len(other.joined.Members) != 2 {
		t.Errorf("room_joined: %+v", other.joined)
	}
	if joined, left := c.news(2); !slices.Equal(joined, []string{other.welcome.User}) || len(left) > 0 {
		t.Errorf("joined %q, left %q, want %s to join", joined, left, other.welcome.User)
	}
	within(begun)

	begun = time.Now()
	send(other, shared.ChangeRoom, shared.JoinPayload{Name: "y"})
	if joined, left := c.news(1); !slices.Equal(left, []string{other.welcome.User}) || len(joined) > 0 {
		t.Errorf("joined %q, left %q, want %s to leave", joined, left, other.welcome.User)
	}
	within(begun)

	// A client that vanishes without a word is gone too.
	third := s.join("x")
	c.news(2)
	begun = time.Now()
	third.conn.NetConn().Close()
	if joined, left := c.news(1); !slices.Equal(left, []string{third.welcome.User}) || len(joined) > 0 {
		t.Errorf("joined %q, left %q, want %s to leave", joined, left, third.welcome.User)
	}
	within(begun)
	if again := s.join("x"); again.joined.Count != 2 {
		t.Errorf("room_joined: %+v", again.joined)
	}
}

func TestAUserWithTwoConnectionsCountsOnce(t *testing.T) {
	t.Parallel()
	s := serve(t)
	watcher := s.join("x")
	one := s.join("x")
	watcher.news(2)
	two := s.join("x", one.welcome.Session)
	if two.welcome.User != one.welcome.User || two.joined.Count != 2 || len(two.joined.Members) != 2 {
		t.Errorf("%s joined as %s: %+v", one.welcome.User, two.welcome.User, two.joined)
	}
	// The next one to come is the only news.
	mark := s.join("x")
	if joined, left := watcher.news(3); !slices.Equal(joined, []string{mark.welcome.User}) || len(left) > 0 {
		t.Errorf("joined %q, left %q", joined, left)
	}
	// With one of the two gone the user is still there; with both he is not.
	one.leave()
	mark.leave()
	if joined, left := watcher.news(2); !slices.Equal(left, []string{mark.welcome.User}) || len(joined) > 0 {
		t.Errorf("joined %q, left %q", joined, left)
	}
	two.leave()
	if joined, left := watcher.news(1); !slices.Equal(left, []string{two.welcome.User}) || len(joined) > 0 {
		t.Errorf("joined %q, left %q", joined, left)
	}
}

func TestManyMembersAreCountedAndAHundredNamed(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for range shared.MaxListedMembers + 5 {
		s.join("x")
	}
	last := s.join("x")
	if last.joined.Count != shared.MaxListedMembers+6 || len(last.joined.Members) != shared.MaxListedMembers {
		t.Errorf("%d are counted and %d named", last.joined.Count, len(last.joined.Members))
	}
}

func TestTypingReachesTheOthers(t *testing.T) {
	t.Parallel()
	s := serve(t)
	beside := s.sameShard("x")
	c, other, outside := s.join("x"), s.join("x"), s.join(beside)
	send(c, shared.StartTyping, shared.RoomPayload{})
	if got := until(other, shared.Typing); got != (shared.TypingPayload{Room: "x", User: c.welcome.User, Name: c.welcome.Name}) {
		t.Errorf("%+v", got)
	}
	c.say("something")
	other.hear(1)
	isTyping := func(e shared.Event) bool { return e.Type == shared.Typing.Name() }
	for _, client := range []*testClient{c, outside, other} {
		client.settle()
		client.none("typing", isTyping)
	}
}

func TestANameIsKept(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c, other := s.join("x"), s.join("x")
	other.news(2)
	second := s.join("x", c.welcome.Session)
	answer(c, shared.Ack, send(c, shared.SetName, shared.SetNamePayload{Name: "Ada Lovelace"}))

	// Others are told, and messages carry it, from all of the user's connections.
	p := until(other, shared.Presence)
	if want := []shared.Member{{User: c.welcome.User, Name: "Ada Lovelace"}}; !slices.Equal(p.Joined, want) || len(p.Left) > 0 || p.Count != 2 {
		t.Errorf("presence: %+v", p)
	}
	c.say("from one")
	second.say("from the other")
	for _, m := range other.hear(2) {
		if m.From != "Ada Lovelace" || m.User != c.welcome.User {
			t.Errorf("%+v", m)
		}
	}

	// With the session he is the same again: as a Bearer or as the cookie.
	again := s.join("x", c.welcome.Session)
	if again.welcome.User != c.welcome.User || again.welcome.Name != "Ada Lovelace" || !again.welcome.Named {
		t.Errorf("welcome: %+v", again.welcome)
	}
	if !slices.Contains(again.joined.Members, shared.Member{User: c.welcome.User, Name: "Ada Lovelace"}) {
		t.Errorf("members: %+v", again.joined.Members)
	}
	cookie := s.dial("room=x", http.Header{"Cookie": {"session=" + c.welcome.Session}, "Origin": {s.http.URL}})
	if cookie.welcome.User != c.welcome.User || cookie.welcome.Name != "Ada Lovelace" {
		t.Errorf("welcome: %+v", cookie.welcome)
	}
	stranger := s.join("x")
	if stranger.welcome.User == c.welcome.User || stranger.welcome.Named {
		t.Errorf("welcome: %+v", stranger.welcome)
	}
}

// A new name is told in every room that the user is in, through whichever of his
// connections.
func TestANameIsToldInTheRoomsOfOtherConnections(t *testing.T) {
	t.Parallel()
	s := serve(t)
	there := s.join("y")
	watcher := s.join("y")
	watcher.news(2)
	here := s.join("x", there.welcome.Session)
	answer(here, shared.Ack, send(here, shared.SetName, shared.SetNamePayload{Name: "Ada"}))
	if late := s.join("y"); !slices.Contains(late.joined.Members, shared.Member{User: here.welcome.User, Name: "Ada"}) {
		t.Errorf("members of y: %+v", late.joined.Members)
	}
	renamed := false
	for !renamed {
		p := until(watcher, shared.Presence)
		renamed = slices.Contains(p.Joined, shared.Member{User: here.welcome.User, Name: "Ada"})
		if !renamed && p.Count == 3 {
			t.Fatalf("presence: %+v", p)
		}
	}
}

// A browser gets its session as a cookie, with the answer to the handshake.
func TestAFreshSessionIsSetAsACookie(t *testing.T) {
	t.Parallel()
	s := serve(t)
	conn, response, err := websocket.DefaultDialer.Dial(s.address("room=x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := &testClient{t: t, conn: conn}
	welcome := until(c, shared.Welcome)
	cookies := response.Cookies()
	if len(cookies) != 1 || cookies[0].Value != welcome.Session || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteLaxMode {
		t.Errorf("cookies %v, session %q", cookies, welcome.Session)
	}
	_, response, err = websocket.DefaultDialer.Dial(s.address("room=x"), bearer(welcome.Session))
	if err != nil || len(response.Cookies()) > 0 {
		t.Errorf("one who has a session got %v, %v", response.Cookies(), err)
	}
}

func TestAForgedSessionIsRefused(t *testing.T) {
	t.Parallel()
	s, elsewhere := serve(t), serve(t)
	c := s.join("x")
	session := c.welcome.Session
	user, mac := session[:16], session[16:]
	for _, forged := range []string{
		"x", user, user + ".", user + "." + mac[2:], "aaaaaaaaaaaaaaaa" + mac, session + "x", session[:len(session)-2],
		elsewhere.join("x").welcome.Session,
	} {
		conn, response, err := websocket.DefaultDialer.Dial(s.address("room=x"), bearer(forged))
		if err == nil {
			conn.Close()
			t.Errorf("the session %q was taken", forged)
			continue
		}
		if response == nil || response.StatusCode != http.StatusUnauthorized {
			t.Errorf("the session %q: %v, %v", forged, response, err)
		}
	}
	// A browser sees no status of a handshake: it is told by the close code, and its
	// user decides.
	conn, _, err := websocket.DefaultDialer.Dial(s.address("room=x"), http.Header{"Cookie": {"session=" + user + ".forged"}, "Origin": {s.http.URL}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, frame, err := conn.ReadMessage(); !websocket.IsCloseError(err, shared.CloseSession) {
		t.Errorf("a forged cookie got %s, %v", frame, err)
	}
}

// rooms asks for the list.
func (c *testClient) rooms(filter string) []shared.RoomSummary {
	c.t.Helper()
	return answer(c, shared.Rooms, send(c, shared.ListRooms, shared.ListRoomsPayload{Filter: filter})).Rooms
}

func roomNames(rooms []shared.RoomSummary) (list []string) {
	for _, r := range rooms {
		list = append(list, r.Name)
	}
	return list
}

func TestRoomsAreListedByActivity(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.join("garden-1")
	var last shared.AckPayload
	for i, room := range []string{"garden-1", "garden-2", "house", "garden-1"} {
		answer(c, shared.RoomJoined, send(c, shared.ChangeRoom, shared.JoinPayload{Name: room}))
		for begun := time.Now(); !time.Now().After(begun.Add(time.Millisecond)); { // the log's times are whole milliseconds
		}
		last = c.say(fmt.Sprint(i))
	}
	rooms := c.rooms("")
	if got := roomNames(rooms); !slices.Equal(got, []string{"garden-1", "house", "garden-2"}) {
		t.Errorf("listed %q", got)
	}
	if !rooms[0].LastActivity.Equal(last.Sent) {
		t.Errorf("the last activity was at %v, the message at %v", rooms[0].LastActivity, last.Sent)
	}
	if got := roomNames(c.rooms("garden")); !slices.Equal(got, []string{"garden-1", "garden-2"}) {
		t.Errorf("listed %q", got)
	}
	if got := roomNames(c.rooms("nowhere")); len(got) > 0 {
		t.Errorf("listed %q", got)
	}
	// A room that was written to since then comes up, at the latest a second later.
	answer(c, shared.RoomJoined, send(c, shared.ChangeRoom, shared.JoinPayload{Name: "new"}))
	c.say("first")
	for begun := time.Now(); roomNames(c.rooms(""))[0] != "new"; {
		if time.Since(begun) > patience {
			t.Fatal("a new room is not listed")
		}
	}
}

func TestReadMarks(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put("x", texts(0, 10)...)
	c := s.join("x")
	second, other := s.join("x", c.welcome.Session), s.join("x")
	mark := func(seq uint64) {
		t.Helper()
		answer(c, shared.Ack, send(c, shared.MarkRead, shared.MarkReadPayload{Room: "x", Seq: seq}))
	}
	unread := func(c *testClient) int {
		t.Helper()
		rooms := c.rooms("")
		if len(rooms) != 1 || rooms[0].Name != "x" {
			t.Fatalf("listed %+v", rooms)
		}
		return rooms[0].Unread
	}
	stored := s.stored("x")
	mark(stored[6].Seq)
	if got := until(second, shared.Read); got != (shared.MarkReadPayload{Room: "x", Seq: stored[6].Seq}) {
		t.Errorf("the user's other connection got %+v", got)
	}
	for _, client := range []*testClient{c, second} {
		if n := unread(client); n != 3 {
			t.Errorf("%d are unread, want 3", n)
		}
	}
	mark(stored[2].Seq) // a mark never goes back
	if n := unread(c); n != 3 {
		t.Errorf("after an older mark %d are unread, want 3", n)
	}
	mark(stored[9].Seq)
	if n := unread(c); n != 0 {
		t.Errorf("%d are unread, want none", n)
	}
	s.put("x", texts(10, 150)...)
	if n := unread(second); n != shared.MaxUnread+1 {
		t.Errorf("%d are unread, want %d for more", n, shared.MaxUnread+1)
	}
	isRead := func(e shared.Event) bool { return e.Type == shared.Read.Name() }
	for _, client := range []*testClient{c, other} {
		client.settle()
		client.none("a mark", isRead)
	}

	// They are kept: another server on the same store knows them. Shutdown writes
	// what is still waiting.
	session := c.welcome.Session
	s.shutdown()
	marks, err := newMarks(s.log).of(t.Context(), c.welcome.User)
	if err != nil || marks["x"] != stored[9].Seq {
		t.Errorf("for %.16s the store has %v, %v", session, marks, err)
	}
}

// Sequences come from clients: marks of the largest numbers, in more rooms than
// are kept, must not be more work than others.
func TestMarksOfAnySizeAreBounded(t *testing.T) {
	t.Parallel()
	for _, seq := range []uint64{1, 1 << 63, 1<<64 - 1} {
		kept, by := map[string]uint64{}, map[string]uint64{}
		for i := range maxMarks + 10 {
			by[fmt.Sprint("room-", i)] = seq
		}
		done := make(chan struct{})
		go func() { advance(kept, by); close(done) }()
		select {
		case <-done:
			if len(kept) != maxMarks {
				t.Errorf("%d marks are kept, want %d", len(kept), maxMarks)
			}
		case <-time.After(patience):
			t.Fatalf("with marks at %d it does not end", seq)
		}
	}
}
