package chat

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"websockets/server/eventlog"
	"websockets/server/servertest"
	"websockets/shared"
)

func setTopic(c *servertest.Conn, text string) shared.AckPayload {
	c.T.Helper()
	return servertest.TakeAnswer(c, shared.Ack, servertest.Send(c, shared.SetTopic, shared.SetTopicPayload{Topic: text}))
}

// Whoever changes the topic gets an ack with its sequence. All members get the change in
// order with the messages, and new members are told the topic.
func TestTopicReachesMembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		ann, bob := s.join("x"), s.join("x")
		ann.Say("before")
		ack := setTopic(ann, "Release on Friday 🎉")
		ann.Say("after")
		for _, c := range []*servertest.Conn{ann, bob} {
			before := c.TakeMessages(1)[0]
			topic := servertest.TakeEvent(c, shared.TopicChanged)
			after := c.TakeMessages(1)[0]
			if before.Seq >= topic.Seq || topic.Seq >= after.Seq || topic.Seq != ack.Seq || !topic.Sent.Equal(ack.Sent) {
				t.Errorf("places: got %d, %d (acked %d), %d, want them in order", before.Seq, topic.Seq, ack.Seq, after.Seq)
			}
			if topic.User != ann.Welcome.User || topic.From != ann.Welcome.Name || topic.Topic != "Release on Friday 🎉" || topic.Room != "x" {
				t.Errorf("topic_changed: got %+v, want Ann's topic of x", topic)
			}
		}
		_, joined := s.joined("x")
		if joined.Topic == nil || joined.Topic.Seq != ack.Seq || joined.Topic.Topic != "Release on Friday 🎉" {
			t.Errorf("room_joined: got %+v, want the topic", joined.Topic)
		}
		setTopic(bob, "")
		_, joined = s.joined("x")
		if joined.Topic == nil || joined.Topic.Topic != "" || joined.Topic.Seq <= ack.Seq {
			t.Errorf("room_joined after the topic was taken away: got %+v, want that change", joined.Topic)
		}
		_, joined = s.joined("y")
		if joined.Topic != nil {
			t.Errorf("room_joined of another room: got %+v, want no topic", joined.Topic)
		}
	})
}

// A client catches up with changes of topic, but they are neither in the history nor
// unread messages.
func TestTopicIsNotAMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.join("x")
		c.Say("one")
		first := c.TakeMessages(1)[0]
		for _, text := range []string{"a", "b", "c"} {
			setTopic(c, text)
			servertest.TakeEvent(c, shared.TopicChanged)
		}
		c.Say("two")
		c.TakeMessages(1)

		servertest.TakeAnswer(c, shared.Ack, servertest.Send(c, shared.MarkRead, shared.MarkReadPayload{Room: "x", Seq: first.Seq}))
		rooms := servertest.TakeAnswer(c, shared.Rooms, servertest.Send(c, shared.ListRooms, shared.ListRoomsPayload{}))
		if len(rooms.Rooms) != 1 || rooms.Rooms[0].Unread != 1 {
			t.Errorf("rooms: got %+v, want x with 1 unread", rooms.Rooms)
		}
		for _, p := range []shared.LoadHistoryPayload{{}, {Limit: 2}, {After: first.Seq, Limit: 2}, {Limit: 1, Before: first.Seq + 2}} {
			history := servertest.TakeAnswer(c, shared.History, servertest.Send(c, shared.LoadHistory, p))
			if len(history.Messages) == 0 {
				t.Errorf("history of %+v: got no messages, more %v, want some", p, history.More)
			}
			for _, m := range history.Messages {
				if m.Message != "one" && m.Message != "two" {
					t.Errorf("history of %+v: got %+v, want messages only", p, m)
				}
			}
		}

		back, joined := s.resume("x", shared.Cursor{Epoch: s.log.Epoch("x"), Seq: first.Seq, ID: first.ID})
		if joined.State != shared.StateRecovered || joined.Topic == nil || joined.Topic.Topic != "c" {
			t.Errorf("room_joined: got %s, topic %+v, want recovered, topic c", joined.State, joined.Topic)
		}
		for _, want := range []string{"a", "b", "c"} {
			if topic := servertest.TakeEvent(back, shared.TopicChanged); topic.Topic != want {
				t.Errorf("topic_changed: got %q, want %q", topic.Topic, want)
			}
		}
		if got := back.TakeMessages(1)[0].Message; got != "two" {
			t.Errorf("message: got %q, want two", got)
		}
	})
}

func TestInvalidTopicsAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.join("x")
		for text, code := range map[string]string{
			strings.Repeat("ä", 201): shared.CodeBadTopic, " a": shared.CodeBadTopic, "a\nb": shared.CodeBadTopic, "a\x00": shared.CodeBadTopic,
		} {
			c.TakeRefusal(servertest.Send(c, shared.SetTopic, shared.SetTopicPayload{Topic: text}), code)
		}
		c.TakeRefusal(servertest.Send(c, shared.SetTopic, shared.SetTopicPayload{Room: "elsewhere", Topic: "a"}), shared.CodeNotMember)
		setTopic(c, strings.Repeat("ä", 200))
	})
}

// The same id with the same topic again is the same change. With another topic, or after
// a message with that id, it is refused.
func TestTopicIsStoredOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		c := s.join("x")
		send := func(id, text string) { write(c, shared.SetTopic.Frame(id, shared.SetTopicPayload{Topic: text})) }
		send("t1", "a")
		first := servertest.TakeAnswer(c, shared.Ack, "t1")
		send("t1", "a")
		if again := servertest.TakeAnswer(c, shared.Ack, "t1"); again.Seq != first.Seq {
			t.Errorf("ack of the same change: got %d, want %d", again.Seq, first.Seq)
		}
		send("t1", "b")
		c.TakeRefusal("t1", shared.CodeIDReused)
		write(c, shared.SendMessage.Frame("t1", shared.SendMessagePayload{Message: "a"}))
		c.TakeRefusal("t1", shared.CodeIDReused)
		write(c, shared.SendMessage.Frame("m1", shared.SendMessagePayload{Message: "a"}))
		servertest.TakeAnswer(c, shared.Ack, "m1")
		send("m1", "a")
		c.TakeRefusal("m1", shared.CodeIDReused)
		if _, joined := s.joined("x"); joined.Topic == nil || joined.Topic.Topic != "a" {
			t.Errorf("topic: got %+v, want a", joined.Topic)
		}
	})
}

// A new member is told the topic even if a server died before it filed the change, or
// the log did not deliver it.
func TestMissedTopicIsFound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		other := shared.TopicPayload{ID: "o1", Room: "x", User: "other", From: "Other", Topic: "of another server"}
		if err := s.manager.topics.Announce(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		err := s.log.Append(context.Background(), "x", "o1", shared.TopicChanged.Frame("", other), func(eventlog.Receipt, error) {})
		if err != nil {
			t.Fatal(err)
		}
		c, joined := s.joined("x")
		if joined.Topic == nil || joined.Topic.Topic != other.Topic {
			t.Errorf("room_joined: got %+v, want the topic that was not filed", joined.Topic)
		}
		s.log.lossy.Store(true)
		setTopic(c, "not delivered")
		s.log.lossy.Store(false)
		if _, joined := s.joined("x"); joined.Topic == nil || joined.Topic.Topic != "not delivered" {
			t.Errorf("room_joined: got %+v, want the topic that was not delivered", joined.Topic)
		}
	})
}
