package client

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"websockets/shared"
)

// memoryStore is a Store that outlives its clients.
type memoryStore struct {
	mu     sync.Mutex
	values map[string]string
	saves  int
	broken error // Save returns it
}

func newMemoryStore() *memoryStore { return &memoryStore{values: map[string]string{}} }

func (s *memoryStore) Load() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.values)
}

func (s *memoryStore) Save(key, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saves++
	if s.broken != nil {
		return s.broken
	}
	s.values[key] = value
	return nil
}

func (s *memoryStore) Remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, key)
}

func (s *memoryStore) refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

// ids returns the ids of the messages kept.
func (s *memoryStore) ids() []string { return slices.Sorted(maps.Keys(s.Load())) }

// with gives a client this store.
func (s *memoryStore) with(_ *harness, c *Config) { c.Store = s }

// offline is a client that gets no connection.
func offline(h *harness, _ *Config) { h.refuse = errors.New("no route") }

// end ends a client as closing its tab does, as far as the store can tell.
func (h *harness) end() {
	h.cancel()
	<-h.ended
}

func TestStoreKeepsSentMessages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newMemoryStore()
		h := start(t, store.with, offline)
		var ids []string
		for i := range 20 {
			ids = append(ids, h.send(fmt.Sprint("message ", i)))
			if _, kept := store.Load()[ids[i]]; !kept {
				t.Fatalf("message %d after Send: got it not kept, want it kept", i)
			}
		}
		h.end()

		h = start(t, store.with)
		if v := h.View(); v.Queued != len(ids) || v.Room.Outgoing[3].Text != "message 3" {
			t.Errorf("queued after a restart: got %d: %v, want %d in order", v.Queued, v.Room.Outgoing, len(ids))
		}
		p := h.accept()
		if p.after() != nil {
			t.Errorf("cursor for messages that were never sent: got %v, want none", p.after())
		}
		p.welcome("general", shared.StateNew, at(0))
		for i, want := range ids {
			id, m := expect(p, shared.SendMessage)
			if id != want || m.Message != fmt.Sprint("message ", i) {
				t.Errorf("sent: got %s %q, want %s, message %d", id, m.Message, want, i)
			}
			p.ackAt(id, "general", uint64(i+1))
		}
		p.quiet()
		h.wantAcked(ids...)
		if got := store.ids(); len(got) != 0 {
			t.Errorf("kept after the acks: got %v, want none", got)
		}
	})
}

// The cursor is in the store before the message is on the wire, and the message
// is removed from it by its ack.
func TestStoreIsWrittenBeforeWire(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newMemoryStore()
		h := start(t, store.with)
		p := h.connect()
		p.message("general", 5, "you", "m5")
		synctest.Wait()
		id := h.send("hello")
		if kept := store.Load()[id]; !strings.Contains(kept, `"after":{"epoch":"e1","seq":5,"id":"m5"}`) || !strings.Contains(kept, `"user":"me"`) {
			t.Errorf("kept: got %s, want the cursor at 5 and the user me", kept)
		}
		if store.saves != 1 {
			t.Errorf("writes for a message that went on the wire at once: got %d, want 1", store.saves)
		}
		expect(p, shared.SendMessage)
		p.ackAt(id, "general", 6)
		synctest.Wait()
		if kept := store.ids(); len(kept) != 0 {
			t.Errorf("kept after the ack: got %v, want none", kept)
		}
		h.wantState(id, Sent)
	})
}

// sentAndClosed sends messages that nobody answers, and closes the client. The
// room was at seq 5.
func sentAndClosed(t *testing.T, store *memoryStore, texts ...string) (ids []string) {
	h := start(t, store.with)
	p := h.connect()
	p.message("general", 5, "you", "m5")
	synctest.Wait()
	for _, text := range texts {
		ids = append(ids, h.send(text))
		expect(p, shared.SendMessage)
	}
	h.end()
	return ids
}

func TestStoredMessagesAreLookedUpInLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newMemoryStore()
		ids := sentAndClosed(t, store, "a", "b", "c")
		h := start(t, store.with)
		p := h.accept()
		if after := p.after(); after == nil || *after != at(5) {
			t.Fatalf("cursor of the reconnect: got %v, want %v", after, at(5))
		}
		p.greet()
		p.joined("", "general", shared.StateRecovered, at(5))
		p.message("general", 6, "me", ids[1])
		p.message("general", 7, "you", ids[0]) // another user's message with our id is not ours
		p.quiet()
		p.synced("general", at(7))
		p.toServerSkipHistory(t)
		for _, want := range []string{ids[0], ids[2]} {
			if id, _ := expect(p, shared.SendMessage); id != want {
				t.Errorf("sent: got %s, want %s", id, want)
			}
		}
		p.quiet()
		h.wantAcked(ids[1])
		if kept := store.ids(); slices.Contains(kept, ids[1]) || len(kept) != 2 {
			t.Errorf("kept: got %v, want all but %s", kept, ids[1])
		}
	})
}

// toServerSkipHistory answers the request for the history that fills the view.
func (p *peer) toServerSkipHistory(t *testing.T) {
	t.Helper()
	id, ask := expect(p, shared.LoadHistory)
	if ask.Room == "" || ask.Before == 0 || ask.Limit <= 0 || ask.Limit > shared.JoinBacklog {
		t.Errorf("asked for history: got %+v, want a room, before a message, at most %d", ask, shared.JoinBacklog)
	}
	reply(p, shared.History, id, shared.HistoryPayload{Room: ask.Room})
}

// Looking for a message does not leave the reader with an empty room.
func TestLookupFillsView(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newMemoryStore()
		sentAndClosed(t, store, "a")
		h := start(t, store.with)
		p := h.accept()
		p.welcome("general", shared.StateCurrent, at(5))
		id, ask := expect(p, shared.LoadHistory)
		if ask.Room != "general" || ask.Before != 6 || ask.Limit != shared.JoinBacklog {
			t.Errorf("asked for history: got %+v, want %d messages of general before 6", ask, shared.JoinBacklog)
		}
		expect(p, shared.SendMessage)
		var page []shared.Message
		for seq := range uint64(5) {
			page = append(page, shared.Message{Seq: seq + 1, ID: fmt.Sprint("m", seq+1), Room: "general", User: "you"})
		}
		reply(p, shared.History, id, shared.HistoryPayload{Room: "general", Messages: page})
		synctest.Wait()
		if v := h.View(); len(v.Room.Messages) != 5 || v.Room.More {
			t.Errorf("view: got %d messages, more: %v, want 5 and no more", len(v.Room.Messages), v.Room.More)
		}
		p.quiet()
	})
}

func TestLookupAfterTruncationOrReset(t *testing.T) {
	for _, state := range []string{shared.StateTruncated, shared.StateReset} {
		bubble(t, func(t *testing.T) {
			store := newMemoryStore()
			ids := sentAndClosed(t, store, "a", "b")
			h := start(t, store.with)
			begin := shared.RoomJoinedPayload{Room: "general", Cursor: at(5), State: state}
			if state == shared.StateReset {
				begin.Cursor = shared.Cursor{Epoch: "e2", Seq: 1, ID: "m1"}
			} else {
				begin.Truncated = &shared.Truncated{After: 5, First: 50}
			}
			p := h.accept()
			p.greet()
			reply(p, shared.RoomJoined, "", begin)
			p.synced("general", begin.Cursor)
			if state == shared.StateTruncated {
				p.toServerSkipHistory(t)
			}
			p.quiet()
			for _, id := range ids {
				h.wantState(id, Uncertain)
			}
			h.end()

			// After a restart the decision is still up to the user.
			h = start(t, store.with)
			p = h.connect()
			p.quiet()
			h.wantState(ids[0], Uncertain)
			check(t, h.Discard(ids[0]))
			check(t, h.Retry(ids[1]))
			if id, _ := expect(p, shared.SendMessage); id != ids[1] {
				t.Errorf("%s: sent by Retry: got %s, want %s", state, id, ids[1])
			}
			if kept := store.ids(); !slices.Equal(kept, ids[1:]) {
				t.Errorf("%s: kept: got %v, want %v", state, kept, ids[1:])
			}
			p.ackAt(ids[1], "general", 60)
			synctest.Wait()
			if kept := store.ids(); len(kept) != 0 {
				t.Errorf("%s: kept after the ack: got %v, want none", state, kept)
			}
		})
	}
}

// A range that is lost before a message's cursor does not make it uncertain.
func TestTruncationBeforeMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newMemoryStore()
		old := sentAndClosed(t, store, "old")[0]
		h := start(t, store.with)
		p := h.accept()
		p.welcome("general", shared.StateCurrent, at(5))
		p.toServerSkipHistory(t)
		expect(p, shared.SendMessage)
		p.message("general", 100, "you", "m100")
		synctest.Wait()
		young := h.send("young")
		expect(p, shared.SendMessage)
		h.end()

		h = start(t, store.with)
		p = h.accept()
		if after := p.after(); after == nil || *after != at(5) {
			t.Fatalf("cursor of the reconnect: got %v, want %v", after, at(5))
		}
		p.greet()
		reply(p, shared.RoomJoined, "", shared.RoomJoinedPayload{
			Room: "general", Cursor: at(5), State: shared.StateTruncated, Truncated: &shared.Truncated{After: 5, First: 90},
		})
		p.synced("general", at(100))
		p.toServerSkipHistory(t)
		if id, _ := expect(p, shared.SendMessage); id != young {
			t.Errorf("sent: got %s, want %s", id, young)
		}
		p.quiet()
		h.wantState(old, Uncertain)
	})
}

func TestStoredByAnotherUser(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newMemoryStore()
		sent := sentAndClosed(t, store, "sent")[0]
		h := start(t, store.with)
		p := h.accept()
		p.greet() // and nothing of the room: it is never sent
		synctest.Wait()
		unsent := h.send("not sent")
		h.end()

		h = start(t, store.with)
		p = h.accept()
		reply(p, shared.Welcome, "", shared.WelcomePayload{User: "someone else", Heartbeat: 25})
		p.joined("", "general", shared.StateCurrent, at(5))
		p.synced("general", at(5))
		p.toServerSkipHistory(t)
		p.quiet()
		h.wantState(sent, Uncertain)
		h.wantState(unsent, Uncertain)
		check(t, h.Retry(sent))
		if id, _ := expect(p, shared.SendMessage); id != sent {
			t.Errorf("sent: got %s, want %s", id, sent)
		}
	})
}

// Another tab is closed while this one shows the room and is ahead of it. The
// room is read again from where that tab was, and no message is shown twice.
func TestImportRereadsRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		closed := newMemoryStore()
		ids := sentAndClosed(t, closed, "stored", "not stored")
		own := newMemoryStore()
		h := start(t, own.with)
		p := h.accept()
		p.welcome("general", shared.StateNew, at(7))
		p.message("general", 8, "you", "m8")
		synctest.Wait()
		h.ImportOutbox(closed)
		leave, _ := expect(p, shared.LeaveRoom)
		mine := h.send("mine")
		p.message("general", 9, "you", "m9") // was on its way
		change, ask := expect(p, shared.ChangeRoom)
		if ask.Name != "general" || ask.After == nil || *ask.After != at(5) {
			t.Fatalf("changed to: got %+v, want general after %v", ask, at(5))
		}
		reply(p, shared.Left, leave, shared.LeavePayload{Name: "general"})
		p.joined(change, "general", shared.StateRecovered, at(5))
		p.message("general", 6, "me", ids[0])
		for seq := uint64(7); seq < 11; seq++ {
			p.message("general", seq, "you", fmt.Sprint("m", seq))
		}
		p.quiet()
		p.synced("general", at(10))
		for _, want := range []string{ids[1], mine} {
			if id, _ := expect(p, shared.SendMessage); id != want {
				t.Errorf("sent: got %s, want %s", id, want)
			}
		}
		p.quiet()
		h.wantSeen("m8", "m9", "m10")
		h.wantAcked(ids[0])
		if kept := closed.ids(); !slices.Equal(kept, ids[1:]) {
			t.Errorf("kept of the closed tab: got %v, want %v", kept, ids[1:])
		}
		if kept := own.ids(); !slices.Equal(kept, []string{mine}) {
			t.Errorf("kept of our own: got %v, want %s", kept, mine)
		}
		if v := h.View(); v.Current != "general" || len(v.Room.Gaps) != 0 || v.Room.WasReset || len(v.Room.Messages) != 3 {
			t.Errorf("view: got %+v, want general with 3 messages, no gaps, not reset", v.Room)
		}
	})
}

// A lost range is a gap only where it reaches beyond what the view has shown.
func TestImportBehindTruncation(t *testing.T) {
	for first, gap := range map[uint64]shared.Truncated{9: {}, 10: {}, 50: {After: 9, First: 50}, 0: {After: 9}} {
		bubble(t, func(t *testing.T) {
			closed := newMemoryStore()
			id := sentAndClosed(t, closed, "a")[0]
			h := start(t)
			p := h.accept()
			p.welcome("general", shared.StateNew, at(8))
			p.message("general", 9, "you", "m9")
			synctest.Wait()
			h.ImportOutbox(closed)
			leave, _ := expect(p, shared.LeaveRoom)
			change, _ := expect(p, shared.ChangeRoom)
			reply(p, shared.Left, leave, shared.LeavePayload{Name: "general"})
			reply(p, shared.RoomJoined, change, shared.RoomJoinedPayload{
				Room: "general", Cursor: at(5), State: shared.StateTruncated, Truncated: &shared.Truncated{After: 5, First: first},
			})
			p.synced("general", at(max(9, first)))
			p.quiet()
			h.wantState(id, Uncertain)
			if gaps := h.View().Room.Gaps; gap.After == 0 && len(gaps) != 0 || gap.After != 0 && !slices.Equal(gaps, []shared.Truncated{gap}) {
				t.Errorf("gaps when all before %d is gone: got %v, want %v", first, gaps, gap)
			}
		})
	}
}

// A message sent to a log that has been replaced cannot be looked for.
func TestImportFromAnotherLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		closed := newMemoryStore()
		id := sentAndClosed(t, closed, "old")[0]
		h := start(t)
		p := h.accept()
		p.welcome("general", shared.StateNew, shared.Cursor{Epoch: "e2", Seq: 3, ID: "m3"})
		synctest.Wait()
		h.ImportOutbox(closed)
		leave, _ := expect(p, shared.LeaveRoom)
		change, ask := expect(p, shared.ChangeRoom)
		if ask.After == nil || ask.After.Epoch != "e2" {
			t.Errorf("changed to: got %+v, want a cursor of epoch e2", ask.After)
		}
		reply(p, shared.Left, leave, shared.LeavePayload{Name: "general"})
		p.joined(change, "general", shared.StateCurrent, *ask.After)
		p.synced("general", *ask.After)
		p.quiet()
		h.wantState(id, Uncertain)
	})
}

// Two tabs that were closed knew two logs: each message is looked for in its own.
func TestImportFromTwoLogs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newMemoryStore()
		cursor := `{"epoch":"%s","seq":%d,"id":"m"}`
		keep := func(id string, order int, epoch string, seq int) {
			store.values[id] = fmt.Sprintf(`{"v":1,"order":%d,"room":"general","message":"x","written":"2026-01-02T03:04:05Z","user":"me","state":"pending","after":`+cursor+`}`, order, epoch, seq)
		}
		keep("new", 1, "e2", 3)
		keep("old", 2, "e1", 5) // written last, so its log is tried first
		h := start(t, store.with)
		p := h.accept()
		if after := p.after(); after == nil || after.Epoch != "e1" {
			t.Fatalf("cursor of the first connection: got %v, want one of epoch e1", after)
		}
		now := shared.Cursor{Epoch: "e2", Seq: 40, ID: "m40"}
		p.welcome("general", shared.StateReset, now)
		leave, _ := expect(p, shared.LeaveRoom)
		change, ask := expect(p, shared.ChangeRoom)
		if ask.After == nil || ask.After.Epoch != "e2" || ask.After.Seq != 3 {
			t.Fatalf("changed to: got %+v, want 3 in epoch e2", ask.After)
		}
		h.wantState("old", Uncertain)
		reply(p, shared.Left, leave, shared.LeavePayload{Name: "general"})
		p.joined(change, "general", shared.StateRecovered, *ask.After)
		p.message("general", 4, "me", "new")
		p.synced("general", now)
		p.quiet()
		h.wantAcked("new")
		h.wantSeen()
		if kept := store.ids(); !slices.Equal(kept, []string{"old"}) {
			t.Errorf("kept: got %v, want old", kept)
		}
	})
}

func TestFullStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newMemoryStore()
		h := start(t, store.with)
		full := errors.New("QuotaExceededError")
		store.refuse(full)
		if _, err := h.Send("", "before the welcome"); !errors.Is(err, ErrOutboxFull) || !strings.Contains(err.Error(), full.Error()) {
			t.Errorf("Send before the welcome: got %v, want %v and %v", err, ErrOutboxFull, full)
		}
		store.refuse(nil)
		queued := h.send("queued")
		store.refuse(full)
		p := h.connect()
		// It is kept as never sent. If it went on the wire, the next client would send
		// it again.
		p.quiet()
		h.wantState(queued, Failed)
		if _, err := h.Send("", "online"); !errors.Is(err, ErrOutboxFull) {
			t.Errorf("Send online: got %v, want %v", err, ErrOutboxFull)
		}
		p.quiet()
		if n := len(h.View().Room.Outgoing); n != 1 {
			t.Errorf("pending: got %d, want 1", n)
		}
		check(t, h.Retry(queued)) // the store is still full
		p.quiet()
		h.wantState(queued, Failed)
		store.refuse(nil)
		check(t, h.Retry(queued))
		if id, _ := expect(p, shared.SendMessage); id != queued {
			t.Errorf("sent: got %s, want %s", id, queued)
		}
	})
}

func TestInvalidStoreEntries(t *testing.T) {
	const good = `{"v":1,"order":1,"room":"general","message":"x","written":"2026-01-02T03:04:05Z","user":"me","state":"pending"}`
	broken := map[string]string{
		"text": "hello", "empty": "", "null": "null", "list": "[]", "number": "7", "cut": good[:40],
		"v0":      `{"room":"general","message":"x","state":"pending"}`,
		"state":   `{"v":1,"room":"general","message":"x","state":"flying"}`,
		"sent":    `{"v":1,"room":"general","message":"x","state":"sent"}`,
		"room":    `{"v":1,"room":"../x","message":"x","state":"pending"}`,
		"noroom":  `{"v":1,"message":"x","state":"pending"}`,
		"nothing": `{"v":1,"room":"general","message":"","state":"pending"}`,
		"long":    `{"v":1,"room":"general","message":"` + strings.Repeat("x", 5000) + `","state":"pending"}`,
		"time":    `{"v":1,"room":"general","message":"x","written":"yesterday","state":"pending"}`,
		"cursor":  `{"v":1,"room":"general","message":"x","user":"me","after":{},"state":"pending"}`,
		"nobody":  `{"v":1,"room":"general","message":"x","after":{"epoch":"e","seq":1,"id":"m"},"state":"pending"}`,
		"bad id!": good, "": good, strings.Repeat("i", 65): good,
	}
	for id, value := range broken {
		store := newMemoryStore()
		store.values = map[string]string{id: value, "good": good}
		var logged bytes.Buffer
		log.SetOutput(&logged)
		c, err := New(Config{URL: "ws://chat.test/ws", Store: store})
		log.SetOutput(log.Default().Writer())
		check(t, err)
		if v := c.View(); v.Queued != 1 || v.Room.Outgoing[0].ID != "good" {
			t.Errorf("outbox with %q %s: got %v, want good alone", id, value, v.Room.Outgoing)
		}
		if got := store.ids(); !slices.Equal(got, []string{"good"}) {
			t.Errorf("kept with %q %s: got %v, want good alone", id, value, got)
		}
		if !strings.Contains(logged.String(), "is dropped: ") {
			t.Errorf("log with %q %s: got %q, want that it is dropped", id, value, logged.String())
		}
	}

	// A newer client's message is not garbage.
	store := newMemoryStore()
	store.values["newer"] = `{"v":2,"text":"who knows"}`
	c, err := New(Config{URL: "ws://chat.test/ws", Store: store})
	check(t, err)
	if n := c.View().Queued; n != 0 || len(store.ids()) != 1 {
		t.Errorf("newer client's message: got %d queued and %v kept, want none queued and it kept", n, store.ids())
	}
}

func TestStoreIsWrittenOncePerWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newMemoryStore()
		h := start(t, store.with)
		p := h.connect()
		const n = 200
		for range n {
			h.send("text")
		}
		for i := range n {
			id, _ := expect(p, shared.SendMessage)
			p.ackAt(id, "general", uint64(i+1))
		}
		synctest.Wait()
		if store.saves > 2*n || len(store.ids()) != 0 {
			t.Errorf("%d messages: got %d writes and %d kept, want at most %d and none", n, store.saves, len(store.ids()), 2*n)
		}
	})
}

// TestModelDeliversExactlyOnceWithTabs is TestModelDeliversExactlyOnce with two
// tabs that are closed at any moment. The other tab or a new one takes over the
// messages of a closed tab.
func TestModelDeliversExactlyOnceWithTabs(t *testing.T) {
	for seed := range seeds(20) {
		bubble(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 2))
			m := newModel(random)
			type tab struct {
				*harness
				stores []*memoryStore // its own, and those it has taken over
			}
			written := map[*memoryStore][]string{}
			open := func() *tab {
				store := newMemoryStore()
				written[store] = nil
				return &tab{start(t, store.with, m.serve), []*memoryStore{store}}
			}
			tabs := []*tab{open(), open()}
			rooms := []string{"general", "other"}
			act := func() {
				i := random.IntN(2)
				tab := tabs[i]
				switch random.IntN(10) {
				case 0, 1, 2, 3, 4:
					id, err := tab.Send(rooms[random.IntN(2)], "text")
					check(t, err)
					written[tab.stores[0]] = append(written[tab.stores[0]], id)
				case 5:
					check(t, tab.ChangeRoom(rooms[random.IntN(2)]))
				case 6:
					tab.CheckNow()
				case 7:
					tab.end()
					tabs[i] = open()
					heir := tabs[random.IntN(2)]
					for _, store := range tab.stores {
						heir.ImportOutbox(store)
						heir.stores = append(heir.stores, store)
					}
				}
			}
			for range 300 {
				if random.IntN(4) == 0 {
					act()
				}
				if random.IntN(3) > 0 {
					m.step()
				}
				if random.IntN(2) == 0 {
					m.wait()
				}
				time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
			}
			m.calm()

			for store, ids := range written {
				for _, id := range ids {
					if n := m.stored[id]; n != 1 {
						t.Errorf("seed %d: message %s in the log: got %d times, want once", seed, id, n)
					}
				}
				if kept := store.ids(); len(kept) > 0 {
					t.Errorf("seed %d: kept: got %v, want none", seed, kept)
				}
				for _, room := range rooms { // the messages of one tab stay in order
					last := -1
					for _, message := range m.logs[room] {
						if i := slices.Index(ids, message.ID); i >= 0 {
							if i < last {
								t.Errorf("seed %d: order in %s: got %s after %s, want it before", seed, room, ids[i], ids[last])
							}
							last = i
						}
					}
				}
			}
			for i, tab := range tabs {
				if n, _ := tab.left(); n != 0 {
					t.Errorf("seed %d: messages left in tab %d: got %d, want none", seed, i, n)
				}
				told := map[string][]string{}
				for _, message := range tab.told() {
					told[message.Room] = append(told[message.Room], message.ID)
				}
				for _, name := range rooms {
					var logged, shown []string
					for _, message := range m.logs[name] {
						logged = append(logged, message.ID)
					}
					r, _ := tab.Room(name)
					for _, message := range r.Messages {
						shown = append(shown, message.ID)
					}
					if !r.Synced {
						continue
					}
					// Each was told and is shown once, in order, up to the end.
					for what, got := range map[string][]string{"told": told[name], "shown": shown} {
						if n := len(logged) - len(got); n < 0 || !slices.Equal(got, logged[n:]) {
							t.Errorf("seed %d: messages %s in %s by tab %d: got\n%s\nwant the end of\n%s", seed, what, name, i, got, logged)
						}
					}
					if want := min(len(logged), shared.JoinBacklog); len(shown) < want {
						t.Errorf("seed %d: messages shown by tab %d: got %d, want at least %d", seed, i, len(shown), want)
					}
				}
			}
		})
		if t.Failed() {
			return
		}
	}
}
