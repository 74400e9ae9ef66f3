package client

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"websockets/shared"
	"websockets/wasm/client/roomsync"
)

func TestChangeRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		p.message("general", 1, "you", "m1")
		if err := h.ChangeRoom("other"); err != nil {
			t.Fatal(err)
		}
		written := h.send("hello") // "" is the new room at once
		if v := h.View(); v.Current != "other" || v.Room.Synced || len(v.Room.Outgoing) != 1 {
			t.Errorf("view: got %+v, want other, not synced, with one pending", v)
		}
		id, payload := expect(p, shared.ChangeRoom)
		if payload.Name != "other" || payload.After != nil {
			t.Errorf("changed to: got %+v, want other without a cursor", payload)
		}
		p.message("general", 2, "you", "m2") // was on its way
		p.joined(id, "other", shared.StateNew, at(0))
		p.quiet()
		p.synced("other", at(0))
		if got, m := expect(p, shared.SendMessage); got != written || m.Room != "other" {
			t.Errorf("sent: got %s to %s, want %s to other", got, m.Room, written)
		}
		h.wantSeen("m1", "m2")

		// And back: only what was missed is asked for.
		if err := h.ChangeRoom("general"); err != nil {
			t.Fatal(err)
		}
		id, payload = expect(p, shared.ChangeRoom)
		if payload.After == nil || payload.After.Seq != 2 {
			t.Errorf("changed back to: got %+v, want the cursor at 2", payload)
		}
		p.joined(id, "general", shared.StateRecovered, *payload.After)
		p.message("general", 3, "you", "m3")
		p.synced("general", at(3))
		h.wantSeen("m1", "m2", "m3")
		if v := h.View(); len(v.Room.Messages) != 3 {
			t.Errorf("messages in the timeline: got %d, want 3", len(v.Room.Messages))
		}
		p.quiet()
	})
}

// We change to a room, back, and there again before any answer comes. Each answer
// is matched with its request, and no message is seen twice.
func TestChangeRoomFasterThanTheServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		p.message("general", 1, "you", "m1")
		synctest.Wait()
		var ids []string
		for _, name := range []string{"other", "general", "other", "general"} {
			if err := h.ChangeRoom(name); err != nil {
				t.Fatal(err)
			}
			id, payload := expect(p, shared.ChangeRoom)
			if payload.Name != name {
				t.Fatalf("changed to: got %s, want %s", payload.Name, name)
			}
			ids = append(ids, id)
		}
		p.message("general", 2, "you", "m2") // written before the first change was read
		p.joined(ids[0], "other", shared.StateNew, at(0))
		p.joined(ids[1], "general", shared.StateRecovered, at(1))
		p.message("general", 2, "you", "m2") // the server goes by the cursor it was given
		p.joined(ids[2], "other", shared.StateNew, at(0))
		p.message("other", 1, "you", "o1")
		p.joined(ids[3], "general", shared.StateRecovered, at(1))
		p.message("general", 2, "you", "m2")
		p.synced("general", at(2))
		synctest.Wait()
		h.wantSeen("m1", "m2", "o1")
		v := h.View()
		other, _ := h.Room("other")
		if v.Current != "general" || !v.Room.Synced || other.Joined || other.Synced {
			t.Errorf("rooms: got %s (synced: %v), other joined: %v, synced: %v, want general synced and other left", v.Current, v.Room.Synced, other.Joined, other.Synced)
		}
		id := h.send("hello")
		if got, _ := expect(p, shared.SendMessage); got != id {
			t.Errorf("sent: got %s, want %s", got, id)
		}
		p.quiet()
	})
}

func TestRefusedRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		if err := h.ChangeRoom("secret"); err != nil {
			t.Fatal(err)
		}
		written := h.send("hello")
		id, _ := expect(p, shared.ChangeRoom)
		reply(p, shared.Failed, id, shared.Error{Code: "forbidden", Message: "not for you"})
		// The server has left us where we were, and we do not want to be there.
		id, leave := expect(p, shared.LeaveRoom)
		if leave.Name != "general" {
			t.Errorf("left: got %s, want general", leave.Name)
		}
		reply(p, shared.Left, id, leave)
		h.wantState(written, Rejected)
		if v := h.View(); v.Room.Refused == nil || v.Room.Refused.Code != "forbidden" {
			t.Errorf("refused: got %v, want forbidden", v.Room.Refused)
		}
		time.Sleep(30 * time.Second)
		p.quiet() // the client does not ask again
		if err := h.ChangeRoom("secret"); err != nil {
			t.Fatal(err)
		}
		expect(p, shared.ChangeRoom) // but the user may
	})
}

// The answer to a leave says nothing about the join that came after it.
func TestRefusedLeaveDoesNotAffectJoin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		check(t, h.LeaveRoom("general"))
		leave, _ := expect(p, shared.LeaveRoom)
		check(t, h.ChangeRoom("general"))
		written := h.send("hello")
		join, _ := expect(p, shared.ChangeRoom)
		reply(p, shared.Failed, leave, shared.Error{Code: shared.CodeNotMember, Message: "you are not in it"})
		h.wantState(written, Pending)
		p.joined(join, "general", shared.StateCurrent, at(0))
		p.synced("general", at(0))
		if id, _ := expect(p, shared.SendMessage); id != written {
			t.Errorf("sent: got %s, want %s", id, written)
		}
	})
}

// Nor does the answer to a leave take us out of a room we have come back to.
func TestLateLeftDoesNotAffectRejoin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		check(t, h.LeaveRoom("general"))
		leave, payload := expect(p, shared.LeaveRoom)
		check(t, h.ChangeRoom("general"))
		join, _ := expect(p, shared.ChangeRoom)
		reply(p, shared.Left, leave, payload)
		p.quiet()
		p.joined(join, "general", shared.StateCurrent, at(0))
		p.synced("general", at(0))
		written := h.send("hello")
		if id, _ := expect(p, shared.SendMessage); id != written {
			t.Errorf("sent: got %s, want %s", id, written)
		}
		p.quiet()
	})
}

func TestUnavailableRoomIsRetried(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.accept()
		p.greet()
		reply(p, shared.Failed, "", shared.Error{Code: shared.CodeUnavailable, Message: "later", RetryAfter: 4})
		began := time.Now()
		id, payload := expect(p, shared.ChangeRoom)
		if wait := time.Since(began); wait != 4*time.Second || payload.Name != "general" {
			t.Errorf("asked for: got %s after %v, want general after 4s", payload.Name, wait)
		}
		p.joined(id, "general", shared.StateNew, at(0))
		p.synced("general", at(0))
		synctest.Wait()
		if v := h.View(); !v.Room.Synced || v.Room.Refused != nil {
			t.Errorf("view: got %+v, want it synced and not refused", v.Room)
		}
	})
}

func TestUnansweredJoin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.accept()
		p.greet() // and no word on the room
		if _, payload := expect(p, shared.JoinRoom); payload.Name != "general" {
			t.Errorf("asked for: got %s, want general", payload.Name)
		}
	})
}

// Messages for a room that the user has left meanwhile still reach it.
func TestMessagesForLeftRoomAreSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		synctest.Wait()
		p.drop()
		synctest.Wait()
		written := h.send("for general")
		if err := h.ChangeRoom("other"); err != nil {
			t.Fatal(err)
		}
		p = h.accept()
		if room := p.url.Query().Get("room"); room != "other" {
			t.Errorf("room of the reconnect: got %s, want other", room)
		}
		p.welcome("other", shared.StateNew, at(0))
		id, payload := expect(p, shared.JoinRoom)
		if payload.Name != "general" || payload.After == nil {
			t.Errorf("joined: got %+v, want general with a cursor", payload)
		}
		p.joined(id, "general", shared.StateCurrent, at(0))
		p.synced("general", at(0))
		if got, m := expect(p, shared.SendMessage); got != written || m.Room != "general" {
			t.Errorf("sent: got %s to %s, want %s to general", got, m.Room, written)
		}
		id, leave := expect(p, shared.LeaveRoom)
		if leave.Name != "general" {
			t.Errorf("left: got %s, want general", leave.Name)
		}
		reply(p, shared.Left, id, leave)
		p.ackAt(written, "general", 1)
		h.wantAcked(written)
		p.quiet()
	})
}

func TestLeaveRoomWaitsForItsMessages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.accept()
		reply(p, shared.Welcome, "", shared.WelcomePayload{User: "me", Heartbeat: 25, Limits: shared.Limits{InFlight: 1}})
		p.joined("", "general", shared.StateNew, at(0))
		p.synced("general", at(0))
		synctest.Wait()
		first, second := h.send("one"), h.send("two")
		if err := h.LeaveRoom("general"); err != nil {
			t.Fatal(err)
		}
		expect(p, shared.SendMessage)
		p.quiet()
		p.ackAt(first, "general", 1)
		if got, _ := expect(p, shared.SendMessage); got != second {
			t.Errorf("sent: got %s, want %s", got, second)
		}
		expect(p, shared.LeaveRoom)
		if v := h.View(); v.Current != "" {
			t.Errorf("current room: got %q, want none", v.Current)
		}
	})
}

func TestLeftRoomsAreForgotten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		for i := range roomsync.MaxLeftRooms + 10 {
			time.Sleep(time.Second)
			name := fmt.Sprint("room-", i)
			if err := h.ChangeRoom(name); err != nil {
				t.Fatal(err)
			}
			id, _ := expect(p, shared.ChangeRoom)
			p.joined(id, name, shared.StateNew, at(0))
			p.synced(name, at(0))
			synctest.Wait()
		}
		h.Client.mu.Lock()
		n := h.rooms.Len()
		h.Client.mu.Unlock()
		if n != roomsync.MaxLeftRooms+1 {
			t.Errorf("rooms remembered: got %d, want %d", n, roomsync.MaxLeftRooms+1)
		}
		if _, ok := h.Room("general"); ok {
			t.Error("room that was left first: got it remembered, want it forgotten")
		}
		if _, ok := h.Room("room-20"); !ok {
			t.Error("room that was left a moment ago: got it forgotten, want it remembered")
		}
	})
}
