package chat

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"websockets/server/eventlog"

	"websockets/server/auth"
	"websockets/server/timeline"
	"websockets/shared"
)

// listRooms answers with the rooms that were written to of late.
func (m *Manager) listRooms(ctx context.Context, r request, p shared.ListRoomsPayload) error {
	session := r.session.Load()
	rooms, err := m.listing.rooms(ctx, func(name string) bool {
		return strings.Contains(name, p.Filter) && session.May(auth.Read, name)
	})
	if err != nil {
		return r.unavailable(err)
	}
	marks, err := m.marks.of(ctx, r.user)
	if err != nil {
		return r.unavailable(err)
	}
	for i := range rooms {
		mark, read := marks[rooms[i].Name]
		if !read {
			continue
		}
		unread, err := m.unread(ctx, rooms[i].Name, mark)
		if err != nil {
			return r.unavailable(err)
		}
		rooms[i].Unread = unread
	}
	r.answer(shared.Rooms.Frame(r.id, shared.RoomsPayload{Rooms: rooms}))
	return nil
}

// unread returns how many messages a room has beyond a read mark, at most
// shared.MaxUnread and one.
func (m *Manager) unread(ctx context.Context, room string, mark uint64) (int, error) {
	records, err := m.eventlog.Count(ctx, room, mark)
	if err != nil || records == 0 {
		return 0, err
	}
	state, err := m.topics.Read(ctx, room)
	if err != nil {
		return 0, err
	}
	return min(max(0, records-state.OthersAfter(mark)), shared.MaxUnread+1), nil
}

// maxListing is how many rooms a listing remembers.
const maxListing = 5000

// listing knows which rooms were written to of late. It asks what the log has got
// since the last time, when somebody wants to know and at most once a second, so
// it costs the way of a message nothing.
type listing struct {
	ctx    context.Context // ends with the manager
	log    eventlog.Log
	update singleflight.Group

	mark eventlog.Mark // how far it has looked; owned by update

	mu      sync.Mutex // guards what follows
	updated time.Time
	active  map[string]time.Time // when a room's newest message was sent
}

// listingTimeout bounds an update that the log does not answer.
const listingTimeout = 10 * time.Second

func newListing(ctx context.Context, log eventlog.Log) *listing {
	return &listing{ctx: ctx, log: log, active: map[string]time.Time{}}
}

// rooms returns the rooms that are wanted, the last written to first.
func (l *listing) rooms(ctx context.Context, wanted func(name string) bool) ([]shared.RoomSummary, error) {
	if !l.isCurrent() {
		updated := l.update.DoChan("", func() (any, error) { return nil, l.look() })
		select {
		case result := <-updated:
			if result.Err != nil {
				return nil, result.Err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", eventlog.ErrUnavailable, ctx.Err())
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return newest(l.active, wanted, shared.MaxListedRooms), nil
}

func (l *listing) isCurrent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.updated) < time.Second
}

// look asks the log for what is new. One runs at a time, for all who wait.
func (l *listing) look() error {
	ctx, cancel := context.WithTimeout(l.ctx, listingTimeout)
	defer cancel()
	records, mark, err := l.log.RecentRooms(ctx, l.mark)
	if err != nil {
		return err
	}
	l.mark = mark
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, record := range records {
		event, ok := timeline.Event(record)
		var payload struct{ Sent time.Time }
		if ok && json.Unmarshal(event.Payload, &payload) == nil {
			l.active[record.Room] = payload.Sent
		}
	}
	if len(l.active) > maxListing {
		kept := map[string]time.Time{}
		for _, r := range newest(l.active, func(string) bool { return true }, maxListing*3/4) {
			kept[r.Name] = r.LastActivity
		}
		l.active = kept
	}
	l.updated = time.Now()
	return nil
}

// newest returns the rooms that are wanted, the last written to first, at most
// most of them.
func newest(active map[string]time.Time, wanted func(name string) bool, most int) []shared.RoomSummary {
	rooms := make([]shared.RoomSummary, 0, min(len(active), most))
	for name, at := range active {
		if wanted(name) {
			rooms = append(rooms, shared.RoomSummary{Name: name, LastActivity: at})
		}
	}
	slices.SortFunc(rooms, func(a, b shared.RoomSummary) int {
		return cmp.Or(b.LastActivity.Compare(a.LastActivity), strings.Compare(a.Name, b.Name))
	})
	return rooms[:min(len(rooms), most)]
}
