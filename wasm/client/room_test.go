package client

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"websockets/shared"
	"websockets/wasm/client/roomsync"
)

func TestExactlyOnceInOrderAcrossConnections(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		p.message("general", 1, "you", "m1")
		p.message("general", 2, "you", "m2")
		p.message("general", 2, "you", "m2") // told twice
		p.message("general", 1, "you", "m1") // and late
		p.message("general", 5, "you", "m5")
		synctest.Wait()
		p.drop()
		p = h.accept()
		if after := p.after(); after == nil || *after != at(5) {
			t.Errorf("cursor of the reconnect: got %v, want %v", after, at(5))
		}
		p.greet()
		p.joined("", "general", shared.StateRecovered, at(3)) // further back than we asked
		p.message("general", 4, "you", "m4")
		p.message("general", 5, "you", "m5")
		p.message("general", 7, "you", "m7")
		p.synced("general", at(7))
		p.message("general", 8, "you", "m8")
		h.wantSeen("m1", "m2", "m5", "m7", "m8")
		v := h.View()
		if len(v.Room.Messages) != 5 || !v.Room.Synced || len(v.Room.Gaps) != 0 || v.Room.More {
			t.Errorf("view: got %+v, want 5 messages, synced, no gaps and no more", v.Room)
		}
	})
}

// Frames that arrived before the close frame are not lost with the connection.
func TestFramesBeforeCloseAreHandled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		for seq := range uint64(300) {
			p.message("general", seq+1, "you", fmt.Sprint("m", seq+1))
		}
		p.shut(shared.CloseRestart, "")
		p = h.accept()
		if after := p.after(); after == nil || *after != at(300) {
			t.Errorf("cursor of the reconnect: got %v, want %v", after, at(300))
		}
	})
}

func TestGapAndReset(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		p.message("general", 1, "you", "m1")
		synctest.Wait()
		p.drop()
		p = h.accept()
		p.greet()
		gap := shared.Truncated{After: 1, First: 10}
		reply(p, shared.RoomJoined, "", shared.RoomJoinedPayload{Room: "general", Cursor: at(1), State: shared.StateTruncated, Truncated: &gap})
		p.message("general", 10, "you", "m10")
		p.synced("general", at(10))
		synctest.Wait()
		if v := h.View(); !slices.Equal(v.Room.Gaps, []shared.Truncated{gap}) || len(v.Room.Messages) != 2 || v.Room.WasReset {
			t.Errorf("view after truncated: got %+v, want 2 messages and one gap", v.Room)
		}
		// The server may find a gap later too, while it reads for a slow client.
		second := shared.Truncated{After: 10, First: 21}
		reply(p, shared.RoomJoined, "", shared.RoomJoinedPayload{Room: "general", Cursor: at(20), State: shared.StateTruncated, Truncated: &second})
		p.message("general", 15, "you", "m15") // never
		p.message("general", 21, "you", "m21")
		synctest.Wait()
		if v := h.View(); !slices.Equal(v.Room.Gaps, []shared.Truncated{gap, second}) || len(v.Room.Messages) != 3 || !v.Room.Synced {
			t.Errorf("view after truncated on the way: got %+v, want 3 messages, synced, and two gaps", v.Room)
		}
		p.drop()
		p = h.accept()
		p.welcome("general", shared.StateReset, shared.Cursor{Epoch: "e2", Seq: 3, ID: "x3"})
		synctest.Wait()
		if v := h.View(); len(v.Room.Messages) != 0 || len(v.Room.Gaps) != 0 || !v.Room.WasReset || !v.Room.More {
			t.Errorf("view after reset: got %+v, want no messages, no gaps, reset, and more", v.Room)
		}
		p.message("general", 4, "you", "x4")
		h.wantSeen("m1", "m10", "m21", "x4")
	})
}

func TestOtherRoomsResumeWithTheirCursors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		if err := h.JoinRoom("beside"); err != nil {
			t.Fatal(err)
		}
		id, payload := expect(p, shared.JoinRoom)
		if payload.Name != "beside" || payload.After != nil {
			t.Errorf("joined: got %+v, want beside without a cursor", payload)
		}
		p.joined(id, "beside", shared.StateNew, at(0))
		p.message("beside", 4, "you", "m4")
		p.synced("beside", at(4))
		p.message("general", 6, "you", "m6")
		synctest.Wait()
		p.drop()
		p = h.accept()
		if room := p.url.Query().Get("room"); room != "general" || *p.after() != at(6) {
			t.Errorf("address: got %v, want general after %v", p.url, at(6))
		}
		if p.session != "token" {
			t.Errorf("session: got %q, want %q from the welcome", p.session, "token")
		}
		p.greet()
		if _, payload := expect(p, shared.JoinRoom); payload.Name != "beside" || payload.After == nil || *payload.After != at(4) {
			t.Errorf("joined: got %+v, want beside after %v", payload, at(4))
		}
		p.quiet()
		if v := h.View(); v.Current != "general" {
			t.Errorf("current room: got %s, want general", v.Current)
		}
	})
}

func TestTimelineIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		for seq := range uint64(roomsync.MaxTail + 100) {
			p.message("general", seq+1, "you", fmt.Sprint("m", seq+1))
		}
		synctest.Wait()
		before := h.View().Room
		if len(before.Messages) != roomsync.MaxTail || before.Messages[0].Seq != 101 || !before.More || before.Unread != shared.MaxUnread+1 {
			t.Errorf("timeline: got %d messages from %d on, more: %v, unread: %d, want %d from 101 on, more, unread: %d", len(before.Messages), before.Messages[0].Seq, before.More, before.Unread, roomsync.MaxTail, shared.MaxUnread+1)
		}

		for seq := range uint64(roomsync.MaxWindow) {
			p.message("general", seq+roomsync.MaxTail+101, "you", "m")
		}
		synctest.Wait()
		if before.Messages[0].Seq != 101 || before.Messages[roomsync.MaxTail-1].Seq != roomsync.MaxTail+100 {
			t.Error("older view: got it changed, want it as it was")
		}
	})
}

func TestHistoryOfAnotherLogIsNotMixedIn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.accept()
		p.welcome("general", shared.StateNew, at(50))
		p.message("general", 51, "you", "m51")
		synctest.Wait()
		older := make(chan error)
		go func() { older <- h.LoadOlder(context.Background(), "general") }()
		id, _ := expect(p, shared.LoadHistory)
		p.joined("", "general", shared.StateReset, shared.Cursor{Epoch: "e2", Seq: 50, ID: "x50"})
		p.message("general", 51, "you", "x51")
		reply(p, shared.History, id, shared.HistoryPayload{Room: "general", Messages: []shared.Message{{Seq: 50, ID: "m50", Room: "general"}}})
		if err := <-older; err != nil {
			t.Fatal(err)
		}
		if v := h.View(); len(v.Room.Messages) != 1 || !v.Room.More {
			t.Errorf("new log: got %v, more: %v, want one message and more", v.Room.Messages, v.Room.More)
		}
	})
}

// After a leave the server accepts no read mark for the room. So the second mark is sent
// at once, and not a second later.
func TestLeaveSendsSecondReadMark(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		for seq := range uint64(2) {
			p.message("general", seq+1, "you", "m")
			synctest.Wait()
			h.MarkRead("general", seq+1)
			synctest.Wait()
		}
		check(t, h.ChangeRoom("other"))
		for _, seq := range []uint64{1, 2} {
			if _, mark := expect(p, shared.MarkRead); mark.Seq != seq {
				t.Errorf("read mark: got %d, want %d", mark.Seq, seq)
			}
		}
		expect(p, shared.ChangeRoom)
	})
}

func TestUnreadAndReadMarks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.accept()
		p.greet()
		p.joined("", "general", shared.StateNew, at(0))
		p.message("general", 1, "you", "m1") // the backlog counts as read
		p.synced("general", at(1))
		p.message("general", 2, "you", "m2")
		p.message("general", 3, "me", "mine")
		p.message("general", 4, "you", "m4")
		synctest.Wait()
		if v := h.View().Room; v.Unread != 2 || v.ReadSeq != 1 {
			t.Errorf("unread: got %d after %d, want 2 after 1", v.Unread, v.ReadSeq)
		}
		h.MarkRead("general", 2)
		if _, mark := expect(p, shared.MarkRead); mark != (shared.MarkReadPayload{Room: "general", Seq: 2}) {
			t.Errorf("read mark: got %+v, want 2 in general", mark)
		}
		marked := time.Now()
		h.MarkRead("general", 3)
		h.MarkRead("general", 99)
		h.MarkRead("general", 1)
		if v := h.View().Room; v.Unread != 0 {
			t.Errorf("unread after MarkRead: got %d, want 0", v.Unread)
		}
		if _, mark := expect(p, shared.MarkRead); mark.Seq != 4 || time.Since(marked) != roomsync.ReadMarkInterval {
			t.Errorf("read mark: got %+v after %v, want 4 after %v", mark, time.Since(marked), roomsync.ReadMarkInterval)
		}
		p.message("general", 5, "you", "m5")
		reply(p, shared.Read, "", shared.MarkReadPayload{Room: "general", Seq: 5})
		synctest.Wait()
		if v := h.View().Room; v.Unread != 0 {
			t.Errorf("unread after another device has read: got %d, want 0", v.Unread)
		}
		p.quiet()
	})
}

func TestReadMarkIsSentBeforeLeave(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		p.message("general", 1, "you", "m1")
		p.message("general", 2, "you", "m2")
		synctest.Wait()
		h.MarkRead("general", 1)
		expect(p, shared.MarkRead)
		h.MarkRead("general", 2)
		p.quiet() // within a second
		check(t, h.ChangeRoom("other"))
		if _, mark := expect(p, shared.MarkRead); mark.Seq != 2 {
			t.Errorf("read mark: got %+v, want 2", mark)
		}
		expect(p, shared.ChangeRoom)
		p.quiet()
	})
}

func TestUnreadAboveTimeline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for unread, above := range map[int]int{3: 0, 5: 0, 8: 3, shared.MaxUnread + 1: -1} {
			h := start(t)
			p := h.accept()
			p.greet()
			p.joined("", "general", shared.StateNew, at(20))
			for seq := uint64(21); seq <= 25; seq++ {
				p.message("general", seq, "you", fmt.Sprint("m", seq))
			}
			p.synced("general", at(25))
			synctest.Wait()
			if v := h.View().Room; v.ReadKnown {
				t.Error("ReadKnown before the list: got true, want false")
			}
			listed := make(chan error)
			go func() {
				_, err := h.ListRooms(context.Background(), "")
				listed <- err
			}()
			id, _ := expect(p, shared.ListRooms)
			reply(p, shared.Rooms, id, shared.RoomsPayload{Rooms: []shared.RoomSummary{{Name: "general", Unread: unread}}})
			check(t, <-listed)
			if v := h.View().Room; !v.ReadKnown || v.UnreadAbove != above || v.ReadSeq != 25-uint64(min(unread, 5)) {
				t.Errorf("list with %d unread: got %d above %d, known: %v, want %d above %d, known", unread, v.UnreadAbove, v.ReadSeq, v.ReadKnown, above, 25-uint64(min(unread, 5)))
			}
			h.MarkRead("general", 25)
			if v := h.View().Room; v.UnreadAbove != 0 {
				t.Errorf("unread above after MarkRead: got %d, want 0", v.UnreadAbove)
			}
			h.cancel()
		}
	})
}

func TestListCountsUnreadOfNewRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		listed := make(chan error)
		go func() {
			_, err := h.ListRooms(context.Background(), "")
			listed <- err
		}()
		id, _ := expect(p, shared.ListRooms)
		noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
		reply(p, shared.Rooms, id, shared.RoomsPayload{Rooms: []shared.RoomSummary{
			{Name: "busy", LastActivity: noon, Unread: 2}, {Name: "calm", LastActivity: noon.Add(-time.Hour)},
		}})
		if err := <-listed; err != nil {
			t.Fatal(err)
		}
		want := []RoomEntry{
			{Name: "busy", LastActivity: noon, Unread: 2}, {Name: "calm", LastActivity: noon.Add(-time.Hour)}, {Name: "general", Joined: true},
		}
		if v := h.View(); !slices.Equal(v.Rooms, want) {
			t.Errorf("rooms: got %v, want %v", v.Rooms, want)
		}
		if err := h.ChangeRoom("busy"); err != nil {
			t.Fatal(err)
		}
		join, _ := expect(p, shared.ChangeRoom)
		p.joined(join, "busy", shared.StateNew, at(0))
		for seq := range uint64(5) {
			p.message("busy", seq+1, "you", fmt.Sprint("m", seq+1))
		}
		p.synced("busy", at(5))
		synctest.Wait()
		if v := h.View().Room; v.Unread != 2 || v.ReadSeq != 3 {
			t.Errorf("unread: got %d after %d, want 2 after 3", v.Unread, v.ReadSeq)
		}
	})
}

// The View has the first page, and each page that MoreRooms loads. Reloading the first
// page keeps the others, unless the user has read a room on another device.
func TestMoreRoomsExtendsTheList(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
		rooms := func(names ...string) (list []shared.RoomSummary) {
			for _, name := range names {
				list = append(list, shared.RoomSummary{Name: name, LastActivity: noon})
			}
			return list
		}
		request := func(ask func() error, page string, answer shared.RoomsPayload) {
			t.Helper()
			done := make(chan error)
			go func() { done <- ask() }()
			id, asked := expect(p, shared.ListRooms)
			if asked != (shared.ListRoomsPayload{Page: page}) {
				t.Errorf("asked for %+v, want page %q", asked, page)
			}
			reply(p, shared.Rooms, id, answer)
			check(t, <-done)
		}
		first := func() error {
			_, err := h.ListRooms(context.Background(), "")
			return err
		}
		more := func() error { return h.MoreRooms(context.Background()) }
		shows := func(hasMore bool, want ...string) {
			t.Helper()
			var got []string
			v := h.View()
			for _, e := range v.Rooms {
				got = append(got, e.Name)
			}
			if !slices.Equal(got, want) || v.MoreRooms != hasMore {
				t.Errorf("rooms: got %q, more: %v, want %q, %v", got, v.MoreRooms, want, hasMore)
			}
		}
		check(t, more()) // there is no list yet
		request(first, "", shared.RoomsPayload{Rooms: rooms("a", "b", "general"), Next: "2"})
		shows(true, "a", "b", "general")
		request(more, "2", shared.RoomsPayload{Rooms: rooms("c", "b"), Next: "3"})
		shows(true, "a", "b", "c", "general")
		request(first, "", shared.RoomsPayload{Rooms: rooms("new", "a", "general"), Next: "2"})
		shows(true, "a", "b", "c", "general", "new")
		request(more, "3", shared.RoomsPayload{Rooms: rooms("d")})
		shows(false, "a", "b", "c", "d", "general", "new")
		check(t, more())
		reply(p, shared.Read, "", shared.MarkReadPayload{Room: "c", Seq: 1})
		synctest.Wait()
		request(first, "", shared.RoomsPayload{Rooms: rooms("a", "new", "general"), Next: "2"})
		shows(true, "a", "general", "new")
	})
}

// The unread count of a room that the first page does not have is asked for by its name.
func TestUnreadOfRoomBeyondTheFirstPage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		for seq := range uint64(3) {
			p.message("general", seq+1, "you", fmt.Sprint("m", seq+1))
		}
		done := make(chan error)
		go func() {
			_, err := h.ListRooms(context.Background(), "")
			done <- err
		}()
		id, _ := expect(p, shared.ListRooms)
		reply(p, shared.Rooms, id, shared.RoomsPayload{Rooms: []shared.RoomSummary{{Name: "busy"}}, Next: "2"})
		id, asked := expect(p, shared.ListRooms)
		if asked != (shared.ListRoomsPayload{Filter: "general"}) {
			t.Errorf("asked for %+v, want the filter general", asked)
		}
		reply(p, shared.Rooms, id, shared.RoomsPayload{Rooms: []shared.RoomSummary{{Name: "general-2"}, {Name: "general", Unread: 7}}})
		check(t, <-done)
		v := h.View()
		if i := slices.IndexFunc(v.Rooms, func(e RoomEntry) bool { return e.Name == "general" }); i < 0 || !v.Room.ReadKnown {
			t.Errorf("general: got %+v, read known: %v, want it listed and known", v.Rooms, v.Room.ReadKnown)
		}
	})
}

func TestListCountsUndecidedMessages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		h.send("no")
		h.send("fine")
		id, _ := expect(p, shared.SendMessage)
		reply(p, shared.Failed, id, shared.Error{Code: shared.CodeBadMessage, Message: "no"})
		synctest.Wait()
		if v := h.View(); len(v.Rooms) != 1 || v.Rooms[0].Undecided != 1 {
			t.Errorf("rooms: got %+v, want one with 1 undecided", v.Rooms)
		}
		check(t, h.ChangeRoom("other"))
		v := h.View()
		i := slices.IndexFunc(v.Rooms, func(e RoomEntry) bool { return e.Name == "general" })
		if i < 0 || v.Rooms[i] != (RoomEntry{Name: "general", Undecided: 1}) {
			t.Errorf("rooms from another room: got %+v, want general with 1 undecided", v.Rooms)
		}
		check(t, h.Discard(id))
		if v := h.View(); len(v.Rooms) != 1 || v.Rooms[0].Undecided != 0 {
			t.Errorf("rooms after Discard: got %+v, want one with none undecided", v.Rooms)
		}
	})
}

// The first room is joined by the address of the connection, before there is a list.
func TestListSetsReadMarkOfFirstRoom(t *testing.T) {
	for _, test := range []struct {
		unread, shown int
		mark          uint64 // told, 0 for none
		reads         bool   // while the list is on its way
	}{{2, 2, 0, false}, {0, 0, 5, false}, {2, 0, 6, true}} {
		bubble(t, func(t *testing.T) {
			h := start(t)
			p := h.accept()
			p.greet()
			p.joined("", "general", shared.StateNew, at(0))
			for seq := range uint64(5) {
				p.message("general", seq+1, "you", fmt.Sprint("m", seq+1))
			}
			p.synced("general", at(5))
			synctest.Wait()
			if v := h.View().Room; v.Unread != 0 {
				t.Errorf("unread before the list: got %d, want 0", v.Unread)
			}
			listed := make(chan error)
			go func() {
				_, err := h.ListRooms(context.Background(), "")
				listed <- err
			}()
			id, _ := expect(p, shared.ListRooms)
			if test.reads {
				p.message("general", 6, "you", "m6")
				synctest.Wait()
				h.MarkRead("general", 6)
			}
			reply(p, shared.Rooms, id, shared.RoomsPayload{Rooms: []shared.RoomSummary{{Name: "general", Unread: test.unread}}})
			if err := <-listed; err != nil {
				t.Fatal(err)
			}
			if v := h.View().Room; v.Unread != test.shown {
				t.Errorf("unread after a list with %d: got %d, want %d", test.unread, v.Unread, test.shown)
			}
			if test.mark != 0 {
				if _, mark := expect(p, shared.MarkRead); mark.Seq != test.mark {
					t.Errorf("read mark: got %d, want %d", mark.Seq, test.mark)
				}
			}
			p.quiet()
		})
	}
}

// The unread count from the list is shown until the messages of the room arrive or are
// read.
func TestListedUnreadOfRejoinedRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		p.message("general", 1, "you", "m1")
		synctest.Wait()
		h.MarkRead("general", 1)
		expect(p, shared.MarkRead)
		unread := func() int {
			synctest.Wait()
			v := h.View()
			return v.Rooms[slices.IndexFunc(v.Rooms, func(e RoomEntry) bool { return e.Name == "general" })].Unread
		}
		list := func(n int) {
			listed := make(chan error)
			go func() {
				_, err := h.ListRooms(context.Background(), "")
				listed <- err
			}()
			id, _ := expect(p, shared.ListRooms)
			reply(p, shared.Rooms, id, shared.RoomsPayload{Rooms: []shared.RoomSummary{{Name: "general", Unread: n}}})
			check(t, <-listed)
		}
		check(t, h.ChangeRoom("other"))
		join, _ := expect(p, shared.ChangeRoom)
		p.joined(join, "other", shared.StateNew, at(0))
		p.synced("other", at(0))
		list(2)
		if n := unread(); n != 2 {
			t.Errorf("unread after the list: got %d, want 2", n)
		}
		check(t, h.ChangeRoom("general"))
		join, _ = expect(p, shared.ChangeRoom)
		if n := unread(); n != 2 {
			t.Errorf("unread on the way back: got %d, want 2", n)
		}
		p.joined(join, "general", shared.StateRecovered, at(1))
		p.message("general", 2, "you", "m2")
		p.message("general", 3, "you", "m3")
		p.synced("general", at(3))
		if n := unread(); n != 2 {
			t.Errorf("unread back in the room: got %d, want 2", n)
		}
		h.MarkRead("general", 3)
		check(t, h.ChangeRoom("other"))
		if n := unread(); n != 0 {
			t.Errorf("unread in the room that was read and left: got %d, want 0", n)
		}
	})
}

// The list becomes stale when the user reads a room on another device that this client
// has not joined.
func TestReadOnAnotherDevice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		reply(p, shared.Read, "", shared.MarkReadPayload{Room: "general", Seq: 1})
		synctest.Wait()
		if h.View().RoomsStale {
			t.Error("RoomsStale after a mark in a room we are in: got true, want false")
		}
		reply(p, shared.Read, "", shared.MarkReadPayload{Room: "other", Seq: 1})
		synctest.Wait()
		if !h.View().RoomsStale {
			t.Error("RoomsStale after a mark in another room: got false, want true")
		}
		listed := make(chan error)
		go func() {
			_, err := h.ListRooms(context.Background(), "")
			listed <- err
		}()
		id, _ := expect(p, shared.ListRooms)
		reply(p, shared.Rooms, id, shared.RoomsPayload{})
		if err := <-listed; err != nil || h.View().RoomsStale {
			t.Errorf("after the list: got %v, stale: %v, want no error and false", err, h.View().RoomsStale)
		}
	})
}

func TestTypingComesAndGoes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		typing := func(user string) {
			reply(p, shared.Typing, "", shared.TypingPayload{Room: "general", User: user, Name: user})
		}
		names := func() (names string) {
			synctest.Wait()
			for _, m := range h.View().Room.Typing {
				names += m.Name + " "
			}
			return names
		}
		typing("bob")
		typing("me")
		typing("ann")
		if got := names(); got != "ann bob " {
			t.Errorf("typing: got %q, want %q", got, "ann bob ")
		}
		time.Sleep(3 * time.Second)
		typing("bob")
		p.message("general", 1, "ann", "m1")
		if got := names(); got != "bob " {
			t.Errorf("typing after ann's message: got %q, want %q", got, "bob ")
		}
		time.Sleep(3 * time.Second)
		if got := names(); got != "bob " {
			t.Errorf("typing after 3 s more: got %q, want %q", got, "bob ")
		}
		changes := h.changed()
		time.Sleep(2 * time.Second)
		if got := names(); got != "" || h.changed() == changes {
			t.Errorf("typing after 5 s: got %q, want nobody and a change", got)
		}

		h.Typing("")
		h.Typing("general")
		if _, payload := expect(p, shared.StartTyping); payload.Room != "general" {
			t.Errorf("typing sent: got %+v, want general", payload)
		}
		p.quiet()
		time.Sleep(roomsync.TypingInterval)
		h.Typing("")
		expect(p, shared.StartTyping)
		h.send("done") // which begins another message
		expect(p, shared.SendMessage)
		h.Typing("")
		expect(p, shared.StartTyping)
	})
}

func TestPresence(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.accept()
		p.greet()
		ann, bob, cid := shared.Member{User: "a", Name: "ann"}, shared.Member{User: "b", Name: "bob"}, shared.Member{User: "c", Name: "cid"}
		reply(p, shared.RoomJoined, "", shared.RoomJoinedPayload{
			Room: "general", Cursor: at(0), State: shared.StateNew, Count: 2, Members: []shared.Member{ann, bob},
		})
		synctest.Wait()
		before := h.View().Room
		reply(p, shared.Presence, "", shared.PresencePayload{Room: "general", Joined: []shared.Member{cid, {User: "a", Name: "Ann"}}, Left: []string{"b"}, Count: 2})
		synctest.Wait()
		v := h.View().Room
		if want := []shared.Member{cid, {User: "a", Name: "Ann"}}; v.Count != 2 || !slices.Equal(v.Members, want) {
			t.Errorf("members: got %d, %v, want 2, %v", v.Count, v.Members, want)
		}
		if !slices.Equal(before.Members, []shared.Member{ann, bob}) {
			t.Errorf("members of an older view: got %v, want %v", before.Members, []shared.Member{ann, bob})
		}
	})
}

// A topic is the last that room_joined and topic_changed name, whichever comes first.
// Its change moves the cursor, and is no message.
func TestTopicOfARoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		topic := func(seq uint64, text string) shared.TopicPayload {
			return shared.TopicPayload{Seq: seq, ID: at(seq).ID, Room: "general", User: "you", From: "You", Topic: text}
		}
		want := func(when, text string) {
			t.Helper()
			synctest.Wait()
			got := ""
			if topic := h.View().Room.Topic; topic != nil {
				got = topic.Topic
			}
			if got != text {
				t.Errorf("topic %s: got %q, want %q", when, got, text)
			}
		}
		want("at first", "")
		p.message("general", 1, "you", "m1")
		reply(p, shared.TopicChanged, "", topic(2, "one"))
		want("when it is set", "one")
		reply(p, shared.TopicChanged, "", topic(5, ""))
		want("when it is taken away", "")
		p.drop()
		p = h.accept()
		if after := p.after(); after == nil || *after != at(5) {
			t.Errorf("cursor of the reconnect: got %v, want %v", after, at(5))
		}
		p.greet()
		newest := topic(9, "four")
		reply(p, shared.RoomJoined, "", shared.RoomJoinedPayload{Room: "general", Cursor: at(5), State: shared.StateRecovered, Topic: &newest})
		want("from room_joined", "four")
		reply(p, shared.TopicChanged, "", topic(7, "three")) // on the way to it
		want("while catching up", "four")
		p.synced("general", at(9))
		want("when synced", "four")
		if v := h.View(); len(v.Room.Messages) != 1 || v.Room.Unread > 1 {
			t.Errorf("view: got %d messages, %d unread, want the one message", len(v.Room.Messages), v.Room.Unread)
		}

		done := make(chan error, 1)
		go func() { done <- h.SetTopic(t.Context(), "general", "five") }()
		e := p.next()
		set, err := shared.SetTopic.Decode(e)
		if err != nil || set != (shared.SetTopicPayload{Room: "general", Topic: "five"}) {
			t.Errorf("the client sent: got %s %s, %v, want set_topic", e.Type, e.Payload, err)
		}
		reply(p, shared.Ack, e.ID, shared.AckPayload{Room: "general", Seq: 10})
		if err := <-done; err != nil {
			t.Errorf("SetTopic: got %v, want no error", err)
		}
	})
}
