package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"websockets/server/servertest"
	"websockets/shared"
)

// TestSettingsOfACluster: in a cluster of three with three replicas, a server with other
// flags changes nothing and says so. With --apply-settings it changes what is kept, and
// says first what that deletes; a server that was running goes by the new settings.
func TestSettingsOfACluster(t *testing.T) {
	t.Parallel()
	nats := servertest.StartNATS(t, 3)
	a := serveOn(t, nats.URL(), "--replicas", "3")
	c := servertest.Dial(t, a.WS(), servertest.DialOptions{Room: "x"})
	epoch := servertest.Await(c, shared.Synced).Cursor.Epoch
	var cursor shared.Cursor
	for range 30 {
		id := servertest.Send(c, shared.SendMessage, shared.SendMessagePayload{Message: "one of thirty"})
		ack := servertest.TakeAnswer(c, shared.Ack, id)
		if cursor.Seq == 0 {
			cursor = shared.Cursor{Epoch: epoch, Seq: ack.Seq, ID: id}
		}
	}

	b := serveOn(t, nats.URL(), "--max-room-messages", "10")
	for _, want := range []string{
		"level=WARN .* setting=--replicas store=3 wanted=1",
		`level=WARN .* setting=--max-room-messages store="no limit" wanted=10`,
		"msg=listening .* with 3 replicas",
	} {
		b.AwaitLog(regexp.MustCompile(want))
	}
	if n := strings.Count(b.Log(), " setting="); n != 2 {
		t.Errorf("lines about settings: got %d in\n%s\nwant 2", n, b.Log())
	}
	for _, server := range []*servertest.Process{a, b} {
		if got := joinAt(t, server, cursor); got != shared.StateRecovered {
			t.Errorf("joining at the first message: got state %s, want %s", got, shared.StateRecovered)
		}
	}

	d := serveOn(t, nats.URL(), "--replicas", "3", "--max-room-messages", "10", "--apply-settings")
	d.AwaitLog(regexp.MustCompile(`setting=--max-room-messages store="no limit" wanted=10 deletes="20 of 30 messages, about \d+ bytes`))
	a.AwaitLog(regexp.MustCompile(`level=WARN .*has changed the settings of the store" stream=websockets_ROOMS_\d before="messages per room no limit" now="messages per room 10"`))
	for _, server := range []*servertest.Process{a, b, d} {
		// Beyond what a server may have in memory: an older cursor.
		if got := joinAt(t, server, shared.Cursor{Epoch: epoch}); got != shared.StateTruncated {
			t.Errorf("joining before the first message: got state %s, want %s", got, shared.StateTruncated)
		}
	}
}

// joinAt joins the room x with a cursor and returns the state.
func joinAt(t *testing.T, server *servertest.Process, at shared.Cursor) string {
	t.Helper()
	c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x", After: &at})
	defer c.Leave()
	return servertest.TakeEvent(c, shared.RoomJoined).State
}

// TestApplySettingsToOldData: an age for the data of version 0.1.0 counts its messages.
func TestApplySettingsToOldData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	err := servertest.Unpack("testdata/data-v0.1.0.tar.gz", dir)
	if err != nil {
		t.Fatal(err)
	}
	server := servertest.StartOn(t, dir, "--max-age", "10m")
	server.AwaitLog(regexp.MustCompile(`adopted a store of version 0\.1\.0 under its old names`))
	server.AwaitLog(regexp.MustCompile(`setting=--max-age store="no limit" wanted=10m0s`))
	server.Stop()
	server.Start("--apply-settings")
	server.AwaitLog(regexp.MustCompile(`setting=--max-age store="no limit" wanted=10m0s deletes="20 of 20 messages, about \d+ bytes, up to \w+ old"`))
	if strings.Contains(server.Log(), "adopted") {
		t.Errorf("the log of the second start: got\n%s\nwant no adoption", server.Log())
	}
	c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "general"})
	servertest.Eventually(t, "the messages to be deleted", func() bool {
		page, err := servertest.Ask(c, shared.LoadHistory, shared.LoadHistoryPayload{Room: "general", Limit: shared.MaxHistory}, shared.History)
		return err == nil && len(page.Messages) == 0
	})
	server.Stop()
	server.Start()
	if strings.Contains(server.Log(), "level=ERROR") {
		t.Errorf("the log of the next start: got\n%s\nwant no error", server.Log())
	}
}

// people are two users of one server, in the room x.
type people struct {
	t        *testing.T
	server   *servertest.Process
	ann, bob *servertest.Conn
}

// TestTwoChatsOnOneAccount: two servers on one NATS with different prefixes, the same
// rooms and the same users are two chats. What happens on the first reaches nobody on the
// second, where the same happens later.
func TestTwoChatsOnOneAccount(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("secret ", 8)
	key, apiTokens := filepath.Join(t.TempDir(), "key"), filepath.Join(t.TempDir(), "tokens")
	for path, text := range map[string]string{key: secret, apiTokens: "shop " + apiToken + " sessions:delete\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	nats := servertest.StartNATS(t, 1)
	session := func(user string) string {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"sub": user, "name": user, "iat": time.Now().Add(-time.Minute).Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		}).SignedString([]byte(strings.TrimSpace(secret)))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	var chats []people
	for _, prefix := range []string{"one", "two"} {
		p := people{t: t, server: serveOn(t, nats.URL(), "--nats-prefix", prefix, "--auth", "jwt", "--jwt-algorithm", "HS256", "--jwt-key", key, "--api-tokens", apiTokens)}
		p.ann = servertest.Dial(t, p.server.WS(), servertest.DialOptions{Room: "x", Session: session("ann")})
		p.bob = servertest.Dial(t, p.server.WS(), servertest.DialOptions{Room: "x", Session: session("bob")})
		servertest.TakeEvent(p.ann, shared.Synced)
		joined := servertest.TakeEvent(p.bob, shared.RoomJoined)
		servertest.TakeEvent(p.bob, shared.Synced)
		if joined.State != shared.StateNew {
			t.Errorf("joining with the prefix %s: got %+v, want a new room", prefix, joined)
		}
		chats = append(chats, p)
	}
	chats[0].meet(session, "one")
	chats[1].meet(session, "two")

	rooms := servertest.TakeAnswer(chats[1].bob, shared.Rooms, servertest.Send(chats[1].bob, shared.ListRooms, shared.ListRoomsPayload{}))
	if slices.ContainsFunc(rooms.Rooms, func(r shared.RoomSummary) bool { return strings.Contains(r.Name, "one") }) {
		t.Errorf("rooms of the second chat: got %+v, want none of the first", rooms.Rooms)
	}
	for _, p := range chats {
		history := servertest.TakeAnswer(p.bob, shared.History, servertest.Send(p.bob, shared.LoadHistory, shared.LoadHistoryPayload{Room: "x"}))
		if len(history.Messages) != 3 {
			t.Errorf("messages in the room x: got %+v, want three", history.Messages)
		}
	}
}

const apiToken = "0123456789abcdef0123456789abcdef"

// meet lets everything happen that servers tell each other. Bob must see each thing of
// this chat first.
func (p *people) meet(session func(string) string, prefix string) {
	p.t.Helper()
	guest := "guest of " + prefix
	for range 3 {
		ack := p.ann.Say("only in " + prefix)
		if m := p.bob.TakeMessages(1)[0]; m.Message != "only in "+prefix || m.Seq != ack.Seq {
			p.t.Errorf("message: got %+v, want the one in %s", m, prefix)
		}
	}
	setTopic(p.ann, prefix)
	if topic := servertest.TakeEvent(p.bob, shared.TopicChanged); topic.Topic != prefix {
		p.t.Errorf("topic: got %+v, want %s", topic, prefix)
	}

	if n := p.unread(); n != 0 {
		p.t.Errorf("unread messages of Bob, who has no read mark with the prefix %s: got %d, want 0", prefix, n)
	}
	servertest.TakeAnswer(p.bob, shared.Ack, servertest.Send(p.bob, shared.MarkRead, shared.MarkReadPayload{Room: "x", Seq: 1}))
	if n := p.unread(); n != 2 {
		p.t.Errorf("unread messages after the first of three: got %d, want 2", n)
	}

	other := servertest.Dial(p.t, p.server.WS(), servertest.DialOptions{Room: "x", Session: session(guest)})
	servertest.TakeEvent(other, shared.Synced)
	joined := p.bob.Take("the guest's coming", func(e shared.Event) bool {
		return e.Type == shared.Presence.Name() && strings.Contains(string(e.Payload), "guest of ")
	})
	if presence := servertest.Payload(p.bob, shared.Presence, joined); !names(presence.Joined, guest) || presence.Count != 3 {
		p.t.Errorf("presence: got %+v, want that %s has joined, as the third", presence, guest)
	}
	servertest.Send(other, shared.StartTyping, shared.RoomPayload{Room: "x"})
	if typing := servertest.TakeEvent(p.bob, shared.Typing); typing.User != guest {
		p.t.Errorf("typing: got %+v, want %s", typing, guest)
	}
	servertest.TakeAnswer(other, shared.RoomJoined, servertest.Send(other, shared.JoinRoom, shared.JoinPayload{Name: "room-" + prefix}))
	servertest.TakeAnswer(other, shared.Ack, servertest.Send(other, shared.SendMessage, shared.SendMessagePayload{Room: "room-" + prefix, Message: "hi"}))

	// Ann is revoked in the first chat. In the second the guest is, whom its server hears
	// of later than it would hear of Ann.
	if prefix == "one" {
		p.revoke("ann")
		p.ann.AwaitClose(shared.CloseSessionRevoked)
		return
	}
	p.revoke(guest)
	other.AwaitClose(shared.CloseSessionRevoked)
	p.ann.Barrier()
	servertest.Dial(p.t, p.server.WS(), servertest.DialOptions{Room: "x", Session: session("ann")})
}

// unread returns how many messages Bob has not read in the room x.
func (p *people) unread() int {
	p.t.Helper()
	list := servertest.TakeAnswer(p.bob, shared.Rooms, servertest.Send(p.bob, shared.ListRooms, shared.ListRoomsPayload{Filter: "x"}))
	if len(list.Rooms) != 1 {
		p.t.Fatalf("rooms: got %+v, want x", list.Rooms)
	}
	return list.Rooms[0].Unread
}

func (p *people) revoke(user string) {
	p.t.Helper()
	request, err := http.NewRequest(http.MethodDelete, p.server.URL()+"api/sessions/"+strings.ReplaceAll(user, " ", "%20"), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+apiToken)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		p.t.Fatalf("revoking the sessions of %s: got %s, want %d", user, response.Status, http.StatusNoContent)
	}
}

// TestSessionsOfAnotherPrefix: a guest's session is valid with the prefix of the server
// that issued it, and on every server with that prefix.
func TestSessionsOfAnotherPrefix(t *testing.T) {
	t.Parallel()
	nats := servertest.StartNATS(t, 1)
	a, b, other := serveOn(t, nats.URL(), "--nats-prefix", "one"), serveOn(t, nats.URL(), "--nats-prefix", "one"), serveOn(t, nats.URL())
	ann := servertest.Dial(t, a.WS(), servertest.DialOptions{Room: "x"}).Welcome
	if again := servertest.Dial(t, b.WS(), servertest.DialOptions{Room: "x", Session: ann.Session}).Welcome; again.User != ann.User {
		t.Errorf("user on the other server with the prefix: got %s, want %s", again.User, ann.User)
	}
	stranger, err := servertest.TryDial(t, other.WS(), servertest.DialOptions{Room: "x", Session: ann.Session})
	if err != nil {
		return // refused
	}
	defer stranger.WS.Close()
	if stranger.Welcome.User == ann.User {
		t.Errorf("user with another prefix: got %s, want another one", ann.User)
	}
}
