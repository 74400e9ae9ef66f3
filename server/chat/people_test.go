package chat

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"websockets/server/delivery"
	"websockets/server/eventlog"
	"websockets/server/servertest"
	"websockets/server/userdata"
	"websockets/shared"
)

// news gathers what presence events tell until count users are in the room.
func news(c *servertest.Conn, count int) (joined []string, left []string) {
	c.T.Helper()
	for {
		p := servertest.TakeEvent(c, shared.Presence)
		for _, m := range p.Joined {
			joined = append(joined, m.User)
		}
		left = append(left, p.Left...)
		if p.Count == count {
			return joined, left
		}
	}
}

func TestMembersAreToldWhoJoinsAndLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.join("x")
		news(c, 1) // its own coming
		begun := time.Now()
		told := func(what string, ticks time.Duration) {
			t.Helper()
			if took := time.Since(begun); took != ticks*delivery.Tick {
				t.Errorf("%s was told after %v, want %v", what, took, ticks*delivery.Tick)
			}
			begun = time.Now()
		}
		other, joined := s.joined("x")
		if joined.Count != 2 || len(joined.Members) != 2 {
			t.Errorf("room_joined: got %+v, want 2 members", joined)
		}
		if joined, left := news(c, 2); !slices.Equal(joined, []string{other.Welcome.User}) || len(left) > 0 {
			t.Errorf("joined %q, left %q, want %s to join", joined, left, other.Welcome.User)
		}
		told("who came", 1)

		servertest.Send(other, shared.ChangeRoom, shared.JoinPayload{Name: "y"})
		if joined, left := news(c, 1); !slices.Equal(left, []string{other.Welcome.User}) || len(joined) > 0 {
			t.Errorf("joined %q, left %q, want %s to leave", joined, left, other.Welcome.User)
		}
		told("who went", 1)

		// A client that vanishes without a word is gone too.
		third := s.join("x")
		news(c, 2)
		told("who came", 1)
		third.WS.NetConn().Close()
		if joined, left := news(c, 1); !slices.Equal(left, []string{third.Welcome.User}) || len(joined) > 0 {
			t.Errorf("joined %q, left %q, want %s to leave", joined, left, third.Welcome.User)
		}
		told("who vanished", 3) // they could have come back
		if _, again := s.joined("x"); again.Count != 2 {
			t.Errorf("room_joined: got %+v, want 2 members", again)
		}
	})
}

func TestUserWithTwoConnectionsCountsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		watcher := s.join("x")
		one := s.join("x")
		news(watcher, 2)
		two, joined := s.joined("x", one.Welcome.Session)
		if two.Welcome.User != one.Welcome.User || joined.Count != 2 || len(joined.Members) != 2 {
			t.Errorf("the second connection: got user %s and %+v, want user %s and 2 members", two.Welcome.User, joined, one.Welcome.User)
		}
		// The next one to come is the only news.
		mark := s.join("x")
		if joined, left := news(watcher, 3); !slices.Equal(joined, []string{mark.Welcome.User}) || len(left) > 0 {
			t.Errorf("presence: got joined %q, left %q, want %s to join", joined, left, mark.Welcome.User)
		}
		// With one of the two gone the user is still there; with both they are not.
		one.Leave()
		mark.Leave()
		if joined, left := news(watcher, 2); !slices.Equal(left, []string{mark.Welcome.User}) || len(joined) > 0 {
			t.Errorf("presence: got joined %q, left %q, want %s to leave", joined, left, mark.Welcome.User)
		}
		two.Leave()
		if joined, left := news(watcher, 1); !slices.Equal(left, []string{two.Welcome.User}) || len(joined) > 0 {
			t.Errorf("presence: got joined %q, left %q, want %s to leave", joined, left, two.Welcome.User)
		}
	})
}

func TestMemberListIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		for range shared.MaxListedMembers + 5 {
			s.join("x")
		}
		_, last := s.joined("x")
		if last.Count != shared.MaxListedMembers+6 || len(last.Members) != shared.MaxListedMembers {
			t.Errorf("got %d members counted and %d named, want %d and %d", last.Count, len(last.Members), shared.MaxListedMembers+6, shared.MaxListedMembers)
		}
	})
}

func TestTypingReachesOtherMembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		beside := "beside"
		c, other, outside := s.join("x"), s.join("x"), s.join(beside)
		servertest.Send(c, shared.StartTyping, shared.RoomPayload{})
		if got := servertest.TakeEvent(other, shared.Typing); got != (shared.TypingPayload{Room: "x", User: c.Welcome.User, Name: c.Welcome.Name}) {
			t.Errorf("typing: got %+v, want %s in x", got, c.Welcome.User)
		}
		c.Say("something")
		other.TakeMessages(1)
		isTyping := func(e shared.Event) bool { return e.Type == shared.Typing.Name() }
		for _, client := range []*servertest.Conn{c, outside, other} {
			client.Barrier()
			client.None("typing", isTyping)
		}
	})
}

func TestNameIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c, other := s.join("x"), s.join("x")
		news(other, 2)
		second := s.join("x", c.Welcome.Session)
		servertest.TakeAnswer(c, shared.Ack, servertest.Send(c, shared.SetName, shared.SetNamePayload{Name: "Ada Lovelace"}))

		// Others are told, and messages carry it, from all of the user's connections.
		p := servertest.TakeEvent(other, shared.Presence)
		if want := []shared.Member{{User: c.Welcome.User, Name: "Ada Lovelace"}}; !slices.Equal(p.Joined, want) || len(p.Left) > 0 || p.Count != 2 {
			t.Errorf("presence: got %+v, want %+v to join and 2 to be there", p, want)
		}
		c.Say("from one")
		second.Say("from the other")
		for _, m := range other.TakeMessages(2) {
			if m.From != "Ada Lovelace" || m.User != c.Welcome.User {
				t.Errorf("message: got %+v, want it from Ada Lovelace, %s", m, c.Welcome.User)
			}
		}

		// With the session they are the same user again: as a Bearer or as the cookie.
		again, joined := s.joined("x", c.Welcome.Session)
		if again.Welcome.User != c.Welcome.User || again.Welcome.Name != "Ada Lovelace" || !again.Welcome.Named {
			t.Errorf("welcome: got %+v, want Ada Lovelace, named, as %s", again.Welcome, c.Welcome.User)
		}
		if want := (shared.Member{User: c.Welcome.User, Name: "Ada Lovelace"}); !slices.Contains(joined.Members, want) {
			t.Errorf("members: got %+v, want %+v among them", joined.Members, want)
		}
		cookie := s.dial(servertest.DialOptions{Room: "x", Header: http.Header{"Cookie": {"session=" + c.Welcome.Session}, "Origin": {s.http.URL}}})
		if cookie.Welcome.User != c.Welcome.User || cookie.Welcome.Name != "Ada Lovelace" {
			t.Errorf("welcome by cookie: got %+v, want Ada Lovelace as %s", cookie.Welcome, c.Welcome.User)
		}
		stranger := s.join("x")
		if stranger.Welcome.User == c.Welcome.User || stranger.Welcome.Named {
			t.Errorf("a stranger's welcome: got %+v, want another user without a name", stranger.Welcome)
		}
	})
}

// A new name is told in every room that the user is in, through any of their
// connections.
func TestNewNameIsToldInAllRoomsOfTheUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		there := s.join("y")
		watcher := s.join("y")
		news(watcher, 2)
		here := s.join("x", there.Welcome.Session)
		servertest.TakeAnswer(here, shared.Ack, servertest.Send(here, shared.SetName, shared.SetNamePayload{Name: "Ada"}))
		renamed := shared.Member{User: here.Welcome.User, Name: "Ada"}
		if _, late := s.joined("y"); !slices.Contains(late.Members, renamed) {
			t.Errorf("members of y: got %+v, want %+v among them", late.Members, renamed)
		}
		for {
			p := servertest.TakeEvent(watcher, shared.Presence)
			if slices.Contains(p.Joined, renamed) {
				break
			}
			if p.Count == 3 {
				t.Fatalf("presence: got %+v, want %+v to join before or with the third user", p, renamed)
			}
		}
	})
}

// A browser gets its session as a cookie, with the answer to the handshake.
func TestNewSessionIsSetAsCookie(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		dial := func(header http.Header) (*servertest.Conn, []*http.Cookie) {
			conn, response, err := s.handshake(header)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			return &servertest.Conn{T: t, WS: conn}, response.Cookies()
		}
		c, cookies := dial(nil)
		welcome := servertest.TakeEvent(c, shared.Welcome)
		if len(cookies) != 1 || cookies[0].Value != welcome.Session || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteLaxMode {
			t.Errorf("cookies: got %v, want one, HttpOnly and SameSite=Lax, with the session %q", cookies, welcome.Session)
		}
		if _, cookies := dial(bearer(welcome.Session)); len(cookies) > 0 {
			t.Errorf("cookies with a session: got %v, want none", cookies)
		}
	})
}

// Whoever has no cookie is told their session, with an origin or without. A session in a
// cookie is never told, nor one that a browser of the server's own page gets in a cookie.
func TestSessionIsToldToThoseWithoutACookie(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const friend, browser, script = "https://friend.example", "Mozilla/5.0 (X11; Linux x86_64)", "Python/3.13 websockets/15.0"
		s := serveInBubble(t, func(with *setup) { with.config.AllowOrigins = []string{friend} })
		ann := s.join("x").Welcome
		for _, test := range []struct {
			origin, agent, authorization, cookie string
			told                                 bool
		}{
			{agent: script, told: true},
			{origin: s.http.URL, agent: script, told: true},
			{origin: s.http.URL, agent: browser, told: false},
			{origin: s.http.URL, agent: browser, authorization: "Basic dTpw", cookie: "session=of.another.program", told: false},
			{origin: friend, agent: script, told: true},
			{origin: friend, agent: browser, told: true},
			{origin: s.http.URL, agent: browser, cookie: "websockets_guest=" + ann.Session, told: false},
			{origin: friend, agent: browser, cookie: "websockets_guest=" + ann.Session, told: false},
			{origin: friend, agent: script, cookie: "session=" + ann.Session, told: false},
			{agent: script, authorization: "Bearer " + ann.Session, told: true},
			{origin: s.http.URL, agent: script, authorization: "Bearer " + ann.Session, told: true},
		} {
			header := http.Header{"User-Agent": {test.agent}}
			for name, value := range map[string]string{"Origin": test.origin, "Authorization": test.authorization, "Cookie": test.cookie} {
				if value != "" {
					header.Set(name, value)
				}
			}
			conn, response, err := s.handshake(header)
			if err != nil {
				t.Fatalf("%+v: %v", test, err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			welcome := servertest.TakeEvent(&servertest.Conn{T: t, WS: conn}, shared.Welcome)
			if (welcome.Session != "") != test.told {
				t.Errorf("%+v: got the session %q, want one: %v", test, welcome.Session, test.told)
			}
			isNew := welcome.User != ann.User
			if cookies := response.Cookies(); (len(cookies) == 1) != isNew {
				t.Errorf("%+v: got the cookies %v, want one: %v", test, cookies, isNew)
			}
			if test.told {
				again := s.dial(servertest.DialOptions{Session: welcome.Session, Header: http.Header{"Origin": {s.http.URL}}}).Welcome
				if again.User != welcome.User {
					t.Errorf("%+v, again: got the user %s, want %s", test, again.User, welcome.User)
				}
			}
		}
	})
}

// A page of another site is the same user again: it can set no header, and presents its
// session in its first event.
func TestGuestAuthenticatesByEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const friend = "https://friend.example"
		s := serveInBubble(t, func(with *setup) { with.config.AllowOrigins = []string{friend} })
		header := http.Header{"Origin": {friend}, "User-Agent": {"Mozilla/5.0"}}
		first := s.dial(servertest.DialOptions{Room: "x", Header: header})
		servertest.TakeAnswer(first, shared.Ack, servertest.Send(first, shared.SetName, shared.SetNamePayload{Name: "Ann"}))

		again := s.upgrade(servertest.DialOptions{Query: "room=x&authenticate=1", Header: header})
		again.TakeRefusal(servertest.Send(again, shared.SendMessage, shared.SendMessagePayload{Message: "anonymous"}), shared.CodeForbidden)
		again.TakeRefusal(servertest.Send(again, shared.Authenticate, shared.TokenPayload{Token: first.Welcome.Session + "x"}), shared.CodeBadToken)
		id := servertest.Send(again, shared.Authenticate, shared.TokenPayload{Token: first.Welcome.Session})
		servertest.TakeAnswer(again, shared.Ack, id)
		welcome := servertest.TakeEvent(again, shared.Welcome)
		if welcome.User != first.Welcome.User || welcome.Name != "Ann" || welcome.Session != first.Welcome.Session {
			t.Errorf("welcome: got %+v, want Ann, %s, with her session", welcome, first.Welcome.User)
		}
		if joined := servertest.TakeEvent(again, shared.RoomJoined); joined.Room != "x" {
			t.Errorf("first room: got %s, want x", joined.Room)
		}
	})
}

func TestForgedSessionIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, elsewhere := serveInBubble(t), serveInBubble(t)
		c := s.join("x")
		session := c.Welcome.Session
		user, mac := session[:16], session[16:]
		for _, forged := range []string{
			user + "." + mac[2:], "aaaaaaaaaaaaaaaa" + mac, session + "x", session[:len(session)-2],
			elsewhere.join("x").Welcome.Session,
		} {
			s.dialRefused(fmt.Sprintf("session %q", forged), http.StatusUnauthorized, bearer(forged))
		}
		// A browser sees no status of a handshake: it is told by the close code, and its
		// user decides. A proxy's password changes nothing.
		for _, cookie := range []string{"websockets_guest=" + user + ".forged", "session=" + session + "x"} {
			for _, authorization := range []string{"", "Basic dTpw"} {
				told := s.upgrade(servertest.DialOptions{Header: http.Header{
					"Cookie": {cookie}, "Origin": {s.http.URL}, "Authorization": {authorization},
				}})
				told.AwaitClose(shared.CloseSession)
				told.None("an event before it", func(shared.Event) bool { return true })
			}
		}
	})
}

// What other programs put into a request is no session: with a cookie of ours it changes
// nothing, and without one the client is a new guest.
func TestSessionsOfOtherProgramsDoNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		ann := s.join("x").Welcome
		for _, authorization := range []string{"Basic dTpw", "Negotiate abc", "Bearer some.other.apps", "Bearer x", "Bearer " + ann.User, "Bearer " + ann.User + "."} {
			header := http.Header{"Authorization": {authorization}, "Cookie": {"session=of.another.program"}}
			if got := s.dial(servertest.DialOptions{Header: header}).Welcome; got.User == ann.User || got.Session == "" {
				t.Errorf("%s: got %+v, want a new guest", authorization, got)
			}
			header.Set("Origin", s.http.URL)
			header.Set("Cookie", "session=of.another.program; websockets_guest="+ann.Session)
			if got := s.dial(servertest.DialOptions{Header: header}).Welcome; got.User != ann.User {
				t.Errorf("%s, with a cookie: got the user %s, want %s", authorization, got.User, ann.User)
			}
		}
	})
}

// rooms asks for the list.
func rooms(c *servertest.Conn, filter string) []shared.RoomSummary {
	c.T.Helper()
	return servertest.TakeAnswer(c, shared.Rooms, servertest.Send(c, shared.ListRooms, shared.ListRoomsPayload{Filter: filter})).Rooms
}

func roomNames(rooms []shared.RoomSummary) (list []string) {
	for _, r := range rooms {
		list = append(list, r.Name)
	}
	return list
}

func TestRoomsAreListedByActivity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.join("garden-1")
		var last shared.AckPayload
		for i, room := range []string{"garden-1", "garden-2", "house", "garden-1"} {
			servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.ChangeRoom, shared.JoinPayload{Name: room}))
			time.Sleep(time.Millisecond) // the log's times are whole milliseconds
			last = c.Say(fmt.Sprint(i))
		}
		list := rooms(c, "")
		if got := roomNames(list); !slices.Equal(got, []string{"garden-1", "house", "garden-2"}) {
			t.Errorf("listed: got %q, want garden-1, house, garden-2", got)
		}
		if !list[0].LastActivity.Equal(last.Sent) {
			t.Errorf("last activity: got %v, want %v", list[0].LastActivity, last.Sent)
		}
		if got := roomNames(rooms(c, "garden")); !slices.Equal(got, []string{"garden-1", "garden-2"}) {
			t.Errorf("listed with a filter: got %q, want garden-1, garden-2", got)
		}
		if got := roomNames(rooms(c, "nowhere")); len(got) > 0 {
			t.Errorf("listed with a filter that nothing matches: got %q, want none", got)
		}
		// A room that was written to since then comes up, at the latest a second later.
		servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.ChangeRoom, shared.JoinPayload{Name: "new"}))
		time.Sleep(time.Millisecond)
		c.Say("first")
		time.Sleep(time.Second)
		if got := roomNames(rooms(c, "")); got[0] != "new" {
			t.Errorf("listed a second after a message to a new room: got %q, want it first", got)
		}
	})
}

func TestReadMarks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		s.put("x", texts(0, 10)...)
		c := s.join("x")
		second, other := s.join("x", c.Welcome.Session), s.join("x")
		mark := func(seq uint64) {
			t.Helper()
			servertest.TakeAnswer(c, shared.Ack, servertest.Send(c, shared.MarkRead, shared.MarkReadPayload{Room: "x", Seq: seq}))
		}
		unread := func(c *servertest.Conn) int {
			t.Helper()
			list := rooms(c, "")
			if len(list) != 1 || list[0].Name != "x" {
				t.Fatalf("listed: got %+v, want the room x", list)
			}
			return list[0].Unread
		}
		stored := s.stored("x")
		mark(stored[6].Seq)
		if got := servertest.TakeEvent(second, shared.Read); got != (shared.MarkReadPayload{Room: "x", Seq: stored[6].Seq}) {
			t.Errorf("read on the user's other connection: got %+v, want %d in x", got, stored[6].Seq)
		}
		for _, client := range []*servertest.Conn{c, second} {
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
		for _, client := range []*servertest.Conn{c, other} {
			client.Barrier()
			client.None("a mark", isRead)
		}

		// They are kept: another server on the same store knows them. Shutdown writes
		// what is still waiting.
		session := c.Welcome.Session
		s.shutdown()
		marks, err := userdata.NewReadMarks(s.log.Values(eventlog.Users)).Get(t.Context(), c.Welcome.User)
		if err != nil || marks["x"] != stored[9].Seq {
			t.Errorf("stored mark of %.16s: got %v, %v, want %d", session, marks, err, stored[9].Seq)
		}
	})
}
