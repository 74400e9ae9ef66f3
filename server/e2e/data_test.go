package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"websockets/server/servertest"
	"websockets/shared"
)

var writeDataFlag = flag.Bool("write-data", false, "TestDataOfVersion010 writes its data with the server of this checkout first")

// oldData is what a golden file says of the data folder beside it.
type oldData struct {
	// Messages are those of each room, oldest first.
	Messages map[string][]shared.Message
	// Users are named guests.
	Users []oldUser
	// Marked is the room that the first user has read up to the sequence in Read. The
	// messages after it are unread, and Unread is their number.
	Marked string
	Read   uint64
	Unread int
	// Cursors are places in the log with the state in which a client that comes back
	// there has to be joined.
	Cursors []oldCursor
}

type oldUser struct {
	ID, Name string
	Session  string    // issued by the server of that version
	Expires  time.Time // 400 days later
}

type oldCursor struct {
	Room   string
	Cursor shared.Cursor
	State  string
}

// TestDataOfVersion010: a server that is started on the data of version 0.1.0 has all
// that it had.
//
// The data was written by the server of that version. To write the data of another
// version, check it out, change the name below, and run
//
//	go test -run '^TestDataOfVersion010$' ./server/e2e -args -write-data
func TestDataOfVersion010(t *testing.T) {
	t.Parallel()
	const name = "testdata/data-v0.1.0"
	if *writeDataFlag {
		writeData(t, name)
	}
	var want oldData
	golden, err := os.ReadFile(name + ".json")
	if err == nil {
		err = json.Unmarshal(golden, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := servertest.Unpack(name+".tar.gz", dir); err != nil {
		t.Fatal(err)
	}
	server := servertest.StartOn(t, dir, "--rate", "0")
	if strings.Contains(server.Log(), "level=ERROR") {
		t.Errorf("the log of the start: got\n%s\nwant no error", server.Log())
	}

	t.Run("messages", func(t *testing.T) {
		for room, messages := range want.Messages {
			c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: room})
			page, err := servertest.Ask(c, shared.LoadHistory, shared.LoadHistoryPayload{Room: room, Limit: shared.MaxHistory}, shared.History)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := encoded(page.Messages), encoded(messages); !slices.Equal(got, want) {
				t.Errorf("room %s: got\n%q\nwant\n%q", room, got, want)
			}
		}
	})
	t.Run("cursors", func(t *testing.T) {
		for _, at := range want.Cursors {
			c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: at.Room, After: &at.Cursor})
			joined := servertest.Await(c, shared.RoomJoined)
			if joined.State != at.State || joined.Cursor != at.Cursor {
				t.Errorf("joining %s at %+v: got %s at %+v, want %s", at.Room, at.Cursor, joined.State, joined.Cursor, at.State)
			}
			var missed []servertest.Stored
			for _, m := range want.Messages[at.Room] {
				if m.Seq > at.Cursor.Seq {
					missed = append(missed, servertest.Stored{Seq: m.Seq, ID: m.ID})
				}
			}
			if d := servertest.Difference(servertest.ReadUpTo(c, shared.Synced), missed); d != "" {
				t.Errorf("room %s from %+v on: %s", at.Room, at.Cursor, d)
			}
		}
	})
	t.Run("users", func(t *testing.T) {
		for i, user := range want.Users {
			if !time.Now().Before(user.Expires) {
				t.Skipf("NOT RUN: the session of %s has expired on %s, as it should", user.Name, user.Expires.Format(time.DateOnly))
			}
			c := servertest.Dial(t, server.WS(), servertest.DialOptions{Session: user.Session})
			if w := c.Welcome; w.User != user.ID || w.Name != user.Name || !w.Named {
				t.Errorf("the session of %s: got user %s, name %q, named %v; want user %s", user.Name, w.User, w.Name, w.Named, user.ID)
			}
			if i > 0 {
				continue
			}
			list, err := servertest.Ask(c, shared.ListRooms, shared.ListRoomsPayload{}, shared.Rooms)
			if err != nil {
				t.Fatal(err)
			}
			for room, messages := range want.Messages {
				at := slices.IndexFunc(list.Rooms, func(r shared.RoomSummary) bool { return r.Name == room })
				if at < 0 {
					t.Errorf("rooms: got %+v, want %s among them", list.Rooms, room)
					continue
				}
				if last := messages[len(messages)-1].Sent; !list.Rooms[at].LastActivity.Equal(last) {
					t.Errorf("last activity of %s: got %v, want %v", room, list.Rooms[at].LastActivity, last)
				}
				if got := list.Rooms[at].Unread; room == want.Marked && got != want.Unread {
					t.Errorf("unread messages of %s, which %s has read up to %d: got %d, want %d", room, user.Name, want.Read, got, want.Unread)
				}
			}
		}
	})
	t.Run("goes on", func(t *testing.T) {
		room := want.Marked
		c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: room})
		ack := c.Say("and on")
		if last := want.Messages[room][len(want.Messages[room])-1].Seq; ack.Seq <= last {
			t.Errorf("sequence of the next message: got %d, want more than %d", ack.Seq, last)
		}
	})
}

func encoded(messages []shared.Message) (lines []string) {
	for _, m := range messages {
		lines = append(lines, string(m.Encode()))
	}
	return lines
}

// writeData makes a server's data folder and writes it and what is in it.
func writeData(t *testing.T, name string) {
	t.Helper()
	server := servertest.Start(t, "--rate", "0")
	data := oldData{Messages: map[string][]shared.Message{}, Marked: "general"}
	var users []*servertest.Conn
	for _, name := range []string{"Ann", "Bob Müller 🙂"} {
		c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "general"})
		servertest.TakeEvent(c, shared.Synced)
		servertest.TakeAnswer(c, shared.Ack, servertest.Send(c, shared.SetName, shared.SetNamePayload{Name: name}))
		servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.JoinRoom, shared.JoinPayload{Name: "den"}))
		servertest.TakeEvent(c, shared.Synced)
		data.Users = append(data.Users, oldUser{c.Welcome.User, name, c.Welcome.Session, time.Now().Add(400 * 24 * time.Hour).UTC().Truncate(24 * time.Hour)})
		users = append(users, c)
	}
	ann := users[0]
	for n := range 20 {
		c, room := users[n%2], "general"
		if n%5 > 2 {
			room = "den"
		}
		message := shared.SendMessagePayload{Room: room, Message: fmt.Sprintf("message %d: \"quotes\",\nlines, <tags> & 𝒳🙂", n)}
		if n%3 == 0 { // without an id the server makes one
			if err := c.Write(shared.SendMessage.Frame("", message)); err != nil {
				t.Fatal(err)
			}
		} else {
			servertest.TakeAnswer(c, shared.Ack, servertest.Send(c, shared.SendMessage, message))
		}
		data.Messages[room] = append(data.Messages[room], ann.TakeMessages(1)...)
	}

	data.Read = data.Messages[data.Marked][6].Seq
	servertest.TakeAnswer(ann, shared.Ack, servertest.Send(ann, shared.MarkRead, shared.MarkReadPayload{Room: data.Marked, Seq: data.Read}))
	rooms := servertest.TakeAnswer(ann, shared.Rooms, servertest.Send(ann, shared.ListRooms, shared.ListRoomsPayload{Filter: data.Marked}))
	data.Unread = rooms.Rooms[0].Unread

	for room, messages := range data.Messages {
		end := servertest.Await(servertest.Dial(t, server.WS(), servertest.DialOptions{Room: room}), shared.Synced).Cursor
		before := messages[3]
		data.Cursors = append(data.Cursors,
			oldCursor{room, shared.Cursor{Epoch: end.Epoch, Seq: before.Seq, ID: before.ID}, shared.StateRecovered},
			oldCursor{room, end, shared.StateCurrent})
	}
	server.Stop()

	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := servertest.Pack(server.Dir, name+".tar.gz"); err != nil {
		t.Fatal(err)
	}
	golden, err := json.MarshalIndent(data, "", "\t")
	if err == nil {
		err = os.WriteFile(name+".json", append(golden, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
