package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"websockets/server/servertest"
	"websockets/shared"
)

// TestDamagedStore flips one bit of one message while the server is down. The
// next start says which message is lost; clients that know that log start over,
// those of rooms in another do not; the rest can be read and the room goes on.
func TestDamagedStore(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0")
	type known struct {
		room   string
		cursor shared.Cursor
	}
	text := func(id string) string { return "<" + id + ">" }
	rooms := []string{"a", "b", "c", "d", "e", "f", "g", "h"} // more than one shard's
	var knew []known
	for _, room := range rooms {
		c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: room})
		epoch := servertest.Await(c, shared.RoomJoined).Cursor.Epoch
		acked, err := c.Flood(room, room, 40, 10, text)
		if err != nil {
			t.Fatal(err)
		}
		acked = servertest.InOrder(acked)
		knew = append(knew, known{room, shared.Cursor{Epoch: epoch, Seq: acked[30].Seq, ID: acked[30].ID}})
	}
	server.Kill()

	lost := text(rooms[0] + "-20")
	stream := damageMessage(t, server.Dir, lost)
	server.Start()
	told := regexp.MustCompile(`level=ERROR msg="the log is not the one it was: its clients start over" stream=(\w+) why="lost the message \d+"`).
		FindAllStringSubmatch(server.Log(), -1)
	if len(told) != 1 || told[0][1] != stream || strings.Count(server.Log(), "ERROR") != 1 {
		t.Errorf("the log of the start: got\n%s\nwant one error, for the message that %s lost", server.Log(), stream)
	}

	states := map[string]int{}
	for _, k := range knew {
		c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: k.room, After: &k.cursor})
		joined := servertest.Await(c, shared.RoomJoined)
		changed := joined.Cursor.Epoch != k.cursor.Epoch
		got := servertest.ReadUpTo(c, shared.Synced)
		switch {
		case joined.State == shared.StateReset && changed:
			want := 40 // as much as is there, up to 50
			if k.room == rooms[0] {
				want--
			}
			if len(got) != want {
				t.Errorf("%s, messages after the reset: got %d, want %d", k.room, len(got), want)
			}
		case joined.State == shared.StateRecovered && !changed && k.room != rooms[0]:
			if len(got) != 9 {
				t.Errorf("%s, messages after the cursor: got %d, want 9", k.room, len(got))
			}
		default:
			t.Errorf("%s: got state %s, another epoch %v; want %s with another epoch, or %s with the same", k.room, joined.State, changed, shared.StateReset, shared.StateRecovered)
		}
		states[joined.State]++
		if _, err := servertest.Ask(c, shared.SendMessage, shared.SendMessagePayload{Message: "on we go"}, shared.Ack); err != nil {
			t.Errorf("%s: sending: %v", k.room, err)
		}
	}
	if states[shared.StateRecovered] == 0 || states[shared.StateReset] == 0 {
		t.Errorf("states of the rooms: got %v, want both, as the rooms are in several logs", states)
	}
	if got := readAll(t, server.WS(), rooms[0]); len(got) != 40 || slices.Contains(got, lost) {
		t.Errorf("the room: got %d messages, %q, want 40 without the lost one", len(got), got)
	}
}

// TestDamageWhileRunning flips a bit of a message that nobody has read since the
// start. A member that reads on is told of the gap, in its place, and gets all the
// rest.
func TestDamageWhileRunning(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0", "--max-bytes", "64MB") // for blocks of 4 MB
	c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x"})
	epoch := servertest.Await(c, shared.RoomJoined).Cursor.Epoch
	filler := strings.Repeat("🙂", 4000)
	acked, err := c.Flood("x", "m", 350, 20, func(id string) string { return filler + "<" + id + ">" })
	if err != nil {
		t.Fatal(err)
	}
	acked = servertest.InOrder(acked)
	server.Stop()
	server.Start()
	// At its start the server reads which messages there are, and the store keeps what
	// was read last in memory for ten seconds.
	const forgets = 12 * time.Second
	c = servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "other"})
	if _, err := c.Flood("other", "o", 1, 1, func(id string) string { return id }); err != nil {
		t.Fatal(err)
	}
	damageMessage(t, server.Dir, "<"+acked[100].ID+">")

	after := shared.Cursor{Epoch: epoch, Seq: acked[9].Seq, ID: acked[9].ID}
	gone := shared.Truncated{After: acked[99].Seq, First: acked[101].Seq}
	var r reading
	for deadline := time.Now().Add(servertest.Patience); len(r.joined) < 2 && time.Now().Before(deadline); {
		<-time.After(forgets)
		r = readFrom(t, server, after)
	}
	if len(r.joined) != 2 || r.joined[0].State != shared.StateRecovered || r.joined[1].State != shared.StateTruncated ||
		r.joined[1].Truncated == nil || *r.joined[1].Truncated != gone {
		t.Fatalf("room_joined: got %+v, want %s and then the gap %+v", r.joined, shared.StateRecovered, gone)
	}
	if !slices.Equal(r.got[0], acked[10:100]) || !slices.Equal(r.got[1], acked[101:]) {
		t.Errorf("messages before the gap and after it: got %d and %d, want 90 and 249", len(r.got[0]), len(r.got[1]))
	}
	server.AwaitLog(regexp.MustCompile(`level=ERROR msg="messages cannot be read`))
}

// reading is what a client was sent: each room_joined, and the messages that followed it.
type reading struct {
	joined []shared.RoomJoinedPayload
	got    [][]servertest.Stored
}

// readFrom reads the room "x" from a cursor until it is synced.
func readFrom(t *testing.T, server *servertest.Process, after shared.Cursor) (r reading) {
	t.Helper()
	c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x", After: &after})
	defer servertest.Close(c)
	for {
		frame, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		m, isMessage := servertest.MessageIn(frame)
		switch {
		case isMessage:
			last := len(r.got) - 1
			r.got[last] = append(r.got[last], m.Stored)
		case servertest.IsEvent(frame, shared.RoomJoined.Name()):
			joined, err := servertest.Decode(shared.RoomJoined, frame)
			if err != nil {
				t.Fatal(err)
			}
			r.joined, r.got = append(r.joined, joined), append(r.got, nil)
		case servertest.IsEvent(frame, shared.Synced.Name()):
			return r
		}
	}
}

// damageMessage flips a bit of the message with this text and returns the stream
// that it is in.
func damageMessage(t *testing.T, dir, text string) (stream string) {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "*ROOMS_*", "msgs", "*.blk"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range blocks {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(data, []byte(text))
		if at < 0 {
			continue
		}
		data[at] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Base(filepath.Dir(filepath.Dir(path)))
	}
	t.Fatalf("%s is not in the store", text)
	return ""
}

// TestRestoredBackup puts a copy of the store back that is older than what clients
// have seen. Those whose cursor it does not have start over, alone, also when the
// log has grown beyond their place again; with --new-epoch all do.
func TestRestoredBackup(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0")
	c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x"})
	epoch := servertest.Await(c, shared.RoomJoined).Cursor.Epoch
	write := func(name string) []servertest.Stored {
		t.Helper()
		c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x"})
		servertest.Await(c, shared.Synced)
		acked, err := c.Flood("x", name, 40, 1, func(id string) string { return id })
		if err != nil {
			t.Fatal(err)
		}
		return acked
	}
	old := write("before")
	server.Stop()
	backup := t.TempDir()
	if err := os.CopyFS(backup, os.DirFS(server.Dir)); err != nil {
		t.Fatal(err)
	}
	server.Start()
	gone := write("gone")
	server.Kill()
	if err := os.RemoveAll(filepath.Join(server.Dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(server.Dir, "jetstream"), os.DirFS(filepath.Join(backup, "jetstream"))); err != nil {
		t.Fatal(err)
	}
	server.Start()

	at := func(m servertest.Stored) shared.Cursor { return shared.Cursor{Epoch: epoch, Seq: m.Seq, ID: m.ID} }
	states := func(when string, want map[string]shared.Cursor) {
		t.Helper()
		for state, cursor := range want {
			c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x", After: &cursor})
			if joined := servertest.Await(c, shared.RoomJoined); joined.State != state {
				t.Errorf("%s, with the cursor %+v: got state %s, want %s", when, cursor, joined.State, state)
			}
		}
	}
	states("restored", map[string]shared.Cursor{shared.StateRecovered: at(old[20]), shared.StateReset: at(gone[20])})
	again := write("again")
	if again[20].Seq != gone[20].Seq {
		t.Fatalf("the sequence of the same message after the restore: got %d, want %d", again[20].Seq, gone[20].Seq)
	}
	states("grown again", map[string]shared.Cursor{shared.StateRecovered: at(old[20]), shared.StateReset: at(gone[20])})

	server.Kill()
	server.Start("--new-epoch")
	for _, m := range []servertest.Stored{old[20], gone[20], again[39]} {
		states("with --new-epoch", map[string]shared.Cursor{shared.StateReset: at(m)})
	}
	if !strings.Contains(server.Log(), "--new-epoch") {
		t.Errorf("the log: got\n%s\nwant --new-epoch in it", server.Log())
	}
}
