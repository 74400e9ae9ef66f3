package chat

import (
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"websockets/server/auth"
	"websockets/server/delivery"
	"websockets/server/servertest"
	"websockets/shared"
)

var testSecret = []byte("a secret of at least thirty-two bytes")

// withTokens makes a server take users of the operator's own.
func withTokens(t *testing.T) func(*setup) {
	tokens, err := auth.NewTokenVerifier(t.Context(), auth.TokenOptions{
		Algorithm: "HS256", Key: testSecret, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(s *setup) { s.authenticator = auth.Authenticator{Tokens: tokens} }
}

type rights = map[string][]auth.Right

var readWrite = []auth.Right{auth.Read, auth.Write}

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

// nobody connects without a session.
func (s *testServer) nobody(header http.Header) *servertest.Conn {
	s.t.Helper()
	return s.upgrade(servertest.DialOptions{Room: "x", Header: header})
}

// A token is accepted in the header, in the cookie and in the first event, and not in
// the URL. The display name is the token's.
func TestUsersAuthenticateWithTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, withTokens(t))
		token := tokenFor(t, "ann@example.com", time.Hour, nil)
		for name, header := range map[string]http.Header{
			"header":                   bearer(token),
			"cookie":                   {"Cookie": {"session=" + token}, "Origin": {s.http.URL}},
			"cookie behind a password": {"Cookie": {"session=" + token}, "Origin": {s.http.URL}, "Authorization": {"Basic dTpw"}},
		} {
			c := s.dial(servertest.DialOptions{Room: "x", Header: header})
			if w := c.Welcome; w.User != "ann@example.com" || w.Name != "The ann@example.com" || !w.Named || w.Session != "" {
				t.Errorf("by %s: got %+v, want ann@example.com by her name and without a session", name, w)
			}
			servertest.TakeEvent(c, shared.RoomJoined)
			if c.Say("hello"); c.TakeMessages(1)[0].User != "ann@example.com" {
				t.Errorf("by %s: got another user's message, want ann@example.com's", name)
			}
			c.TakeRefusal(servertest.Send(c, shared.SetName, shared.SetNamePayload{Name: "Root"}), shared.CodeUnsupported)
		}

		c := s.nobody(nil)
		c.TakeRefusal(servertest.Send(c, shared.SendMessage, shared.SendMessagePayload{Message: "anonymous"}), shared.CodeForbidden)
		c.TakeRefusal(servertest.Send(c, shared.Authenticate, shared.TokenPayload{Token: token + "x"}), shared.CodeBadToken)
		c.TakeRefusal(servertest.Send(c, shared.Authenticate, shared.TokenPayload{Token: tokenFor(t, "bob", -time.Minute, nil)}), shared.CodeBadToken)
		id := servertest.Send(c, shared.Authenticate, shared.TokenPayload{Token: token})
		if e := takeNext(c); e.Type != shared.Ack.Name() || e.ID != id {
			t.Errorf("answer to authenticate: got %s %s, want %s %s", e.Type, e.ID, shared.Ack.Name(), id)
		}
		if w := servertest.TakeEvent(c, shared.Welcome); w.User != "ann@example.com" {
			t.Errorf("welcome after authenticate: got %+v, want ann@example.com", w)
		}
		c.Say("now I am somebody")

		s.dialRefused("forged token in the header", http.StatusUnauthorized, bearer(token+"x"))
		c = s.upgrade(servertest.DialOptions{Query: "token=" + token}) // a token in the address does not count
		c.TakeRefusal(servertest.Send(c, shared.Ping, shared.Empty{}), shared.CodeForbidden)
	})
}

// It is closed when its time is up, or after too many tries.
func TestUnauthenticatedConnectionIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, withTokens(t))
		begun := time.Now()
		silent := s.nobody(nil)
		trying := s.nobody(http.Header{"Cookie": {"session=forged"}, "Origin": {s.http.URL}})
		var tries []string
		for range authenticateTries {
			tries = append(tries, servertest.Send(trying, shared.Authenticate, shared.TokenPayload{Token: "forged"}))
		}
		for _, id := range tries {
			trying.TakeRefusal(id, shared.CodeBadToken)
		}
		trying.AwaitClose(shared.CloseToken)
		if took := time.Since(begun); took != 0 {
			t.Errorf("the connection that tried too often was closed after %v, want at once", took)
		}
		silent.AwaitClose(shared.CloseToken)
		if took := time.Since(begun); took != authenticateWait {
			t.Errorf("the connection that did not authenticate was closed after %v, want %v", took, authenticateWait)
		}
	})
}

// Every event that names a room is refused if the token does not allow it. The answer
// does not reveal whether the room exists.
func TestRoomPermissionsAreEnforced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, withTokens(t))
		s.put("secret", "nobody may see this")
		s.put("open", "one", "two")
		s.put("news", "read me")
		c := s.dial(servertest.DialOptions{Room: "secret", Session: tokenFor(t, "ann", time.Hour, rights{"open": readWrite, "news": {auth.Read}})})
		if first := servertest.TakeEvent(c, shared.Failed); first.Code != shared.CodeForbidden {
			t.Errorf("answer for the first room: got %+v, want %s", first, shared.CodeForbidden)
		}
		refusals := map[string][]string{} // by room
		for _, room := range []string{"secret", "not-there"} {
			for _, id := range []string{
				servertest.Send(c, shared.ChangeRoom, shared.JoinPayload{Name: room}),
				servertest.Send(c, shared.JoinRoom, shared.JoinPayload{Name: room, After: &shared.Cursor{Epoch: s.log.Epoch(room)}}),
				servertest.Send(c, shared.SendMessage, shared.SendMessagePayload{Room: room, Message: "x"}),
				servertest.Send(c, shared.LoadHistory, shared.LoadHistoryPayload{Room: room, Before: 9}),
				servertest.Send(c, shared.StartTyping, shared.RoomPayload{Room: room}),
				servertest.Send(c, shared.MarkRead, shared.MarkReadPayload{Room: room, Seq: 1}),
			} {
				e := c.TakeRefusal(id, shared.CodeForbidden)
				refusals[room] = append(refusals[room], string(slices.Concat([]byte(e.Message[:len(e.Message)-len(room)]))))
			}
		}
		if !slices.Equal(refusals["secret"], refusals["not-there"]) {
			t.Errorf("refusals for a room that exists: got %q, want those for one that does not: %q", refusals["secret"], refusals["not-there"])
		}
		list := servertest.TakeAnswer(c, shared.Rooms, servertest.Send(c, shared.ListRooms, shared.ListRoomsPayload{}))
		var listed []string
		for _, r := range list.Rooms {
			listed = append(listed, r.Name)
		}
		slices.Sort(listed)
		if !slices.Equal(listed, []string{"news", "open"}) {
			t.Errorf("listed: got %q, want news and open", listed)
		}

		servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.ChangeRoom, shared.JoinPayload{Name: "news"}))
		servertest.TakeEvent(c, shared.NewMessage)
		c.TakeRefusal(servertest.Send(c, shared.SendMessage, shared.SendMessagePayload{Message: "to the current room"}), shared.CodeForbidden)
		servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.JoinRoom, shared.JoinPayload{Name: "open"}))
		servertest.TakeAnswer(c, shared.Ack, servertest.Send(c, shared.SendMessage, shared.SendMessagePayload{Room: "open", Message: "here I may"}))
		if stored := s.stored("secret"); len(stored) != 1 {
			t.Errorf("messages in secret: got %q, want 1", textsOf(stored))
		}
		if stored := s.stored("news"); len(stored) != 1 {
			t.Errorf("messages in news: got %q, want 1", textsOf(stored))
		}
	})
}

// A payload with the name of a room has to implement inRoom, so that whoever adds an
// event registers it with a right. Leaving needs none.
func TestEventsThatNameARoomNeedARight(t *testing.T) {
	for _, payload := range []any{
		shared.JoinPayload{}, shared.LeavePayload{}, shared.RoomPayload{}, shared.SendMessagePayload{},
		shared.LoadHistoryPayload{}, shared.ListRoomsPayload{}, shared.SetNamePayload{}, shared.MarkReadPayload{}, shared.TokenPayload{},
		shared.SetTopicPayload{},
	} {
		shape := reflect.TypeOf(payload)
		_, room := shape.FieldByName("Room")
		_, after := shape.FieldByName("After")
		if _, says := payload.(inRoom); says != (room || after) {
			t.Errorf("%v implements inRoom: got %v, want %v", shape, says, room || after)
		}
	}
}

// A new token keeps the connection open. The client leaves rooms that it does not allow
// any more. Another user's token is refused.
func TestTokenIsRefreshed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, withTokens(t))
		c := s.join("x", tokenFor(t, "ann", time.Hour, rights{"x": readWrite, "y": readWrite}))
		servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.JoinRoom, shared.JoinPayload{Name: "y"}))
		c.TakeRefusal(servertest.Send(c, shared.RefreshToken, shared.TokenPayload{Token: tokenFor(t, "bob", time.Hour, nil)}), shared.CodeBadToken)
		servertest.TakeAnswer(c, shared.Ack, servertest.Send(c, shared.RefreshToken, shared.TokenPayload{Token: tokenFor(t, "ann", time.Hour, rights{"x": {auth.Read}})}))
		if left := servertest.TakeEvent(c, shared.Left); left.Name != "y" {
			t.Errorf("left: got %q, want y", left.Name)
		}
		c.TakeRefusal(servertest.Send(c, shared.SendMessage, shared.SendMessagePayload{Message: "x"}), shared.CodeForbidden)
		s.put("y", "not for ann")
		s.put("x", "for ann")
		if m := c.TakeMessages(1); m[0].Message != "for ann" {
			t.Errorf("message: got %q, want \"for ann\"", m[0].Message)
		}
		c.Barrier()
		c.None("a message of y", func(e shared.Event) bool { return isMessageEvent(e) && ofRoom("y")(e) })
	})
}

// The connection is closed at the first tick after the grace, unless a new token has
// come.
func TestExpiredTokenClosesConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, withTokens(t))
		const lives = time.Minute
		begun := time.Now()
		token := tokenFor(t, "ann", lives, nil)
		c, renewed := s.join("x", token), s.join("x", token)
		for time.Since(begun) < lives+expiryGrace {
			time.Sleep(5 * time.Second)
			c.Barrier() // neither is quiet for too long
			renewed.Barrier()
			if time.Since(begun) == lives {
				id := servertest.Send(renewed, shared.RefreshToken, shared.TokenPayload{Token: tokenFor(t, "ann", time.Hour, nil)})
				servertest.TakeAnswer(renewed, shared.Ack, id)
			}
		}
		c.AwaitClose(shared.CloseToken)
		if took := time.Since(begun); took != lives+expiryGrace+delivery.Tick {
			t.Errorf("the connection was closed after %v, want %v", took, lives+expiryGrace+delivery.Tick)
		}
		renewed.Barrier()
	})
}

// The user's connections are closed and their session is refused; other users stay.
func TestRevokedSessionsAreClosed(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"guest", "user"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var s *testServer
				var ann, bob *servertest.Conn
				var token string
				if kind == "guest" {
					s = serveInBubble(t)
					ann, bob = s.join("x"), s.join("x")
					token = ann.Welcome.Session
				} else {
					s = serveInBubble(t, withTokens(t))
					token = tokenFor(t, "ann", time.Hour, nil)
					ann, bob = s.join("x", token), s.join("x", tokenFor(t, "bob", time.Hour, nil))
				}
				again := s.join("y", token)
				if err := s.manager.RevokeSessions(t.Context(), ann.Welcome.User); err != nil {
					t.Fatal(err)
				}
				ann.AwaitClose(shared.CloseSessionRevoked)
				again.AwaitClose(shared.CloseSessionRevoked)
				s.dialRefused("the old session", http.StatusUnauthorized, bearer(token))
				bob.Barrier()
			})
		})
	}
}

// The log names the connection, the user and the room, and contains neither messages nor
// sessions.
func TestLogNamesConnectionUserAndRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.join("here")
		c.Say("not for the log")
		later := shared.Cursor{Epoch: "another", Seq: 1, ID: "x"}
		servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.JoinRoom, shared.JoinPayload{Name: "there", After: &later}))
		log := s.logged.String()
		for _, part := range []string{"conn=1", "user=" + c.Welcome.User, "from=127.0.0.1", "room=here", "asked=there"} {
			if !strings.Contains(log, part) {
				t.Errorf("log: got\n%s\nwant %s in it", log, part)
			}
		}
		for _, secret := range []string{"not for the log", c.Welcome.Session} {
			if strings.Contains(log, secret) {
				t.Errorf("log: got %q in it, want it left out", secret)
			}
		}
	})
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
