package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"websockets/shared"
	"websockets/wasm/client/roomsync"
)

// roomLog is a room's log as a test keeps it: its sequences in order. Retention
// removes the first ones.
type roomLog []uint64

// page answers load_history as the server does.
func (l roomLog) page(p shared.LoadHistoryPayload) shared.HistoryPayload {
	seqs, more := l, false
	if p.After != 0 {
		i, found := slices.BinarySearch(l, p.After)
		if found {
			i++
		}
		seqs = l[i:]
		if more = len(seqs) > p.Limit; more {
			seqs = seqs[:p.Limit]
		}
	} else {
		i, _ := slices.BinarySearch(l, p.Before)
		seqs = l[:i]
		if more = len(seqs) > p.Limit; more {
			seqs = seqs[len(seqs)-p.Limit:]
		}
	}
	page := shared.HistoryPayload{Room: p.Room, More: more}
	for _, seq := range seqs {
		page.Messages = append(page.Messages, shared.Message{Seq: seq, ID: fmt.Sprint("m", seq), Room: p.Room, User: "you", Message: "x"})
	}
	return page
}

// reader is a client at the tail of a room, and the log of that room.
type reader struct {
	*harness
	p   *peer
	log roomLog
}

// read starts a client that has seen n messages of general. The log's sequences
// begin at 1 and are step apart.
func read(t *testing.T, n int, step uint64) *reader {
	r := &reader{harness: start(t)}
	r.p = r.connect()
	for range n {
		r.grow(step)
	}
	synctest.Wait()
	return r
}

// grow appends a message to the log and sends it to the client.
func (r *reader) grow(step uint64) {
	seq := uint64(1)
	if n := len(r.log); n > 0 {
		seq = r.log[n-1] + step
	}
	r.log = append(r.log, seq)
	r.p.message("general", seq, "you", fmt.Sprint("m", seq))
}

// load lets the client load in one direction, and answers what it asks. meanwhile
// is called before the answers.
func (r *reader) load(load func(context.Context, string) error, meanwhile func()) (asked int) {
	r.t.Helper()
	done := make(chan error, 1)
	go func() { done <- load(context.Background(), "general") }()
	for ; ; asked++ {
		synctest.Wait()
		select {
		case err := <-done:
			if err != nil {
				r.t.Fatal(err)
			}
			return asked
		default:
		}
		if meanwhile != nil {
			meanwhile()
			meanwhile = nil
		}
		e := r.p.next()
		for e.Type != shared.LoadHistory.Name() {
			e = r.p.next()
		}
		p, err := shared.LoadHistory.Decode(e)
		if err != nil {
			r.t.Fatal(err)
		}
		reply(r.p, shared.History, e.ID, r.log.page(p))
	}
}

// shown returns the sequences that the view shows.
func (r *reader) shown() (seqs []uint64) {
	synctest.Wait()
	for _, m := range r.View().Room.Messages {
		seqs = append(seqs, m.Seq)
	}
	return seqs
}

// wantShown checks the first and the last sequence that is shown, and whether
// there are newer ones.
func (r *reader) wantShown(first, last uint64, newer bool) {
	r.t.Helper()
	seqs := r.shown()
	if v := r.View().Room; seqs[0] != first || seqs[len(seqs)-1] != last || v.Newer != newer {
		r.t.Errorf("shown: got %d to %d, newer: %v, want %d to %d, %v", seqs[0], seqs[len(seqs)-1], v.Newer, first, last, newer)
	}
}

func TestWindowReachesFirstMessageAndReturns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := read(t, 3000, 1)
		r.wantShown(2501, 3000, false)
		pages := 0
		for r.View().Room.More {
			pages += r.load(r.LoadOlder, nil)
			if n := len(r.shown()); n > roomsync.MaxWindow {
				t.Fatalf("messages kept: got %d, want at most %d", n, roomsync.MaxWindow)
			}
		}
		r.wantShown(1, roomsync.MaxWindow, true)
		if want := 2500/roomsync.PageSize + 1; pages != want {
			t.Errorf("pages asked for: got %d, want %d", pages, want)
		}

		// Meanwhile the tail keeps growing, and the client misses none of it.
		r.grow(1)
		id := r.send("mine")
		_, sent := expect(r.p, shared.SendMessage)
		r.log = append(r.log, 3002)
		r.p.message("general", 3002, "me", id)
		reply(r.p, shared.Ack, id, shared.AckPayload{Room: "general", Seq: 3002})
		synctest.Wait()
		v := r.View().Room
		if latest := v.Latest; sent.Message != "mine" || len(latest) != roomsync.MaxTail || latest[roomsync.MaxTail-1].Seq != 3002 || len(v.Outgoing) != 0 {
			t.Errorf("tail after %q: got %d messages and %d pending, want %d up to 3002 and none", sent.Message, len(latest), len(v.Outgoing), roomsync.MaxTail)
		}
		r.wantAcked(id)
		r.wantShown(1, roomsync.MaxWindow, true)
		r.MarkRead("general", 3002)
		if _, mark := expect(r.p, shared.MarkRead); mark.Seq != 3002 {
			t.Errorf("read mark: got %d, want 3002", mark.Seq)
		}

		asked := 0
		for r.View().Room.Newer {
			asked += r.load(r.LoadNewer, nil)
			if n := len(r.shown()); n > roomsync.MaxWindow {
				t.Fatalf("messages kept: got %d, want at most %d", n, roomsync.MaxWindow)
			}
		}
		r.wantShown(3002-roomsync.MaxWindow+1, 3002, false)
		if most := 2 * (3000/roomsync.PageSize + 1); asked > most {
			t.Errorf("pages asked for: got %d, want at most %d", asked, most)
		}
		r.ShowLatest("general")
		r.wantShown(3002-roomsync.MaxTail+1, 3002, false)
		if n := r.load(r.LoadNewer, nil); n != 0 {
			t.Errorf("pages asked for at the end: got %d, want none", n)
		}
	})
}

func TestTailGrowsBackwards(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := read(t, 0, 1)
		for seq := range uint64(1000) {
			r.log = append(r.log, seq+1)
		}
		r.p.drop()
		r.p = r.accept()
		r.p.welcome("general", shared.StateReset, shared.Cursor{Epoch: "e2", Seq: 950})
		for seq := uint64(951); seq <= 1000; seq++ {
			r.p.message("general", seq, "you", fmt.Sprint("m", seq))
		}
		synctest.Wait()
		r.load(r.LoadOlder, nil)
		r.wantShown(751, 1000, false)
		if v := r.View().Room; len(v.Latest) != 250 {
			t.Errorf("messages in the tail: got %d, want 250", len(v.Latest))
		}
		r.load(r.LoadOlder, nil)
		r.wantShown(551, 1000, false)
		r.load(r.LoadOlder, nil)
		r.wantShown(351, 950, true)
		if v := r.View().Room; len(v.Latest) != 450 {
			t.Errorf("messages in the tail: got %d, want 450", len(v.Latest))
		}
		r.ShowLatest("general")
		r.wantShown(551, 1000, false)
	})
}

func TestPinnedViewStaysWhileMessagesArrive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := read(t, roomsync.MaxTail, 1)
		before := r.View().Room.Messages
		r.PinView("general")
		for range roomsync.MaxWindow - roomsync.MaxTail {
			r.grow(1)
		}
		r.wantShown(1, roomsync.MaxWindow, false)
		for range 50 {
			r.grow(1)
		}
		r.wantShown(1, roomsync.MaxWindow, true)
		if n := r.load(r.LoadNewer, nil); n != 0 {
			t.Errorf("pages asked for what the tail has: got %d, want none", n)
		}
		r.wantShown(51, 650, false)
		if before[0].Seq != 1 || before[roomsync.MaxTail-1].Seq != roomsync.MaxTail {
			t.Error("older view: got it changed, want it as it was")
		}
		r.ShowLatest("general")
		r.wantShown(151, 650, false)
	})
}

// away makes a reader see messages 1 to roomsync.MaxWindow of a room of 3,000.
func away(t *testing.T) *reader {
	r := read(t, 3000, 1)
	for r.View().Room.More {
		r.load(r.LoadOlder, nil)
	}
	r.wantShown(1, roomsync.MaxWindow, true)
	return r
}

func TestLogIsReplacedWhileReading(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := away(t)
		r.load(r.LoadNewer, func() {
			r.p.joined("", "general", shared.StateReset, shared.Cursor{Epoch: "e2", Seq: 50, ID: "x50"})
			r.p.message("general", 51, "you", "x51")
			synctest.Wait()
		})
		r.wantShown(51, 51, false)
		if v := r.View().Room; !v.WasReset || v.Epoch != "e2" || !v.More {
			t.Errorf("view after the reset: got %+v, want epoch e2, reset, and more", v)
		}
		check(t, r.ChangeRoom("other"))
		if v, _ := r.Room("general"); v.WasReset {
			t.Error("WasReset of the room that was left: got true, want false")
		}
	})
}

// A page that the reader asked for earlier does not take them away from the end.
func TestShowLatestWhileLoading(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := read(t, 3000, 1)
		r.PinView("general")
		r.load(r.LoadOlder, func() { r.ShowLatest("general") })
		r.wantShown(2501, 3000, false)
		r.PinView("general")
		for range 4 {
			r.load(r.LoadOlder, nil)
		}
		r.load(r.LoadNewer, func() { r.ShowLatest("general") })
		r.wantShown(2501, 3000, false)
		check(t, r.ChangeRoom("other"))
		r.PinView("general")
		r.grow(1)
		synctest.Wait()
		if v, _ := r.Room("general"); v.Messages[0].Seq != 2502 {
			t.Errorf("first message of a room that was left: got %d, want 2502", v.Messages[0].Seq)
		}
	})
}

func TestLeaveEndsWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := away(t)
		r.load(r.LoadNewer, func() { check(t, r.ChangeRoom("other")) })
		if v, _ := r.Room("general"); v.Newer || v.Messages[0].Seq != 2501 {
			t.Errorf("room that was left: got messages from %d on, newer: %v, want 2501 and no newer", v.Messages[0].Seq, v.Newer)
		}
	})
}

func TestRangeExpiresWhileReading(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := away(t)
		r.log = r.log[700:] // the next message is 701
		r.load(r.LoadNewer, nil)
		r.wantShown(201, 900, true)
		gap := shared.Truncated{After: 600, First: 701}
		if v := r.View().Room; !slices.Equal(v.Gaps, []shared.Truncated{gap}) || !v.More {
			t.Errorf("gaps: got %v, more: %v, want %v and more", v.Gaps, v.More, gap)
		}
		r.load(r.LoadNewer, nil)
		if v := r.View().Room; len(v.Gaps) != 1 {
			t.Errorf("gaps after the next page: got %v, want one", v.Gaps)
		}
		// All messages of the window are gone, and all others before the tail.
		r.log = nil
		r.load(r.LoadNewer, nil)
		if v := r.View().Room; !slices.Equal(v.Gaps, []shared.Truncated{{After: 1100, First: 2501}}) {
			t.Errorf("gaps at the end: got %v, want one after 1100 up to 2501", v.Gaps)
		}
		// Nothing is left before the tail.
		r.ShowLatest("general")
		r.load(r.LoadOlder, nil)
		if v := r.View().Room; v.More || len(v.Gaps) != 0 || v.Messages[0].Seq != 2501 {
			t.Errorf("tail: got it from %d on with gaps %v, more: %v, want 2501, none and no more", v.Messages[0].Seq, v.Gaps, v.More)
		}
	})
}

func TestGapAtTailShowsWhenReached(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := away(t)
		gap := shared.Truncated{After: 3000, First: 3101}
		reply(r.p, shared.RoomJoined, "", shared.RoomJoinedPayload{Room: "general", Cursor: at(3100), State: shared.StateTruncated, Truncated: &gap})
		r.p.message("general", 3101, "you", "m3101")
		synctest.Wait()
		if v := r.View().Room; len(v.Gaps) != 0 || !v.Newer {
			t.Errorf("gaps far from the tail: got %v, newer: %v, want none and newer", v.Gaps, v.Newer)
		}
		r.log = append(r.log, 3101)
		for r.View().Room.Newer {
			r.load(r.LoadNewer, nil)
		}
		if v := r.View().Room; !slices.Equal(v.Gaps, []shared.Truncated{gap}) {
			t.Errorf("gaps at the end: got %v, want %v", v.Gaps, gap)
		}
	})
}

// TestRandomReading scrolls up and down at random while the room grows and
// retention removes its beginning. What is shown must always be a range of the
// log, and any hole in it must be among the gaps of the view.
func TestRandomReading(t *testing.T) {
	for seed := range seeds(4) {
		bubble(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 4))
			r := read(t, 600+random.IntN(1500), 1+random.Uint64N(3))
			all := slices.Clone(r.log) // with what retention has taken
			grow := func() {
				r.grow(1 + random.Uint64N(3))
				all = append(all, r.log[len(r.log)-1])
			}
			gone := 0
			for range 60 {
				var meanwhile func()
				if random.IntN(3) == 0 {
					meanwhile = func() {
						for range random.IntN(40) {
							grow()
						}
						synctest.Wait()
					}
				}
				switch random.IntN(10) {
				case 0, 1, 2, 3:
					r.load(r.LoadOlder, meanwhile)
				case 4, 5, 6:
					r.load(r.LoadNewer, meanwhile)
				case 7:
					for range random.IntN(300) {
						grow()
					}
				case 8:
					switch random.IntN(4) {
					case 0:
						r.ShowLatest("general")
					case 1:
						n := random.IntN(300)
						if n < len(r.log)-100 { // other tests cover the tail
							r.log, gone = r.log[n:], gone+n
						}
					}
				case 9:
					r.PinView("general")
				}

				shown, v := r.shown(), r.View().Room
				if len(shown) > roomsync.MaxWindow || len(v.Latest) > roomsync.MaxTail {
					t.Fatalf("seed %d: got %d messages shown and %d in the tail, want at most %d and %d", seed, len(shown), len(v.Latest), roomsync.MaxWindow, roomsync.MaxTail)
				}
				if last := all[len(all)-1]; v.Latest[len(v.Latest)-1].Seq != last || v.Newer != (shown[len(shown)-1] != last) {
					t.Fatalf("seed %d: got a tail up to %d, shown up to %d, newer: %v, want a tail up to %d, and newer if less is shown", seed, v.Latest[len(v.Latest)-1].Seq, shown[len(shown)-1], v.Newer, last)
				}
				for i := 1; i < len(shown); i++ {
					at, found := slices.BinarySearch(all, shown[i-1])
					next := all[min(at+1, len(all)-1)]
					told := slices.Contains(v.Gaps, shared.Truncated{After: shown[i-1], First: shown[i]})
					switch {
					case !found || shown[i] < next:
						t.Fatalf("seed %d: shown after %d: got %d, want %d", seed, shown[i-1], shown[i], next)
					case shown[i] > next && !told:
						t.Fatalf("seed %d: shown after %d: got %d and the gaps %v, want %d or a gap", seed, shown[i-1], shown[i], v.Gaps, next)
					}
				}
			}
			// Whatever happened, the reader gets back to the end.
			for r.View().Room.Newer {
				r.load(r.LoadNewer, nil)
			}
			if shown := r.shown(); shown[len(shown)-1] != all[len(all)-1] {
				t.Errorf("seed %d: last message shown: got %d, want %d", seed, shown[len(shown)-1], all[len(all)-1])
			}
		})
		if t.Failed() {
			return
		}
	}
}
