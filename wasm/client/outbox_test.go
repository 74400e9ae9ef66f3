package client

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"websockets/shared"
	"websockets/wasm/client/outbox"
)

// ackAt acks a message with its sequence in the log.
func (p *peer) ackAt(id, room string, seq uint64) {
	reply(p, shared.Ack, id, shared.AckPayload{Room: room, Seq: seq, Sent: time.Now().UTC()})
}

func TestMessageGoesFromPendingToSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		id := h.send("hello")
		if got, payload := expect(p, shared.SendMessage); got != id || payload.Room != "general" || payload.Message != "hello" {
			t.Errorf("sent: got %s %+v, want %s with hello to general", got, payload, id)
		}
		h.wantState(id, Pending)
		p.ackAt(id, "general", 1)
		h.wantState(id, Sent)
		h.wantAcked(id)
		p.message("general", 1, "me", id)
		h.wantState(id, "")
		v := h.View()
		if len(v.Room.Messages) != 1 || v.Key(v.Room.Messages[0]) != id {
			t.Errorf("timeline: got %v, want message %s alone", v.Room.Messages, id)
		}
		h.wantAcked(id)
		h.wantSeen(id)
	})
}

func TestMessageBeforeItsAck(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		id := h.send("hello")
		p.message("general", 1, "me", id)
		h.wantState(id, "") // one row
		h.wantAcked()       // not on disk yet, for all we know
		p.ackAt(id, "general", 1)
		h.wantAcked(id)
		if n, _ := h.left(); n != 0 {
			t.Errorf("messages left in the outbox: got %d, want none", n)
		}
	})
}

func TestOfflineMessagesAreSentOnceInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, func(h *harness, _ *Config) { h.refuse = errors.New("no route") })
		var ids []string
		for i := range 5 {
			ids = append(ids, h.send(fmt.Sprint("message ", i)))
		}
		if v := h.View(); v.Queued != 5 || len(v.Room.Outgoing) != 5 {
			t.Errorf("queued: got %d, %d of them pending, want 5", v.Queued, len(v.Room.Outgoing))
		}
		h.mu.Lock()
		h.refuse = nil
		h.mu.Unlock()
		p := h.accept()
		p.greet()
		p.joined("", "general", shared.StateNew, at(0))
		p.quiet() // nothing before synced
		p.synced("general", at(0))
		for i, want := range ids {
			if id, _ := expect(p, shared.SendMessage); id != want {
				t.Errorf("message %d sent: got %s, want %s", i, id, want)
			}
		}
		p.quiet()
	})
}

// lostAck connects, sends a, b, c, which go on the wire, and breaks before an
// answer.
func lostAck(h *harness) (ids []string) {
	p := h.connect()
	for _, text := range []string{"a", "b", "c"} {
		ids = append(ids, h.send(text))
		expect(p, shared.SendMessage)
	}
	p.drop()
	synctest.Wait()
	return ids
}

func TestRecoveredMessagesAreNotSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		ids := lostAck(h)
		p := h.accept()
		p.greet()
		p.joined("", "general", shared.StateRecovered, at(0))
		p.message("general", 1, "you", "m1")
		p.message("general", 2, "me", ids[0])
		p.message("general", 3, "you", ids[1]) // another's message with our id is not ours
		p.quiet()
		p.synced("general", shared.Cursor{Epoch: "e1", Seq: 3, ID: ids[1]})
		for _, want := range ids[1:] {
			if id, _ := expect(p, shared.SendMessage); id != want {
				t.Errorf("sent: got %s, want %s", id, want)
			}
		}
		p.quiet()
		h.wantAcked(ids[0])
		h.wantSeen("m1", ids[0], ids[1])
	})
}

func TestEchoedMessageIsFinishedOnReconnect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		id := h.send("hello")
		expect(p, shared.SendMessage)
		p.message("general", 1, "me", id)
		synctest.Wait()
		p.drop()
		h.wantAcked()
		p = h.accept()
		p.welcome("general", shared.StateCurrent, shared.Cursor{Epoch: "e1", Seq: 1, ID: id})
		p.quiet()
		h.wantAcked(id)
	})
}

func TestUncertainMessageWaitsForUser(t *testing.T) {
	for _, state := range []string{shared.StateTruncated, shared.StateReset, shared.StateNew} {
		bubble(t, func(t *testing.T) {
			h := start(t)
			ids := lostAck(h)
			new := h.send("written later") // never sent, so it is not uncertain
			p := h.accept()
			begin := at(10)
			if state == shared.StateReset {
				begin.Epoch = "e2"
			}
			p.greet()
			reply(p, shared.RoomJoined, "", shared.RoomJoinedPayload{
				Room: "general", Cursor: begin, State: state, Truncated: &shared.Truncated{After: 0, First: 11},
			})
			p.message("general", 11, "me", ids[1])
			end := shared.Cursor{Epoch: begin.Epoch, Seq: 11, ID: ids[1]}
			p.synced("general", end)
			if id, _ := expect(p, shared.SendMessage); id != new {
				t.Errorf("%s: sent: got %s, want %s", state, id, new)
			}
			p.quiet()
			h.wantState(ids[0], Uncertain)
			h.wantState(ids[1], "")
			h.wantState(ids[2], Uncertain)
			h.wantAcked(ids[1])

			if err := h.Discard(ids[0]); err != nil {
				t.Error(err)
			}
			h.wantState(ids[0], "")
			if err := h.Retry(ids[2]); err != nil {
				t.Error(err)
			}
			if id, _ := expect(p, shared.SendMessage); id != ids[2] {
				t.Errorf("%s: sent by Retry: got %s, want %s", state, id, ids[2])
			}
			for _, id := range []string{ids[0], ids[2], "nonsense"} {
				if h.Retry(id) != ErrNoMessage || h.Discard(id) != ErrNoMessage {
					t.Errorf("%s: Retry and Discard of %s: got one that found it, want %v from both", state, id, ErrNoMessage)
				}
			}
		})
	}
}

// Messages that were seen in a log that has been replaced say nothing about the
// new one.
func TestEchoedInALogThatWasReset(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		id := h.send("hello")
		expect(p, shared.SendMessage)
		p.message("general", 1, "me", id)
		synctest.Wait()
		p.drop()
		p = h.accept()
		p.welcome("general", shared.StateReset, shared.Cursor{Epoch: "e2"})
		p.quiet()
		h.wantState(id, Uncertain)
		h.wantAcked()
	})
}

// A gap that opened on a connection that broke before it was synced is still a
// gap when the next connection continues behind it.
func TestUncertaintyOutlivesTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		ids := lostAck(h)
		p := h.accept()
		p.greet()
		reply(p, shared.RoomJoined, "", shared.RoomJoinedPayload{
			Room: "general", Cursor: at(10), State: shared.StateTruncated, Truncated: &shared.Truncated{After: 0, First: 11},
		})
		p.message("general", 11, "you", "m11")
		synctest.Wait()
		p.drop()
		p = h.accept()
		p.welcome("general", shared.StateCurrent, at(11))
		p.quiet()
		for _, id := range ids {
			h.wantState(id, Uncertain)
		}
	})
}

func TestReconnectAsAnotherUser(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		ids := lostAck(h)
		p := h.accept()
		reply(p, shared.Welcome, "", shared.WelcomePayload{User: "someone else", Heartbeat: 25})
		p.joined("", "general", shared.StateCurrent, at(0))
		p.synced("general", at(0))
		p.quiet()
		for _, id := range ids {
			h.wantState(id, Uncertain)
		}
	})
}

func TestUnavailableKeepsOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		var ids []string
		for i := range 4 {
			ids = append(ids, h.send(fmt.Sprint(i)))
			expect(p, shared.SendMessage)
		}
		refused := time.Now()
		reply(p, shared.Failed, ids[1], shared.Error{Code: shared.CodeUnavailable, Message: "later", RetryAfter: 3})
		p.ackAt(ids[0], "general", 1)
		reply(p, shared.Failed, ids[2], shared.Error{Code: shared.CodeUnavailable, Message: "later", RetryAfter: 3})
		synctest.Wait()
		late := h.send("late")
		synctest.Wait()
		if until := h.View().PausedUntil; !until.Equal(refused.Add(3 * time.Second)) {
			t.Errorf("paused until: got %v, want %v", until, refused.Add(3*time.Second))
		}
		time.Sleep(5 * time.Second)
		p.quiet() // the fourth has no answer yet
		reply(p, shared.Failed, ids[3], shared.Error{Code: shared.CodeUnavailable, Message: "later", RetryAfter: 0.5})
		for _, want := range append(ids[1:], late) {
			if id, _ := expect(p, shared.SendMessage); id != want {
				t.Errorf("sent: got %s, want %s", id, want)
			}
		}
		h.wantState(ids[1], Pending)
		if !h.View().PausedUntil.IsZero() {
			t.Error("PausedUntil after the resend: got a time, want none")
		}
	})
}

// The server reads a send of the previous connection late, and stores it after
// the new connection is synced. It refuses the second send.
func TestRefusedButInTheLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		ids := lostAck(h)
		p := h.accept()
		p.welcome("general", shared.StateCurrent, at(0))
		for range ids {
			expect(p, shared.SendMessage)
		}
		p.message("general", 1, "me", ids[0])
		reply(p, shared.Failed, ids[0], shared.Error{Code: shared.CodeUnavailable, Message: "later", RetryAfter: 1})
		p.ackAt(ids[1], "general", 2)
		p.ackAt(ids[2], "general", 3)
		h.wantAcked(ids...)
		time.Sleep(3 * time.Second)
		p.quiet()
	})
}

// The same, but the refusal comes first.
func TestRefusedThenInTheLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		id := h.send("hello")
		expect(p, shared.SendMessage)
		reply(p, shared.Failed, id, shared.Error{Code: shared.CodeUnavailable, Message: "later", RetryAfter: 1})
		p.message("general", 1, "me", id)
		h.wantAcked(id)
		h.wantState(id, "")
		time.Sleep(3 * time.Second)
		p.quiet()
	})
}

func TestAckedInALogThatWasReset(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		id := h.send("hello")
		expect(p, shared.SendMessage)
		p.ackAt(id, "general", 7)
		h.wantState(id, Sent)
		p.drop()
		h.accept().welcome("general", shared.StateReset, shared.Cursor{Epoch: "e2"})
		h.wantState(id, "") // gone with the rest of that log
		h.wantAcked(id)
	})
}

func TestRejectedShowsReason(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		id, next := h.send("bad"), h.send("good")
		expect(p, shared.SendMessage)
		expect(p, shared.SendMessage)
		reply(p, shared.Failed, id, shared.Error{Code: shared.CodeBadMessage, Message: "not here"})
		p.ackAt(next, "general", 1)
		h.wantState(id, Rejected)
		h.wantAcked(next)
		if got := h.View().Room.Outgoing[0].Reason; got != "not here" {
			t.Errorf("reason: got %q, want %q", got, "not here")
		}
		p.quiet()
	})
}

func TestNotMemberJoinsAgainAndResends(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		id := h.send("hello")
		expect(p, shared.SendMessage)
		reply(p, shared.Failed, id, shared.Error{Code: shared.CodeNotMember, Message: "join first"})
		join, payload := expect(p, shared.JoinRoom)
		if payload.Name != "general" || payload.After == nil || *payload.After != at(0) {
			t.Errorf("joined: got %+v, want general after %v", payload, at(0))
		}
		p.joined(join, "general", shared.StateCurrent, at(0))
		p.synced("general", at(0))
		if got, _ := expect(p, shared.SendMessage); got != id {
			t.Errorf("resent: got %s, want %s", got, id)
		}
	})
}

func TestFinalCloseCodeFailsOldestMessage(t *testing.T) {
	for _, code := range []int{1003, 1007, 1008, 1009} {
		bubble(t, func(t *testing.T) {
			h := start(t)
			p := h.connect()
			first, second := h.send("first"), h.send("second")
			expect(p, shared.SendMessage)
			expect(p, shared.SendMessage)
			p.shut(code, "no")
			<-h.ended
			h.wantState(first, Failed)
			h.wantState(second, Pending)
			if got := h.View().Room.Outgoing[0].Reason; !strings.Contains(got, fmt.Sprint(code)) {
				t.Errorf("reason: got %q, want one with the code %d", got, code)
			}
		})
	}
}

func TestInFlightIsBounded(t *testing.T) {
	for _, limit := range []int{0, 5, 1000} {
		want := outbox.MaxInFlight
		if limit == 5 {
			want = 5
		}
		bubble(t, func(t *testing.T) {
			h := start(t)
			p := h.accept()
			reply(p, shared.Welcome, "", shared.WelcomePayload{User: "me", Heartbeat: 25, Limits: shared.Limits{InFlight: limit}})
			p.joined("", "general", shared.StateNew, at(0))
			p.synced("general", at(0))
			var ids []string
			for i := range 100 {
				ids = append(ids, h.send(fmt.Sprint(i)))
			}
			synctest.Wait()
			if n := len(p.toServer); n != want {
				t.Errorf("limit %d: messages on the wire: got %d, want %d", limit, n, want)
			}
			for i, want := range ids { // every ack makes room for one
				id, _ := expect(p, shared.SendMessage)
				if id != want {
					t.Fatalf("limit %d: message %d: got %s, want %s", limit, i, id, want)
				}
				p.ackAt(id, "general", uint64(i+1))
			}
			h.wantAcked(ids...)
		})
	}
}

func TestOutboxIsBounded(t *testing.T) {
	c, err := New(Config{URL: "ws://chat.test/ws"})
	if err != nil {
		t.Fatal(err)
	}
	for range outbox.MaxMessages {
		if _, err := c.Send("", "x"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Send("", "x"); err != ErrOutboxFull {
		t.Errorf("Send with a full outbox: got %v, want %v", err, ErrOutboxFull)
	}
	if c.View().Queued != outbox.MaxMessages {
		t.Errorf("queued: got %d, want %d", c.View().Queued, outbox.MaxMessages)
	}
}

func TestSendValidates(t *testing.T) {
	c, err := New(Config{URL: "ws://chat.test/ws"})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []struct{ room, message, code string }{
		{"", "", shared.CodeBadMessage},
		{"", strings.Repeat("x", shared.MaxMessageLength+1), shared.CodeBadMessage},
		{"", "\xff", shared.CodeBadMessage},
		{"../x", "hi", shared.CodeBadRoom},
	} {
		_, err := c.Send(bad.room, bad.message)
		var refused *shared.Error
		if !errors.As(err, &refused) || refused.Code != bad.code {
			t.Errorf("Send(%q, %.10q): got %v, want %s", bad.room, bad.message, err, bad.code)
		}
	}
	if err := c.LeaveRoom("general"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Send("", "hi"); err != ErrNoRoom {
		t.Errorf("Send without a room: got %v, want %v", err, ErrNoRoom)
	}
}

// A room that we cannot send to yet does not hold up the others.
func TestRoomsDoNotWaitForEachOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		first, err := h.Send("elsewhere", "one")
		if err != nil {
			t.Fatal(err)
		}
		second := h.send("two")
		var join string
		var events []string
		for range 2 { // in either order
			e := p.next()
			if events = append(events, e.Type+" "+e.ID); e.Type == shared.JoinRoom.Name() {
				join = e.ID
			}
		}
		if join == "" || !slices.Contains(events, "send_message "+second) {
			t.Fatalf("the client sent: got %v, want join_room and send_message %s", events, second)
		}
		p.joined(join, "elsewhere", shared.StateNew, at(0))
		p.synced("elsewhere", at(0))
		if id, _ := expect(p, shared.SendMessage); id != first {
			t.Errorf("sent: got %s, want %s", id, first)
		}
		// The user never asked to be there: when the message is sent, we leave.
		expect(p, shared.LeaveRoom)
	})
}
