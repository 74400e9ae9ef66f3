package roomsync

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"websockets/shared"
	"websockets/wasm/client/outbox"
)

// fixture is Rooms with an empty outbox and a connection that records the events it
// is given.
type fixture struct {
	*Rooms
	t    *testing.T
	sent []shared.Event
	now  time.Time
}

// connect returns Rooms that have been welcomed, with the room general desired.
func connect(t *testing.T) *fixture {
	f := &fixture{t: t, now: time.Now()}
	box := outbox.New(outbox.Config{
		Position: func(string) (*shared.Cursor, bool) { return nil, false },
		CanSend:  func() bool { return false },
		Send:     func([]byte) bool { return false },
		Acked:    func(string, shared.AckPayload) {},
	})
	f.Rooms = New("general", box, func(frame []byte) bool {
		e, err := shared.DecodeEvent(frame)
		if err != nil {
			t.Fatal(err)
		}
		f.sent = append(f.sent, e)
		return true
	})
	f.Address()
	f.Connected(f.now)
	f.Welcomed("me")
	return f
}

// reconcile returns the events that Reconcile sends.
func (f *fixture) reconcile() (types []string) {
	f.sent = nil
	f.Reconcile(f.now, func(time.Time) {})
	for _, e := range f.sent {
		types = append(types, e.Type)
	}
	return types
}

func (f *fixture) wantSent(want ...string) {
	f.t.Helper()
	if got := f.reconcile(); !slices.Equal(got, want) {
		f.t.Errorf("sent: got %v, want %v", got, want)
	}
}

func (f *fixture) wantPhase(room string, want Phase) {
	f.t.Helper()
	r := f.Find(room)
	if r == nil || r.Phase() != want {
		f.t.Errorf("phase of %s: got %v, want %q", room, r, want)
	}
}

// join lets the server join the room, with the messages up to seq, as the answer to
// an event.
func (f *fixture) join(id, room, state string, seq uint64) {
	f.Joined(id, shared.RoomJoinedPayload{Room: room, State: state, Cursor: shared.Cursor{Epoch: "e", Seq: seq}})
}

func (f *fixture) sync(room string, seq uint64) {
	f.Synced(shared.SyncedPayload{Room: room, Cursor: shared.Cursor{Epoch: "e", Seq: seq}})
}

func (f *fixture) message(room string, seq uint64) bool {
	return f.Find(room).Add(shared.Message{Seq: seq, ID: fmt.Sprint("m", seq), Room: room, User: "you"})
}

func TestPhases(t *testing.T) {
	f := connect(t)
	f.wantPhase("general", Joining)
	f.join("", "general", shared.StateNew, 0)
	f.wantPhase("general", Joined)
	f.sync("general", 0)
	f.wantPhase("general", Synced)
	f.wantSent()

	f.Leave("general")
	f.wantSent("leave_room")
	leave := f.sent[0].ID
	f.wantPhase("general", Leaving)
	f.wantSent() // once
	f.Left(leave, shared.LeavePayload{Name: "general"})
	f.wantPhase("general", Out)

	f.Join("general")
	f.wantSent("change_room") // there is no other current room
	f.wantPhase("general", Joining)
	f.Disconnected()
	f.wantPhase("general", Out)
}

func TestRefusedChange(t *testing.T) {
	f := connect(t)
	f.join("", "general", shared.StateNew, 0)
	f.sync("general", 0)
	f.Change("secret")
	f.wantSent("change_room")
	f.wantPhase("general", Leaving)
	f.wantPhase("secret", Joining)
	refused := shared.Error{Code: shared.CodeForbidden, Message: "no"}
	if !f.RequestFailed(f.sent[0].ID, refused, f.now) {
		t.Error("RequestFailed: got false, want true: it answers the change")
	}
	f.wantPhase("general", Synced) // the server has left us there
	f.wantPhase("secret", Out)
	f.wantSent("leave_room") // the user does not want to be there any more
	if v, _ := f.View("secret"); v.Refused == nil || *v.Refused != refused {
		t.Errorf("refused: got %v, want %v", v.Refused, refused)
	}
}

// A late message is put into its place; what was seen before is not shown again.
func TestMessagesAreAddedOnceInOrder(t *testing.T) {
	f := connect(t)
	f.join("", "general", shared.StateNew, 0)
	for _, test := range []struct {
		seq   uint64
		added bool
	}{{1, true}, {3, true}, {2, true}, {2, false}, {3, false}, {4, true}} {
		if got := f.message("general", test.seq); got != test.added {
			t.Errorf("message %d: got added: %v, want %v", test.seq, got, test.added)
		}
	}
	// What came on an earlier connection is not late but known.
	f.join("", "general", shared.StateRecovered, 4)
	if f.message("general", 2) {
		t.Error("message 2 after a reconnect behind it: got it added, want it known")
	}
	var seqs []uint64
	v, _ := f.View("general")
	for _, m := range v.Messages {
		seqs = append(seqs, m.Seq)
	}
	if want := []uint64{1, 2, 3, 4}; !slices.Equal(seqs, want) || f.Find("general").Cursor().Seq != 4 {
		t.Errorf("messages: got %v up to %d, want %v up to 4", seqs, f.Find("general").Cursor().Seq, want)
	}
}

func TestReadMarksAreSentAtIntervals(t *testing.T) {
	f := connect(t)
	f.join("", "general", shared.StateNew, 0)
	f.sync("general", 0)
	f.message("general", 1)
	f.message("general", 2)
	if !f.MarkRead("general", 1) || f.MarkRead("general", 1) {
		t.Error("MarkRead twice: got another result, want true and false")
	}
	f.wantSent("mark_read")
	f.MarkRead("general", 99) // there are two
	var due time.Time
	f.Reconcile(f.now, func(t time.Time) { due = t })
	if want := f.now.Add(ReadMarkInterval); !due.Equal(want) {
		t.Errorf("second mark: got it due at %v, want %v", due, want)
	}
	f.now = due
	f.wantSent("mark_read")
	if v, _ := f.View("general"); v.ReadSeq != 2 || v.Unread != 0 {
		t.Errorf("read: got up to %d and %d unread, want 2 and none", v.ReadSeq, v.Unread)
	}
}
