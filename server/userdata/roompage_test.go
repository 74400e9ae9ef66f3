package userdata

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"websockets/server/eventlog"
	"websockets/server/eventlog/jetstream"
	"websockets/server/eventlog/memlog"
	"websockets/server/topics"
	"websockets/shared"
)

// pages reads all pages of limit rooms and returns the rooms' names. between is called
// after each page.
func pages(t *testing.T, rooms *RecentRooms, p shared.ListRoomsPayload, matches func(string) bool, between func()) (names []string) {
	t.Helper()
	for {
		listed, err := rooms.List(t.Context(), p, matches)
		if err != nil {
			t.Fatal(err)
		}
		if limit := max(p.Limit, 0); limit > 0 && len(listed.Rooms) > limit || len(listed.Rooms) > shared.MaxListedRooms {
			t.Fatalf("page: got %d rooms, want %d at most", len(listed.Rooms), limit)
		}
		names = append(names, namesOf(listed.Rooms)...)
		if listed.Next == "" {
			return names
		}
		p.Page = listed.Next
		between()
	}
}

// TestEveryRoomIsListed: all pages together have every room once, before and after a
// restart, on disk and in memory, and so have those of a filter.
func TestEveryRoomIsListed(t *testing.T) {
	const count = 2500
	name := func(i int) string { return fmt.Sprintf("room-%04d", i) }
	onDisk := func(dir string) eventlog.Store {
		log, err := jetstream.Open(t.Context(), jetstream.Options{Dir: dir, MaxBytes: 1 << 30, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return log
	}
	inMemory, dir := memlog.Open(memlog.Options{}), t.TempDir()
	for where, open := range map[string]func() eventlog.Store{
		"on disk":   func() eventlog.Store { return onDisk(dir) },
		"in memory": func() eventlog.Store { return inMemory },
	} {
		t.Run(where, func(t *testing.T) {
			log := open()
			t.Cleanup(func() { log.Close() })
			settled := make(chan error, count)
			for i := range count {
				m := shared.Message{ID: "m", Room: name(i), User: "ann", From: "Ann", Message: "hi", Sent: time.Unix(int64(i), 0)}
				err := log.Append(t.Context(), m.Room, m.Room, m.Encode(), func(_ eventlog.Receipt, err error) { settled <- err })
				if err != nil {
					t.Fatal(err)
				}
			}
			for range count {
				if err := <-settled; err != nil {
					t.Fatal(err)
				}
			}
			var want []string // by activity
			for i := count - 1; i >= 0; i-- {
				want = append(want, name(i))
			}
			check := func(when string) {
				t.Helper()
				rooms := NewRecentRooms(t.Context(), log, topics.New(log))
				for _, limit := range []int{0, 1 + count/7} {
					limit = min(limit, shared.MaxListedRooms)
					got := pages(t, rooms, shared.ListRoomsPayload{Limit: limit}, anyRoom, func() {})
					if !slices.Equal(got, want) {
						t.Errorf("%s, limit %d: got %d rooms from %q on, want each of %d once", when, limit, len(got), got[:min(3, len(got))], count)
					}
				}
				odd := func(room string) bool { return strings.HasSuffix(room, "7") }
				if got := pages(t, rooms, shared.ListRoomsPayload{Limit: 100}, odd, func() {}); len(got) != count/10 {
					t.Errorf("%s, a filter: got %d rooms, want %d", when, len(got), count/10)
				}
			}
			check("before a restart")
			if where == "on disk" {
				log.Close()
				log = open()
			}
			check("after a restart")
		})
	}
}

// TestPagesMissNoRoom: rooms move to the top while the pages are read, and new ones
// appear. A reader of all pages gets each of them.
func TestPagesMissNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := openLog(t)
		rooms := NewRecentRooms(t.Context(), log, topics.New(log))
		name := func(i int) string { return fmt.Sprintf("room-%02d", i) }
		for i := range 40 {
			say(t, log, name(i), time.Now().Add(-time.Duration(i)*time.Minute))
		}
		moved := 40
		got := pages(t, rooms, shared.ListRoomsPayload{Limit: 4}, anyRoom, func() {
			if moved > 25 { // the least recent, which no page has listed yet
				moved--
				say(t, log, name(moved), time.Now())
				say(t, log, "new-"+name(moved), time.Now())
			}
			time.Sleep(refreshInterval)
		})
		for i := range 40 {
			if !slices.Contains(got, name(i)) {
				t.Errorf("%s: got it in no page, want it in one", name(i))
			}
			if i >= moved && !slices.Contains(got, "new-"+name(i)) {
				t.Errorf("new-%s: got it in no page, want it in one", name(i))
			}
		}
	})
}

// TestPagesTellNothingElse: whoever may not read the other rooms gets the same pages as if
// they were not there: no empty ones, and no name of another room inside.
func TestPagesTellNothingElse(t *testing.T) {
	log := openLog(t)
	rooms := NewRecentRooms(t.Context(), log, topics.New(log))
	for i := range 50 {
		say(t, log, fmt.Sprintf("secret-%02d", i), time.Unix(int64(2*i), 0))
		if i%10 == 5 {
			say(t, log, fmt.Sprintf("open-%02d", i), time.Unix(int64(2*i+1), 0))
		}
	}
	isOpen := func(room string) bool { return strings.HasPrefix(room, "open") }
	p := shared.ListRoomsPayload{Limit: 1}
	for n := 5; n > 0; n-- {
		listed, err := rooms.List(t.Context(), p, isOpen)
		if err != nil || len(listed.Rooms) != 1 || !isOpen(listed.Rooms[0].Name) {
			t.Fatalf("page: got %+v, %v, want one open room", listed.Rooms, err)
		}
		inside, err := base64.RawURLEncoding.DecodeString(listed.Next)
		if err != nil || strings.Contains(string(inside), "secret") || (listed.Next == "") != (n == 1) {
			t.Errorf("next, with %d open rooms to come: got %q (%s), %v", n-1, listed.Next, inside, err)
		}
		p.Page = listed.Next
	}
}

func TestUnknownPagesAreRefused(t *testing.T) {
	log := openLog(t)
	rooms := NewRecentRooms(t.Context(), log, topics.New(log))
	for _, page := range []string{"?", "bm90IGpzb24", base64.RawURLEncoding.EncodeToString([]byte(`{"t":"x"}`))} {
		_, err := rooms.List(t.Context(), shared.ListRoomsPayload{Page: page}, anyRoom)
		var refused *shared.Error
		if !errors.As(err, &refused) || refused.Code != shared.CodeBadPayload {
			t.Errorf("page %q: got %v, want %s", page, err, shared.CodeBadPayload)
		}
	}
}
