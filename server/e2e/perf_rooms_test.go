//go:build perf

package e2e

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"websockets/server/servertest"
	"websockets/shared"
)

// TestPerfHundredThousandRooms: the first page of the list, a filter that one room
// matches, and a page with unread counts, each within 100 ms, before and after a restart,
// and what the list takes of the server's memory.
func TestPerfHundredThousandRooms(t *testing.T) {
	const rooms, senders, aim = 100_000, 16, 100
	name := func(i int) string { return fmt.Sprintf("room-%06d", i) }
	server := servertest.Start(t, "--fsync", "interval", "--rate", "0")
	fillRooms(t, server, rooms, senders, name)

	c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "reader"})
	for i := range shared.MaxListedRooms { // the first page: rooms that have one unread message each
		room := name(rooms - 1 - i)
		servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.ChangeRoom, shared.JoinPayload{Name: room}))
		cursor := servertest.TakeEvent(c, shared.Synced).Cursor
		servertest.TakeAnswer(c, shared.Ack, servertest.Send(c, shared.MarkRead, shared.MarkReadPayload{Room: room, Seq: cursor.Seq}))
		c.Say("unread")
		c.Forget()
	}
	session := c.Welcome.Session

	before := server.Memory()
	measureRooms(t, c, "", name(rooms/2), aim)
	servertest.Report(t, servertest.Figure{Name: "memory of the list of 100,000 rooms", Got: float64(server.Memory()-before) / (1 << 20), Unit: "MiB"})
	c.Leave()

	server.Stop() // which stores the read marks
	began := time.Now()
	server.Start()
	servertest.Report(t, servertest.Figure{Name: "start with 100,000 rooms", Got: servertest.Milliseconds(time.Since(began)), Unit: "ms"})
	c = servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "reader", Session: session})
	measureRooms(t, c, " after a restart", name(rooms/2), aim)
	servertest.Report(t, servertest.Figure{Name: "memory of the server with 100,000 rooms", Got: float64(server.Memory()) / (1 << 20), Unit: "MiB"})
}

// fillRooms stores a message in each room.
func fillRooms(t *testing.T, server *servertest.Process, rooms, senders int, name func(int) string) {
	t.Helper()
	var wg sync.WaitGroup
	for s := range senders {
		c := servertest.Dial(t, server.WS(), servertest.DialOptions{})
		wg.Go(func() {
			defer servertest.Close(c)
			for i := s; i < rooms; i += senders {
				room := name(i)
				_, err := servertest.Ask(c, shared.ChangeRoom, shared.JoinPayload{Name: room}, shared.RoomJoined)
				if err == nil {
					_, err = servertest.Ask(c, shared.SendMessage, shared.SendMessagePayload{Message: "hi"}, shared.Ack)
				}
				if err != nil {
					t.Errorf("%s: %v", room, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// measureRooms reports how long lists of rooms take, and checks what is in them.
func measureRooms(t *testing.T, c *servertest.Conn, when, middle string, aim float64) {
	t.Helper()
	for _, list := range []struct {
		what    string
		payload shared.ListRoomsPayload
		rooms   int
	}{
		{"first page of 100,000 rooms", shared.ListRoomsPayload{}, shared.MaxListedRooms},
		{"filter of 100,000 rooms", shared.ListRoomsPayload{Filter: middle}, 1},
		{"filter that nothing matches", shared.ListRoomsPayload{Filter: "nothing"}, 0},
	} {
		began := time.Now()
		answer := servertest.TakeAnswer(c, shared.Rooms, servertest.Send(c, shared.ListRooms, list.payload))
		took := time.Since(began)
		if len(answer.Rooms) != list.rooms {
			t.Errorf("%s: got %d rooms, want %d", list.what, len(answer.Rooms), list.rooms)
		}
		for _, room := range answer.Rooms {
			if list.rooms > 1 && room.Unread != 1 {
				t.Errorf("%s: got %d unread, want 1", room.Name, room.Unread)
			}
		}
		// A factor of two is more than noise: the promise is 100 ms.
		servertest.Report(t, servertest.Figure{Name: list.what + when, Got: servertest.Milliseconds(took), Aim: aim, Unit: "ms", Fails: 2})
	}
}
