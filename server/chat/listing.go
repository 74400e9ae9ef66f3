package chat

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"websockets/server/eventlog/jetstream"
	"websockets/server/identity"
	"websockets/shared"
)

// listRooms answers with the rooms that were written to of late.
func (m *Manager) listRooms(ctx context.Context, r request, p shared.ListRoomsPayload) error {
	session := r.session.Load()
	rooms, err := m.listing.rooms(ctx, func(name string) bool {
		return strings.Contains(name, p.Filter) && session.May(identity.Read, name)
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
		unread, err := m.roomlog.Count(ctx, rooms[i].Name, mark)
		if err != nil {
			return r.unavailable(err)
		}
		rooms[i].Unread = min(unread, shared.MaxUnread+1)
	}
	r.answer(shared.Rooms.Frame(r.id, shared.RoomsPayload{Rooms: rooms}))
	return nil
}

// maxListing is how many rooms a listing remembers.
const maxListing = 5000

// listing knows which rooms were written to of late. It looks at what the log
// has got since the last time, when somebody asks and at most once a second, so
// it costs the way of a message nothing.
type listing struct {
	log *jetstream.Log

	mu     sync.Mutex // also held while one looks, so that only one does
	looked time.Time
	seen   []uint64             // per shard, how far it has looked
	active map[string]time.Time // when a room's newest message was sent
}

func newListing(log *jetstream.Log) *listing {
	return &listing{log: log, seen: make([]uint64, log.Shards()), active: map[string]time.Time{}}
}

// rooms returns the rooms that are wanted, the last written to first.
func (l *listing) rooms(ctx context.Context, wanted func(name string) bool) ([]shared.RoomSummary, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.look(ctx); err != nil {
		return nil, err
	}
	return newest(l.active, wanted, shared.MaxListedRooms), nil
}

func (l *listing) look(ctx context.Context) error {
	if time.Since(l.looked) < time.Second {
		return nil
	}
	for shard := range l.seen {
		entries, seen, err := l.log.Newest(ctx, shard, l.seen[shard])
		if err != nil {
			return err
		}
		l.seen[shard] = seen
		for _, e := range entries {
			var message struct{ Sent time.Time }
			if json.Unmarshal(e.Body, &message) == nil {
				l.active[e.Room] = message.Sent
			}
		}
	}
	if len(l.active) > maxListing {
		kept := map[string]time.Time{}
		for _, r := range newest(l.active, func(string) bool { return true }, maxListing*3/4) {
			kept[r.Name] = r.LastActivity
		}
		l.active = kept
	}
	l.looked = time.Now()
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
