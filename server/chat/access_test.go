package chat

import (
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"websockets/server/identity"
	"websockets/shared"
)

var testSecret = []byte("a secret of at least thirty-two bytes")

// withTokens makes a server take users of the operator's own.
func withTokens(t *testing.T) func(*setup) {
	tokens, err := identity.NewTokens(t.Context(), identity.TokenOptions{
		Algorithm: "HS256", Key: testSecret, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(s *setup) { s.door = identity.Door{Tokens: tokens} }
}

type rights = map[string][]identity.Right

var readWrite = []identity.Right{identity.Read, identity.Write}

// tokenFor signs what an identity provider would. rooms may be nil.
func tokenFor(t *testing.T, user string, lives time.Duration, rooms rights) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": user, "name": "The " + user, "iat": time.Now().Unix(), "exp": time.Now().Add(lives).Unix()}
	if rooms != nil {
		claims["rooms"] = rooms
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// nobody connects without saying who it is.
func (s *testServer) nobody(header http.Header) *testClient {
	s.t.Helper()
	conn, response, err := websocket.DefaultDialer.Dial(s.address("room=x"), header)
	if err != nil {
		s.t.Fatalf("%v (%v)", err, response)
	}
	s.t.Cleanup(func() { conn.Close() })
	return &testClient{t: s.t, conn: conn}
}

// TestUsersOfOnesOwn come with a token: in the header, the cookie, or the first
// event. The name is the token's.
func TestUsersOfOnesOwn(t *testing.T) {
	t.Parallel()
	s := serve(t, withTokens(t))
	token := tokenFor(t, "ann@example.com", time.Hour, nil)
	for name, header := range map[string]http.Header{
		"header": bearer(token),
		"cookie": {"Cookie": {"session=" + token}, "Origin": {s.http.URL}},
	} {
		c := s.dial("room=x", header)
		if w := c.welcome; w.User != "ann@example.com" || w.Name != "The ann@example.com" || !w.Named || w.Session != "" {
			t.Errorf("by %s: welcome is %+v", name, w)
		}
		until(c, shared.RoomJoined)
		if c.say("hello"); c.hear(1)[0].User != "ann@example.com" {
			t.Errorf("by %s: the message is another's", name)
		}
		c.refused(send(c, shared.SetName, shared.SetNamePayload{Name: "Root"}), shared.CodeUnsupported)
	}

	c := s.nobody(nil)
	c.refused(send(c, shared.SendMessage, shared.SendMessagePayload{Message: "anonymous"}), shared.CodeForbidden)
	c.refused(send(c, shared.Authenticate, shared.TokenPayload{Token: token + "x"}), shared.CodeBadToken)
	c.refused(send(c, shared.Authenticate, shared.TokenPayload{Token: tokenFor(t, "bob", -time.Minute, nil)}), shared.CodeBadToken)
	id := send(c, shared.Authenticate, shared.TokenPayload{Token: token})
	if e := c.next(); e.Type != shared.Ack.Name() || e.ID != id {
		t.Errorf("authenticate was answered with %s %s", e.Type, e.ID)
	}
	if w := until(c, shared.Welcome); w.User != "ann@example.com" {
		t.Errorf("then welcome is %+v", w)
	}
	c.say("now I am somebody")

	if _, response, err := websocket.DefaultDialer.Dial(s.address(""), bearer(token+"x")); err == nil || response.StatusCode != http.StatusUnauthorized {
		t.Errorf("with a forged token in the header: %v", response)
	}
	if c := s.nobody(nil); true { // in the address it counts for nothing
		_ = c.conn.Close()
		conn, _, err := websocket.DefaultDialer.Dial(s.address("token="+token), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		c := &testClient{t: t, conn: conn}
		c.refused(send(c, shared.Ping, shared.Empty{}), shared.CodeForbidden)
	}
}

// TestWhoDoesNotAuthenticateIsClosed: in time, and after a few tries.
func TestWhoDoesNotAuthenticateIsClosed(t *testing.T) {
	t.Parallel()
	s := serve(t, withTokens(t))
	begun := time.Now()
	silent := s.nobody(nil)
	trying := s.nobody(http.Header{"Cookie": {"session=forged"}, "Origin": {s.http.URL}})
	for range authenticateTries {
		trying.refused(send(trying, shared.Authenticate, shared.TokenPayload{Token: "forged"}), shared.CodeBadToken)
	}
	trying.closed(shared.CloseToken)
	silent.closed(shared.CloseToken)
	if took := time.Since(begun); took < authenticateWait {
		t.Errorf("the silent one was closed after %v", took)
	}
}

// TestRightsInRooms: what a token does not allow is refused for each event that
// names a room, and the answer does not tell whether there is such a room.
func TestRightsInRooms(t *testing.T) {
	t.Parallel()
	s := serve(t, withTokens(t))
	s.put("secret", "nobody may see this")
	s.put("open", "one", "two")
	s.put("news", "read me")
	c := s.dial("room=secret", bearer(tokenFor(t, "ann", time.Hour, rights{"open": readWrite, "news": {identity.Read}})))
	if first := until(c, shared.Failed); first.Code != shared.CodeForbidden {
		t.Errorf("the first room was answered with %+v", first)
	}
	refusals := map[string][]string{} // by room
	for _, room := range []string{"secret", "not-there"} {
		for _, id := range []string{
			send(c, shared.ChangeRoom, shared.JoinPayload{Name: room}),
			send(c, shared.JoinRoom, shared.JoinPayload{Name: room, After: &shared.Cursor{Epoch: s.log.Epoch(room)}}),
			send(c, shared.SendMessage, shared.SendMessagePayload{Room: room, Message: "x"}),
			send(c, shared.LoadHistory, shared.LoadHistoryPayload{Room: room, Before: 9}),
			send(c, shared.StartTyping, shared.RoomPayload{Room: room}),
			send(c, shared.MarkRead, shared.MarkReadPayload{Room: room, Seq: 1}),
		} {
			e := c.refused(id, shared.CodeForbidden)
			refusals[room] = append(refusals[room], string(slices.Concat([]byte(e.Message[:len(e.Message)-len(room)]))))
		}
	}
	if !slices.Equal(refusals["secret"], refusals["not-there"]) {
		t.Errorf("a room that is there is refused as %q, one that is not as %q", refusals["secret"], refusals["not-there"])
	}
	list := answer(c, shared.Rooms, send(c, shared.ListRooms, shared.ListRoomsPayload{}))
	var listed []string
	for _, r := range list.Rooms {
		listed = append(listed, r.Name)
	}
	slices.Sort(listed)
	if !slices.Equal(listed, []string{"news", "open"}) {
		t.Errorf("listed are %q", listed)
	}

	answer(c, shared.RoomJoined, send(c, shared.ChangeRoom, shared.JoinPayload{Name: "news"}))
	until(c, shared.NewMessage)
	c.refused(send(c, shared.SendMessage, shared.SendMessagePayload{Message: "to the current room"}), shared.CodeForbidden)
	answer(c, shared.RoomJoined, send(c, shared.JoinRoom, shared.JoinPayload{Name: "open"}))
	answer(c, shared.Ack, send(c, shared.SendMessage, shared.SendMessagePayload{Room: "open", Message: "here I may"}))
	if stored := s.stored("secret"); len(stored) != 1 {
		t.Errorf("secret has %q", textsOf(stored))
	}
	if stored := s.stored("news"); len(stored) != 1 {
		t.Errorf("news has %q", textsOf(stored))
	}
}

// TestEveryEventThatNamesARoomTakesARight: a payload with a room's name says so,
// so that nobody forgets to ask for the right when he adds an event. Leaving takes
// none.
func TestEveryEventThatNamesARoomTakesARight(t *testing.T) {
	for _, payload := range []any{
		shared.JoinPayload{}, shared.LeavePayload{}, shared.RoomPayload{}, shared.SendMessagePayload{},
		shared.LoadHistoryPayload{}, shared.ListRoomsPayload{}, shared.SetNamePayload{}, shared.MarkReadPayload{}, shared.TokenPayload{},
	} {
		shape := reflect.TypeOf(payload)
		_, room := shape.FieldByName("Room")
		_, after := shape.FieldByName("After")
		if _, says := payload.(inRoom); says != (room || after) {
			t.Errorf("%v names a room: %v, says so: %v", shape, room || after, says)
		}
	}
}

// TestATokenIsRenewed: a new one on the open connection keeps it alive, and what
// it does not allow any more ends; another user's is refused.
func TestATokenIsRenewed(t *testing.T) {
	t.Parallel()
	s := serve(t, withTokens(t))
	c := s.join("x", tokenFor(t, "ann", time.Hour, rights{"x": readWrite, "y": readWrite}))
	answer(c, shared.RoomJoined, send(c, shared.JoinRoom, shared.JoinPayload{Name: "y"}))
	c.refused(send(c, shared.RefreshToken, shared.TokenPayload{Token: tokenFor(t, "bob", time.Hour, nil)}), shared.CodeBadToken)
	answer(c, shared.Ack, send(c, shared.RefreshToken, shared.TokenPayload{Token: tokenFor(t, "ann", time.Hour, rights{"x": {identity.Read}})}))
	if left := until(c, shared.Left); left.Name != "y" {
		t.Errorf("left %q", left.Name)
	}
	c.refused(send(c, shared.SendMessage, shared.SendMessagePayload{Message: "x"}), shared.CodeForbidden)
	s.put("y", "not for ann")
	s.put("x", "for ann")
	if m := c.hear(1); m[0].Message != "for ann" {
		t.Errorf("heard %q", m[0].Message)
	}
	c.settle()
	c.none("a message of y", func(e shared.Event) bool { return isMessageEvent(e) && ofRoom("y")(e) })
}

// TestAnExpiredTokenCloses: with the code that says so, after the grace.
func TestAnExpiredTokenCloses(t *testing.T) {
	t.Parallel()
	s := serve(t, withTokens(t))
	renewed := s.join("x", tokenFor(t, "ann", time.Hour, nil))
	c := s.join("x", tokenFor(t, "ann", time.Hour, nil))
	for _, client := range s.clients() { // as if it were long ago
		old := *client.session.Load()
		old.Expires = time.Now().Add(-expiryGrace - time.Second)
		if client.net.RemoteAddr().String() == c.conn.LocalAddr().String() {
			client.session.Store(&old)
		}
	}
	c.closed(shared.CloseToken)
	renewed.settle()
}

// TestWhoIsSentAway: the user's connections are closed, and what they presented is
// refused; others stay.
func TestWhoIsSentAway(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change  []func(*setup)
		session func() (string, string)
	}{
		"guest": {nil, func() (string, string) { return "", "" }},
		"user": {[]func(*setup){withTokens(t)}, func() (string, string) {
			return tokenFor(t, "ann", time.Hour, nil), tokenFor(t, "bob", time.Hour, nil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, test.change...)
			token, others := test.session()
			var ann, bob *testClient
			if token == "" {
				ann, bob = s.join("x"), s.join("x")
				token = ann.welcome.Session
			} else {
				ann, bob = s.join("x", token), s.join("x", others)
			}
			again := s.join("y", token)
			if err := s.manager.SendAway(t.Context(), ann.welcome.User); err != nil {
				t.Fatal(err)
			}
			ann.closed(shared.CloseSentAway)
			again.closed(shared.CloseSentAway)
			if _, response, err := websocket.DefaultDialer.Dial(s.address("room=x"), bearer(token)); err == nil || response.StatusCode != http.StatusUnauthorized {
				t.Errorf("the old session was answered with %v", response)
			}
			bob.settle()
		})
	}
}

// TestALineOfTheLogSaysWho: which connection, user and room it is about, and
// nothing of what was written or presented.
func TestALineOfTheLogSaysWho(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.join("here")
	c.say("not for the log")
	later := shared.Cursor{Epoch: "another", Seq: 1, ID: "x"}
	answer(c, shared.RoomJoined, send(c, shared.JoinRoom, shared.JoinPayload{Name: "there", After: &later}))
	log := s.logged.String()
	for _, part := range []string{"conn=1", "user=" + c.welcome.User, "from=127.0.0.1", "room=here", "asked=there"} {
		if !strings.Contains(log, part) {
			t.Errorf("the log lacks %s:\n%s", part, log)
		}
	}
	for _, secret := range []string{"not for the log", c.welcome.Session} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

// clients are the connections that the manager has.
func (s *testServer) clients() (list []*Client) {
	s.manager.mu.RLock()
	defer s.manager.mu.RUnlock()
	for c := range s.manager.clients {
		list = append(list, c)
	}
	return list
}
