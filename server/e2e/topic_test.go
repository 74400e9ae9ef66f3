package e2e

import (
	"fmt"
	"testing"

	"websockets/server/servertest"
	"websockets/shared"
)

// joinRoom connects to a room and waits until it is there.
func joinRoom(t *testing.T, server *servertest.Process, room string) (*servertest.Conn, shared.RoomJoinedPayload) {
	t.Helper()
	c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: room})
	joined := servertest.TakeEvent(c, shared.RoomJoined)
	servertest.TakeEvent(c, shared.Synced)
	return c, joined
}

func setTopic(c *servertest.Conn, text string) shared.AckPayload {
	c.T.Helper()
	return servertest.TakeAnswer(c, shared.Ack, servertest.Send(c, shared.SetTopic, shared.SetTopicPayload{Topic: text}))
}

// A topic that is set on one server is told on the other, to those who are there and
// to those who come.
func TestATopicReachesEveryServer(t *testing.T) {
	t.Parallel()
	nats := servertest.StartNATS(t, 1)
	a, b := serveOn(t, nats.URL()), serveOn(t, nats.URL())
	ann, _ := joinRoom(t, a, "x")
	bob, _ := joinRoom(t, b, "x")
	ack := setTopic(ann, "of server a")
	if got := servertest.TakeEvent(bob, shared.TopicChanged); got.Seq != ack.Seq || got.Topic != "of server a" {
		t.Errorf("topic_changed on the other server: got %+v, want of server a at %d", got, ack.Seq)
	}
	ack = setTopic(bob, "of server b")
	for name, server := range map[string]*servertest.Process{"a": a, "b": b} {
		_, joined := joinRoom(t, server, "x")
		if joined.Topic == nil || joined.Topic.Topic != "of server b" || joined.Topic.Seq != ack.Seq {
			t.Errorf("room_joined on server %s: got %+v, want of server b at %d", name, joined.Topic, ack.Seq)
		}
	}
}

// An acked topic survives kill -9, and one that was on its way is there or is not: the
// server never tells another one.
func TestAckedTopicsSurviveKills(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t)
	acked := ""
	for kill := range 5 {
		c, _ := joinRoom(t, server, "x")
		acked = fmt.Sprint("acked ", kill)
		setTopic(c, acked)
		onItsWay := fmt.Sprint("on its way ", kill)
		servertest.Send(c, shared.SetTopic, shared.SetTopicPayload{Topic: onItsWay})
		server.Kill()
		server.Start()
		late, joined := joinRoom(t, server, "x")
		if joined.Topic == nil || joined.Topic.Topic != acked && joined.Topic.Topic != onItsWay {
			t.Fatalf("after kill %d: got %+v, want %q or %q", kill, joined.Topic, acked, onItsWay)
		}
		// What the room's log says last is what joining tells.
		told := joined.Topic
		read := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x", After: &shared.Cursor{Epoch: joined.Cursor.Epoch}})
		again := servertest.TakeEvent(read, shared.RoomJoined)
		last := shared.TopicPayload{}
		for last.Seq < told.Seq {
			last = servertest.TakeEvent(read, shared.TopicChanged)
		}
		if again.Topic == nil || *again.Topic != *told || last != *told {
			t.Fatalf("after kill %d: got %+v from the log and %+v again, want %+v", kill, last, again.Topic, *told)
		}
		late.Leave()
		read.Leave()
	}
}

// A server in memory serves all the same, says what it is, and keeps nothing.
func TestInMemory(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--data", "none")
	c, _ := joinRoom(t, server, "x")
	if !c.Welcome.Volatile {
		t.Errorf("welcome: got %+v, want volatile", c.Welcome)
	}
	c.Say("for a while")
	setTopic(c, "for a while")
	second, joined := joinRoom(t, server, "x")
	if got := second.TakeMessages(1)[0].Message; got != "for a while" || joined.Topic == nil {
		t.Errorf("a second member: got %q, topic %+v, want both for a while", got, joined.Topic)
	}
	server.Stop()
	server.Start()
	_, joined = joinRoom(t, server, "x")
	if joined.Topic != nil || joined.State != shared.StateNew {
		t.Errorf("after a restart: got %+v, want an empty room", joined)
	}
}
