package outbox

import (
	"maps"
	"strings"
	"testing"
	"time"

	"websockets/shared"
)

// mapStore is a Store in memory.
type mapStore map[string]string

func (s mapStore) Load() map[string]string { return maps.Clone(s) }
func (s mapStore) Remove(key string)       { delete(s, key) }
func (s mapStore) Save(key, value string) error {
	s[key] = value
	return nil
}

// server is what an Outbox under test is connected to: one room, which is synced
// up to cursor, and the messages that were sent there.
type server struct {
	cursor shared.Cursor
	sent   []string // ids
	acked  []string // ids, as Acked was told
}

// connect returns an Outbox that sends to a server.
func connect(store Store) (*Outbox, *server) {
	s := &server{cursor: shared.Cursor{Epoch: "e1"}}
	o := New(Config{
		Store:    store,
		Position: func(string) (*shared.Cursor, bool) { return &s.cursor, true },
		CanSend:  func() bool { return true },
		Send: func(frame []byte) bool {
			e, err := shared.DecodeEvent(frame)
			s.sent = append(s.sent, e.ID)
			return err == nil
		},
		Acked: func(id string, _ shared.AckPayload) { s.acked = append(s.acked, id) },
	})
	o.Welcomed("me", 0)
	return o, s
}

func add(t *testing.T, o *Outbox, text string) string {
	t.Helper()
	id, err := o.Add("general", text, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	err = o.Persist(id)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestOutboxIsBoundedInBytes(t *testing.T) {
	store := mapStore{}
	o, _ := connect(store)
	long := strings.Repeat("€", shared.MaxMessageLength)
	n, err := 0, error(nil)
	for ; n <= MaxMessages; n++ {
		var id string
		id, err = o.Add("general", long, time.Now())
		if err != nil {
			break
		}
		err = o.Persist(id)
		if err != nil {
			t.Fatal(err)
		}
	}
	stored := 0
	for _, value := range store {
		stored += len(value)
	}
	if want := MaxBytes / (len(long) + messageOverhead); err != ErrFull || n != want || stored > MaxBytes {
		t.Errorf("messages of %d bytes: got %d, %d bytes stored and %v, want %d, at most %d and %v", len(long), n, stored, err, want, MaxBytes, ErrFull)
	}
	// Discarding a message makes room.
	o.messages[0].setState(Rejected, "")
	err = o.Discard(o.messages[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	add(t, o, long)
}

// A message is looked for from where the room was at its first send, however often
// it is sent again.
func TestCursorIsThatOfFirstSend(t *testing.T) {
	o, s := connect(nil)
	id := add(t, o, "hello")
	first := s.cursor
	for seq := range uint64(3) {
		o.Flush(time.Now())
		if got := o.byID[id].after; got == nil || *got != first {
			t.Errorf("cursor after send %d: got %v, want %v", len(s.sent), got, first)
		}
		o.Disconnected("")
		s.cursor = shared.Cursor{Epoch: "e1", Seq: seq + 1, ID: "m"}
		o.MarkUncertain(shared.RoomJoinedPayload{Room: "general", Cursor: s.cursor, State: shared.StateRecovered}, &first)
		o.ResolveUncertain("general", s.cursor)
	}
	if len(s.sent) != 3 {
		t.Errorf("sends: got %d, want 3", len(s.sent))
	}
}

// If the connection takes no frame, the message was not sent and stays pending.
func TestRefusedFrameStaysPending(t *testing.T) {
	o, s := connect(nil)
	o.config.Send = func([]byte) bool { return false }
	id := add(t, o, "hello")
	o.Flush(time.Now())
	if got := o.OldestInFlight(); !got.IsZero() || !o.NeedsRoom("general") {
		t.Errorf("in flight: got a message since %v, want none", got)
	}
	o.Ack(id, shared.AckPayload{Room: "general", Seq: 1})
	if len(s.acked) != 0 || o.Queued() != 1 {
		t.Errorf("ack of a message that was not sent: got %v acked and %d queued, want none and 1", s.acked, o.Queued())
	}
}

// Every state that this version writes is one that a later client reads as it was.
func TestStoredMessagesAreReadBack(t *testing.T) {
	for _, state := range []State{Pending, Failed, Rejected, Uncertain} {
		store := mapStore{}
		o, _ := connect(store)
		id := add(t, o, "hello")
		o.Flush(time.Now())
		o.byID[id].setState(state, "because")
		later, _ := connect(mapStore{})
		rooms := later.Import(store)
		got := later.ForRoom("general")
		if len(rooms) != 1 || len(got) != 1 || got[0].ID != id || got[0].Text != "hello" || got[0].State != state || got[0].Reason != "because" {
			t.Errorf("imported %s: got %+v in %v, want the message %s", state, got, rooms, id)
		}
		if needs := later.RoomsNeedingScan()["general"]; needs != (state == Pending) {
			t.Errorf("room of the imported %s message needs a scan: got %v, want %v", state, needs, state == Pending)
		}
	}
}

// Browsers have outboxes in this format, and other versions of the page read them.
func TestStoredFormat(t *testing.T) {
	store := mapStore{}
	o, s := connect(store)
	s.cursor = shared.Cursor{Epoch: "e1", Seq: 5, ID: "m5"}
	id, err := o.Add("general", "1 < 2", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	want := func(when, value string) {
		t.Helper()
		if got := store[id]; got != value {
			t.Errorf("stored %s: got\n%s\nwant\n%s", when, got, value)
		}
	}
	err = o.Persist(id)
	if err != nil {
		t.Fatal(err)
	}
	const begin = `{"v":1,"order":1,"room":"general","message":"1 < 2","written":"2026-01-02T03:04:05Z","user":"me",`
	want("when it was written", begin+`"state":"pending"}`)
	o.Flush(time.Now())
	want("before it was sent", begin+`"after":{"epoch":"e1","seq":5,"id":"m5"},"state":"pending"}`)
	for state, text := range map[State]string{Failed: "failed", Rejected: "rejected", Uncertain: "unsure"} {
		o.byID[id].setState(state, "because")
		want("as "+text, begin+`"after":{"epoch":"e1","seq":5,"id":"m5"},"state":"`+text+`","reason":"because"}`)
	}
}
