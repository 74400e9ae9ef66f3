//go:build perf

package e2e

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"websockets/server/eventlog"
	"websockets/server/eventlog/jetstream"
	"websockets/server/servertest"
	"websockets/shared"
)

// TestPerfHundredThousandRooms: the first page of the list with unread counts, a filter
// that one room matches and one that none does, each within 100 ms: on a server that was
// just started on these rooms, in use, and after a restart. And what they take of the
// server's memory.
func TestPerfHundredThousandRooms(t *testing.T) {
	const rooms, aim = 100_000, 100
	name := func(i int) string { return fmt.Sprintf("room-%06d", i) }
	dir := t.TempDir()
	fillRooms(t, dir, rooms, name)

	empty := servertest.Start(t, "--fsync", "interval", "--rate", "0")
	without := empty.Memory()
	empty.Stop()
	began := time.Now()
	server := servertest.StartOn(t, dir, "--fsync", "interval", "--rate", "0")
	servertest.Report(t,
		servertest.Figure{Name: "start with 100,000 rooms", Got: servertest.Milliseconds(time.Since(began)), Unit: "ms"},
		servertest.Figure{Name: "memory with 100,000 rooms after the start", Got: float64(server.Memory()-without) / (1 << 20), Unit: "MiB"},
	)
	c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "reader"})
	session := c.Welcome.Session
	measureRooms(t, c, "after a start", name(rooms/2), 0, aim)
	const unread = 20
	leaveUnread(t, c, name, 0, unread)
	measureRooms(t, c, "20 of them unread", name(rooms/2), unread, aim)
	c.Leave()

	server.Stop() // which stores the read marks
	server.Start()
	c = servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "reader", Session: session})
	measureRooms(t, c, "20 of them unread, after a restart", name(rooms/2), unread, aim)
	servertest.Report(t, servertest.Figure{Name: "memory with 100,000 rooms after the lists", Got: float64(server.Memory()-without) / (1 << 20), Unit: "MiB"})

	// To count what follows an old mark, NATS looks at each record behind it: some 4 ms for
	// each room here. There is no aim for a page of unread rooms only.
	leaveUnread(t, c, name, unread, shared.MaxListedRooms)
	measureRooms(t, c, "all of them unread", name(rooms/2), shared.MaxListedRooms, 0)
}

// leaveUnread marks the first message of rooms as read, sends another to each, and waits
// until the list has them at its top.
func leaveUnread(t *testing.T, c *servertest.Conn, name func(int) string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		room := name(i)
		servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.ChangeRoom, shared.JoinPayload{Name: room}))
		cursor := servertest.TakeEvent(c, shared.Synced).Cursor
		servertest.TakeAnswer(c, shared.Ack, servertest.Send(c, shared.MarkRead, shared.MarkReadPayload{Room: room, Seq: cursor.Seq}))
		c.Say("unread")
		c.Forget()
	}
	servertest.Eventually(t, "the list to be current: it may be a second old", func() bool {
		answer := servertest.TakeAnswer(c, shared.Rooms, servertest.Send(c, shared.ListRooms, shared.ListRoomsPayload{Limit: 1}))
		return answer.Rooms[0].Name == name(to-1)
	})
}

// fillRooms stores a message in each room.
func fillRooms(t *testing.T, dir string, rooms int, name func(int) string) {
	t.Helper()
	log, err := jetstream.Open(t.Context(), jetstream.Options{Dir: dir, MaxBytes: 10e9, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	settled := make(chan error, rooms)
	for i := range rooms {
		m := shared.Message{ID: "m", Room: name(i), User: "ann", From: "Ann", Message: "hi", Sent: time.Now().UTC().Truncate(time.Millisecond)}
		err := log.Append(t.Context(), m.Room, m.Room, m.Encode(), func(_ eventlog.Receipt, err error) { settled <- err })
		if err != nil {
			t.Fatal(err)
		}
	}
	for range rooms {
		err := <-settled
		if err != nil {
			t.Fatal(err)
		}
	}
}

// measureRooms reports how long lists of rooms take, and checks what is in them.
func measureRooms(t *testing.T, c *servertest.Conn, when, middle string, unread int, aim float64) {
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
		counted := 0
		for _, room := range answer.Rooms {
			counted += room.Unread
		}
		if list.rooms > 1 && counted != unread {
			t.Errorf("%s, %s: got %d unread, want %d", list.what, when, counted, unread)
		}
		// A factor of two is more than noise: the promise is 100 ms.
		servertest.Report(t, servertest.Figure{Name: list.what + ", " + when, Got: servertest.Milliseconds(took), Aim: aim, Unit: "ms", Fails: 2})
	}
}
