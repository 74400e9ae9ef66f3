package chat

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"websockets/server/servertest"
	"websockets/shared"
)

// To chat, it takes a connection and one frame.
func TestSimplestClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.upgrade(servertest.DialOptions{Room: "x"})
		write(c, `{"type":"send_message","payload":{"message":"hi"}}`)

		welcome := servertest.Payload(c, shared.Welcome, takeNext(c))
		if welcome.User == "" || welcome.Name == "" || welcome.Named || welcome.Session == "" || welcome.Version != "test" || welcome.Heartbeat <= 0 {
			t.Errorf("welcome: got %+v, want an unnamed user with a session, version test and a heartbeat", welcome)
		}
		if l := welcome.Limits; l.MessageLength != shared.MaxMessageLength || l.FrameBytes != shared.MaxFrameBytes || l.Rooms < 1 || l.InFlight < 1 {
			t.Errorf("limits: got %+v, want %d characters, %d bytes, and some rooms and in flight", l, shared.MaxMessageLength, shared.MaxFrameBytes)
		}
		joined := servertest.Payload(c, shared.RoomJoined, takeNext(c))
		if joined.Room != "x" || joined.State != shared.StateNew || joined.Cursor.Seq != 0 || joined.Cursor.Epoch == "" || joined.Count != 1 ||
			!slices.Equal(joined.Members, []shared.Member{{User: welcome.User, Name: welcome.Name}}) {
			t.Errorf("room_joined: got %+v, want x, new, from its beginning, with %s alone", joined, welcome.User)
		}
		synced := servertest.Payload(c, shared.Synced, takeNext(c))
		if synced.Room != "x" || synced.Cursor != joined.Cursor {
			t.Errorf("synced: got %+v, want x at %+v", synced, joined.Cursor)
		}
		m := servertest.TakeEvent(c, shared.NewMessage)
		if m.Room != "x" || m.Message != "hi" || m.User != welcome.User || m.From != welcome.Name || m.Seq == 0 || m.ID == "" || m.Sent.IsZero() {
			t.Errorf("new_message: got %+v, want hi in x from %s, with sequence, id and time", m, welcome.User)
		}
	})
}

func TestDefaultRoomIsJoined(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := serveInBubble(t).dial(servertest.DialOptions{})
		if joined := servertest.TakeEvent(c, shared.RoomJoined); joined.Room != shared.DefaultRoom {
			t.Errorf("joined: got %q, want %q", joined.Room, shared.DefaultRoom)
		}
	})
}

// A new member gets the newest 50 messages, then synced, then new messages, whether the
// ring has them or only the log.
func TestJoinDeliversTheLastFiftyMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		check := func(t *testing.T, before []string) *servertest.Conn {
			t.Helper()
			c := s.dial(servertest.DialOptions{Room: "x"})
			joined := servertest.TakeEvent(c, shared.RoomJoined)
			want := before[max(0, len(before)-shared.JoinBacklog):]
			var got []string
			for range want {
				got = append(got, servertest.Payload(c, shared.NewMessage, takeNext(c)).Message)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q\nwant %q", got, want)
			}
			synced := servertest.Payload(c, shared.Synced, takeNext(c))
			stored := s.stored("x")
			if newest := stored[len(stored)-1]; synced.Cursor.Seq != newest.Seq || synced.Cursor.ID != newest.ID || synced.Cursor.Epoch != joined.Cursor.Epoch {
				t.Errorf("synced: got %+v, want the newest message, %d %s", synced.Cursor, newest.Seq, newest.ID)
			}
			if n := len(before); n > shared.JoinBacklog && (joined.Cursor.Seq != stored[n-51].Seq || joined.Cursor.ID != stored[n-51].ID) {
				t.Errorf("joined at %+v, want the place of %+v", joined.Cursor, stored[n-51])
			}
			return c
		}
		s.put("noise", texts(0, 100)...)
		s.put("x", texts(0, 3)...)
		check(t, texts(0, 3)).Leave()
		s.put("x", texts(3, 47)...)
		check(t, texts(0, 50)).Leave()
		s.put("x", texts(50, 1)...)
		check(t, texts(0, 51)).Leave()
		s.put("x", texts(51, 60)...)
		first := check(t, texts(0, 111)) // from the log
		for i := range 70 {
			first.Say(fmt.Sprint("live ", i))
		}
		first.TakeMessages(70) // so the ring has them: an ack may come before the feed
		live := texts(0, 111)
		for i := range 70 {
			live = append(live, fmt.Sprint("live ", i))
		}
		second := check(t, live) // from the ring
		first.Say("to both")
		if m := servertest.TakeEvent(second, shared.NewMessage); m.Message != "to both" {
			t.Errorf("message after synced: got %+v, want \"to both\"", m)
		}
	})
}

func TestEventsAreHandledInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.join("old")
		// In one go, before anything is answered.
		for i := range 20 {
			room := fmt.Sprint("room-", i)
			write(c, shared.ChangeRoom.Frame("", shared.JoinPayload{Name: room}))
			write(c, shared.SendMessage.Frame(room, shared.SendMessagePayload{Message: "to " + room}))
		}
		for i := range 20 {
			room := fmt.Sprint("room-", i)
			if ack := servertest.TakeAnswer(c, shared.Ack, room); ack.Room != room {
				t.Errorf("room of the message to %s: got %s", room, ack.Room)
			}
			if got := textsOf(s.stored(room)); !slices.Equal(got, []string{"to " + room}) {
				t.Errorf("messages in %s: got %q, want one", room, got)
			}
		}
		if got := s.stored("old"); len(got) > 0 {
			t.Errorf("messages in the first room: got %q, want none", textsOf(got))
		}
	})
}

func TestNothingArrivesAfterLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		beside := "beside"
		c, other := s.join("x"), s.join("x")
		servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.JoinRoom, shared.JoinPayload{Name: beside}))
		servertest.TakeAnswer(other, shared.RoomJoined, servertest.Send(other, shared.JoinRoom, shared.JoinPayload{Name: beside}))

		// Messages are on their way while the client leaves.
		for i := range 50 {
			servertest.Send(other, shared.SendMessage, shared.SendMessagePayload{Room: "x", Message: fmt.Sprint(i)})
		}
		if left := servertest.TakeAnswer(c, shared.Left, servertest.Send(c, shared.LeaveRoom, shared.LeavePayload{Name: "x"})); left.Name != "x" {
			t.Errorf("left: got %q, want x", left.Name)
		}
		c.Forget() // all that came before left
		other.TakeMessages(50)
		servertest.Send(other, shared.SendMessage, shared.SendMessagePayload{Room: beside, Message: "the last"})
		c.Take("the message beside", ofRoomMessage(beside))
		c.Barrier()
		c.None("something of the room that was left", ofRoom("x"))

		// Its current room is gone, and it is no member any more.
		c.TakeRefusal(servertest.Send(c, shared.SendMessage, shared.SendMessagePayload{Room: "x", Message: "?"}), shared.CodeNotMember)
		c.TakeRefusal(servertest.Send(c, shared.SendMessage, shared.SendMessagePayload{Message: "?"}), shared.CodeNotMember)
		c.TakeRefusal(servertest.Send(c, shared.LeaveRoom, shared.LeavePayload{Name: "x"}), shared.CodeNotMember)
	})
}

func ofRoomMessage(room string) func(shared.Event) bool {
	return func(e shared.Event) bool { return isMessageEvent(e) && ofRoom(room)(e) }
}

func TestNothingOfTheOldRoomArrivesAfterChangeRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		beside := "beside"
		c, other := s.join("x"), s.join("x")
		servertest.TakeAnswer(other, shared.RoomJoined, servertest.Send(other, shared.JoinRoom, shared.JoinPayload{Name: beside}))
		for i := range 50 {
			servertest.Send(other, shared.SendMessage, shared.SendMessagePayload{Room: "x", Message: fmt.Sprint(i)})
		}
		joined := servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.ChangeRoom, shared.JoinPayload{Name: beside}))
		if joined.Room != beside || joined.State != shared.StateNew {
			t.Errorf("room_joined: got %+v, want %s, %s", joined, beside, shared.StateNew)
		}
		c.Forget()
		other.TakeMessages(50)
		servertest.Send(other, shared.SendMessage, shared.SendMessagePayload{Room: beside, Message: "the last"})
		c.Take("the message of the new room", ofRoomMessage(beside))
		c.Barrier()
		c.None("something of the old room", ofRoom("x"))
		if ack := c.Say("to the new one"); ack.Room != beside {
			t.Errorf("current room: got %s, want %s", ack.Room, beside)
		}
	})
}

func TestJoinRoomKeepsTheCurrentRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c, other := s.join("x"), s.join("y")
		servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.JoinRoom, shared.JoinPayload{Name: "y"}))
		if ack := c.Say("to x"); ack.Room != "x" {
			t.Errorf("current room: got %s, want x", ack.Room)
		}
		other.Say("from y")
		c.Take("the message of y", ofRoomMessage("y"))
		// change_room to one that is joined already keeps its place, and leaves the
		// old current one.
		joined := servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.ChangeRoom, shared.JoinPayload{Name: "y"}))
		if stored := s.stored("y"); joined.State != shared.StateCurrent || joined.Cursor.Seq != stored[0].Seq || joined.Cursor.ID != stored[0].ID || joined.Count != 2 {
			t.Errorf("room_joined: got %+v, want %s at %d with 2 members", joined, shared.StateCurrent, stored[0].Seq)
		}
		if ack := c.Say("to y"); ack.Room != "y" {
			t.Errorf("current room: got %s, want y", ack.Room)
		}
		c.TakeRefusal(servertest.Send(c, shared.SendMessage, shared.SendMessagePayload{Room: "x", Message: "?"}), shared.CodeNotMember)
		// What y got is heard once.
		if got := textsOf(other.TakeMessages(2)); !slices.Equal(got, []string{"from y", "to y"}) {
			t.Errorf("messages in y: got %q, want from y, to y", got)
		}
		c.Barrier()
		c.Take("to y", ofRoomMessage("y"))
		c.None("a second time", ofRoomMessage("y"))
	})
}

func TestRoomsPerConnectionAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.join("room-0")
		for i := 1; i < c.Welcome.Limits.Rooms; i++ {
			servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.JoinRoom, shared.JoinPayload{Name: fmt.Sprint("room-", i)}))
		}
		c.TakeRefusal(servertest.Send(c, shared.JoinRoom, shared.JoinPayload{Name: "one-more"}), shared.CodeTooManyRooms)
		servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.JoinRoom, shared.JoinPayload{Name: "room-7"}))
		servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.ChangeRoom, shared.JoinPayload{Name: "instead"}))
		servertest.TakeAnswer(c, shared.Left, servertest.Send(c, shared.LeaveRoom, shared.LeavePayload{Name: "room-7"}))
		servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.JoinRoom, shared.JoinPayload{Name: "one-more"}))
	})
}

func TestHistoryIsPagedInBothDirections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		s.put("noise", texts(0, 30)...)
		s.put("x", texts(0, 120)...)
		s.put("noise", texts(30, 30)...)
		c := s.join("x")
		load := func(p shared.LoadHistoryPayload) shared.HistoryPayload {
			t.Helper()
			return servertest.TakeAnswer(c, shared.History, servertest.Send(c, shared.LoadHistory, p))
		}
		stored := s.stored("x")
		page := load(shared.LoadHistoryPayload{}) // the current room, from the end
		if !slices.Equal(page.Messages, stored[70:]) || !page.More || page.Room != "x" {
			t.Errorf("the end: got %d messages, more %v, want %d, more", len(page.Messages), page.More, 50)
		}
		page = load(shared.LoadHistoryPayload{Room: "x", Before: stored[70].Seq, Limit: 60})
		if !slices.Equal(page.Messages, stored[10:70]) || !page.More {
			t.Errorf("before: got %d messages, more %v, want %d, more", len(page.Messages), page.More, 60)
		}
		page = load(shared.LoadHistoryPayload{Before: stored[10].Seq, Limit: 60})
		if !slices.Equal(page.Messages, stored[:10]) || page.More {
			t.Errorf("the first page: got %d messages, more %v, want %d, no more", len(page.Messages), page.More, 10)
		}
		page = load(shared.LoadHistoryPayload{After: stored[5].Seq, Limit: 20})
		if !slices.Equal(page.Messages, stored[6:26]) || !page.More {
			t.Errorf("after: got %d messages, more %v, want %d, more", len(page.Messages), page.More, 20)
		}
		page = load(shared.LoadHistoryPayload{After: stored[100].Seq, Limit: 200})
		if !slices.Equal(page.Messages, stored[101:]) || page.More {
			t.Errorf("the last page: got %d messages, more %v, want %d, no more", len(page.Messages), page.More, len(stored)-101)
		}
		page = load(shared.LoadHistoryPayload{Before: 1<<64 - 1, Limit: 10}) // further than anything
		if !slices.Equal(page.Messages, stored[110:]) || !page.More {
			t.Errorf("before the end of numbers: got %d messages, more %v, want %d, more", len(page.Messages), page.More, 10)
		}
		if page = load(shared.LoadHistoryPayload{After: 1<<64 - 1}); len(page.Messages) > 0 || page.More {
			t.Errorf("after the end of numbers: got %d messages, more %v, want none", len(page.Messages), page.More)
		}
	})
}
