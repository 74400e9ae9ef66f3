package userdata

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"websockets/server/eventlog"
	"websockets/server/eventlog/memlog"
	"websockets/server/topics"
	"websockets/shared"
)

// countingLog counts refreshes, and answers them when the test lets it.
type countingLog struct {
	eventlog.Log
	refreshes int
	blocked   chan struct{} // if not nil, refreshes wait until it is closed
}

func (l *countingLog) RecentRooms(ctx context.Context, since eventlog.Mark, found func(eventlog.Record)) (eventlog.Mark, error) {
	l.refreshes++
	if l.blocked != nil {
		select {
		case <-l.blocked:
		case <-ctx.Done():
			return since, fmt.Errorf("%w: %w", eventlog.ErrUnavailable, ctx.Err())
		}
	}
	return l.Log.RecentRooms(ctx, since, found)
}

// store appends an event to a room and returns its sequence.
func store(t *testing.T, log eventlog.Log, room string, body []byte) (seq uint64) {
	t.Helper()
	stored := make(chan error, 1)
	err := log.Append(t.Context(), room, rand.Text(), body, func(r eventlog.Receipt, err error) {
		seq = r.Seq
		stored <- err
	})
	if err == nil {
		err = <-stored
	}
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// say stores a message in a room.
func say(t *testing.T, log eventlog.Log, room string, sent time.Time) uint64 {
	t.Helper()
	return store(t, log, room, shared.Message{ID: "m", Room: room, User: "ann", From: "Ann", Message: "hi", Sent: sent}.Encode())
}

func namesOf(rooms []shared.RoomSummary) (list []string) {
	for _, r := range rooms {
		list = append(list, r.Name)
	}
	return list
}

func anyRoom(string) bool { return true }

// firstRooms returns the first page of rooms that match.
func firstRooms(t *testing.T, rooms *RecentRooms, matches func(room string) bool) []shared.RoomSummary {
	t.Helper()
	listed, err := rooms.List(t.Context(), shared.ListRoomsPayload{}, matches)
	if err != nil {
		t.Fatal(err)
	}
	return listed.Rooms
}

func TestRoomsAreListedByActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &countingLog{Log: openLog(t)}
		rooms := NewRecentRooms(t.Context(), log, topics.New(log))
		list := func(matches func(string) bool) []shared.RoomSummary {
			t.Helper()
			return firstRooms(t, rooms, matches)
		}
		now := time.Now()
		for i, room := range []string{"garden-1", "garden-2", "house", "garden-1"} {
			say(t, log, room, now.Add(time.Duration(i)*time.Minute))
		}
		store(t, log, "unreadable", []byte("no event"))
		listed := list(anyRoom)
		if got, want := namesOf(listed), []string{"garden-1", "house", "garden-2"}; !slices.Equal(got, want) {
			t.Errorf("listed: got %q, want %q", got, want)
		}
		if got, want := listed[0].LastActivity, now.Add(3*time.Minute); !got.Equal(want) {
			t.Errorf("last activity: got %v, want %v", got, want)
		}
		isGarden := func(room string) bool { return strings.HasPrefix(room, "garden") }
		if got, want := namesOf(list(isGarden)), []string{"garden-1", "garden-2"}; !slices.Equal(got, want) {
			t.Errorf("gardens: got %q, want %q", got, want)
		}
		// The log is read at most once in refreshInterval.
		say(t, log, "new", now.Add(time.Hour))
		if got := namesOf(list(anyRoom)); slices.Contains(got, "new") || log.refreshes != 1 {
			t.Errorf("at once: got %q and %d refreshes, want a list without new, and 1", got, log.refreshes)
		}
		time.Sleep(refreshInterval)
		if got := namesOf(list(anyRoom)); got[0] != "new" || log.refreshes != 2 {
			t.Errorf("after %v: got %q and %d refreshes, want new first, and 2", refreshInterval, got, log.refreshes)
		}
	})
}

// TestARefreshIsShared: callers wait for one refresh, none for longer than its context,
// and no lock is held meanwhile.
func TestARefreshIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &countingLog{Log: openLog(t), blocked: make(chan struct{})}
		say(t, log, "x", time.Now())
		rooms := NewRecentRooms(t.Context(), log, topics.New(log))
		hurried, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		answers := make(chan error, 3)
		for range 3 {
			go func() {
				listed, err := rooms.List(t.Context(), shared.ListRoomsPayload{}, anyRoom)
				if err == nil && len(listed.Rooms) != 1 {
					err = fmt.Errorf("got %v, want x", listed)
				}
				answers <- err
			}()
		}
		began := time.Now()
		_, err := rooms.List(hurried, shared.ListRoomsPayload{}, anyRoom)
		if !errors.Is(err, eventlog.ErrUnavailable) || time.Since(began) != time.Second {
			t.Errorf("List with a timeout of 1 s: got %v after %v, want ErrUnavailable after 1s", err, time.Since(began))
		}
		close(log.blocked)
		for range 3 {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		if log.refreshes != 1 {
			t.Errorf("refreshes: got %d, want 1", log.refreshes)
		}
	})
}

// TestAWaitForARefreshIsBounded: by refreshTimeout, and by the end of the server. The next
// call waits for the same refresh.
func TestAWaitForARefreshIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &countingLog{Log: openLog(t), blocked: make(chan struct{})}
		serverCtx, stop := context.WithCancel(t.Context())
		rooms := NewRecentRooms(serverCtx, log, topics.New(log))
		began := time.Now()
		_, err := rooms.List(t.Context(), shared.ListRoomsPayload{}, anyRoom)
		if !errors.Is(err, eventlog.ErrUnavailable) || time.Since(began) != refreshTimeout {
			t.Errorf("List: got %v after %v, want ErrUnavailable after %v", err, time.Since(began), refreshTimeout)
		}
		began = time.Now()
		time.AfterFunc(time.Second, stop)
		_, err = rooms.List(t.Context(), shared.ListRoomsPayload{}, anyRoom)
		if !errors.Is(err, eventlog.ErrUnavailable) || time.Since(began) != time.Second {
			t.Errorf("List when the server stops: got %v after %v, want ErrUnavailable after 1s", err, time.Since(began))
		}
	})
}

// TestExpiredRoomsAreForgotten: a room that retention has removed is not listed.
func TestExpiredRoomsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := memlog.Open(memlog.Options{MaxAge: time.Hour})
		t.Cleanup(log.Close)
		rooms := NewRecentRooms(t.Context(), log, topics.New(log))
		say(t, log, "old", time.Now())
		time.Sleep(40 * time.Minute)
		say(t, log, "kept", time.Now())
		if got, want := namesOf(firstRooms(t, rooms, anyRoom)), []string{"kept", "old"}; !slices.Equal(got, want) {
			t.Errorf("listed: got %q, want %q", got, want)
		}
		time.Sleep(40 * time.Minute)
		if got, want := namesOf(firstRooms(t, rooms, anyRoom)), []string{"kept"}; !slices.Equal(got, want) {
			t.Errorf("listed when old has expired: got %q, want %q", got, want)
		}
	})
}

// TestUnreadCounts: messages after the read mark count, changes of topic do not, and
// rooms without a mark have no count.
func TestUnreadCounts(t *testing.T) {
	log := openLog(t)
	state := topics.New(log)
	rooms := NewRecentRooms(t.Context(), log, state)
	now := time.Now()
	var seqs []uint64
	for range 10 {
		seqs = append(seqs, say(t, log, "x", now))
	}
	changeTopic(t, log, state, "x")
	for range shared.MaxUnread + 5 {
		say(t, log, "busy", now)
	}
	say(t, log, "unmarked", now)
	for _, test := range []struct {
		mark uint64
		want int
	}{{0, 10}, {seqs[6], 3}, {seqs[9], 0}, {1 << 63, 0}} {
		listed := []shared.RoomSummary{{Name: "x"}, {Name: "busy"}, {Name: "unmarked"}}
		err := rooms.CountUnread(t.Context(), listed, map[string]uint64{"x": test.mark, "busy": 0, "elsewhere": 1})
		got := []int{listed[0].Unread, listed[1].Unread, listed[2].Unread}
		if want := []int{test.want, shared.MaxUnread + 1, 0}; err != nil || !slices.Equal(got, want) {
			t.Errorf("unread after %d: got %v, %v, want %v", test.mark, got, err, want)
		}
	}
	log.Close()
	err := rooms.CountUnread(t.Context(), []shared.RoomSummary{{Name: "x"}}, map[string]uint64{"x": 1})
	if !errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("without the log: got %v, want ErrUnavailable", err)
	}
}

// changeTopic stores a change of a room's topic, as server/chat does.
func changeTopic(t *testing.T, log eventlog.Log, state *topics.Store, room string) {
	t.Helper()
	if err := state.Announce(t.Context(), room); err != nil {
		t.Fatal(err)
	}
	topic := shared.TopicPayload{ID: "t", Room: room, User: "ann", From: "Ann", Topic: "News", Sent: time.Now()}
	topic.Seq = store(t, log, room, shared.TopicChanged.Frame("", topic))
	if err := state.File(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
}
