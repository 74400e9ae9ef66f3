package userdata

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
	"websockets/server/timeline"
	"websockets/server/topics"
	"websockets/shared"
)

const (
	// maxRecentRooms bounds the rooms that are remembered. When there are more, the
	// least recent quarter is forgotten.
	maxRecentRooms = 5000
	// refreshInterval is how old the list may be when it is returned.
	refreshInterval = time.Second
	// refreshTimeout bounds a refresh that the log does not answer.
	refreshTimeout = 10 * time.Second
)

// RecentRooms lists rooms by last activity. It reads the log when somebody asks for the
// list, at most once a second, so it costs a message nothing. Its methods may be called
// from any goroutine; their errors wrap eventlog.ErrUnavailable.
type RecentRooms struct {
	ctx    context.Context // bounds refreshes, which several callers wait for
	log    eventlog.Log
	topics *topics.Store

	refreshes singleflight.Group
	position  eventlog.Mark // in the log, up to which rooms are known; owned by refresh

	mu         sync.Mutex // guards what follows
	refreshed  time.Time
	lastActive map[string]time.Time // by room: when its newest event was sent
}

// NewRecentRooms returns the RecentRooms of a log. When ctx ends, List returns errors.
func NewRecentRooms(ctx context.Context, log eventlog.Log, states *topics.Store) *RecentRooms {
	return &RecentRooms{ctx: ctx, log: log, topics: states, lastActive: map[string]time.Time{}}
}

// List returns the rooms whose names match, the most recently active first, at most
// shared.MaxListedRooms. The list may be a second old. Unread is not set.
func (r *RecentRooms) List(ctx context.Context, matches func(room string) bool) ([]shared.RoomSummary, error) {
	if !r.isCurrent() {
		refreshed := r.refreshes.DoChan("", func() (any, error) { return nil, r.refresh() })
		select {
		case result := <-refreshed:
			if result.Err != nil {
				return nil, result.Err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", eventlog.ErrUnavailable, ctx.Err())
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return mostRecent(r.lastActive, matches, shared.MaxListedRooms), nil
}

// CountUnread sets Unread of the rooms that have a read mark: how many messages follow
// it, at most shared.MaxUnread+1.
func (r *RecentRooms) CountUnread(ctx context.Context, rooms []shared.RoomSummary, marks map[string]uint64) error {
	for i := range rooms {
		mark, marked := marks[rooms[i].Name]
		if !marked {
			continue
		}
		unread, err := r.countAfter(ctx, rooms[i].Name, mark)
		if err != nil {
			return err
		}
		rooms[i].Unread = min(unread, shared.MaxUnread+1)
	}
	return nil
}

// countAfter returns how many messages a room has after seq: its records, without those
// that are no messages.
func (r *RecentRooms) countAfter(ctx context.Context, room string, seq uint64) (int, error) {
	records, err := r.log.Count(ctx, room, seq)
	if err != nil || records == 0 {
		return 0, err
	}
	state, err := r.topics.Read(ctx, room)
	if err != nil {
		return 0, err
	}
	return max(0, records-state.OthersAfter(seq)), nil
}

func (r *RecentRooms) isCurrent() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.refreshed) < refreshInterval
}

// refresh reads what is new in the log. It runs once at a time, for all who wait, and
// holds no lock while it waits for the log.
func (r *RecentRooms) refresh() error {
	ctx, cancel := context.WithTimeout(r.ctx, refreshTimeout)
	defer cancel()
	records, position, err := r.log.RecentRooms(ctx, r.position)
	if err != nil {
		return err
	}
	r.position = position
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range records {
		sent, ok := sentAt(record)
		if ok {
			r.lastActive[record.Room] = sent
		}
	}
	if len(r.lastActive) > maxRecentRooms {
		r.forgetLeastRecent()
	}
	r.refreshed = time.Now()
	return nil
}

// sentAt returns when a record's event was sent.
func sentAt(record eventlog.Record) (sent time.Time, ok bool) {
	event, ok := timeline.Event(record)
	if !ok {
		return time.Time{}, false
	}
	var payload struct{ Sent time.Time }
	err := json.Unmarshal(event.Payload, &payload)
	return payload.Sent, err == nil
}

func (r *RecentRooms) forgetLeastRecent() {
	all := func(string) bool { return true }
	kept := map[string]time.Time{}
	for _, room := range mostRecent(r.lastActive, all, maxRecentRooms*3/4) {
		kept[room.Name] = room.LastActivity
	}
	r.lastActive = kept
}

// mostRecent returns the rooms whose names match, the most recently active first, at
// most limit.
func mostRecent(lastActive map[string]time.Time, matches func(room string) bool, limit int) []shared.RoomSummary {
	rooms := make([]shared.RoomSummary, 0, min(len(lastActive), limit))
	for name, at := range lastActive {
		if matches(name) {
			rooms = append(rooms, shared.RoomSummary{Name: name, LastActivity: at})
		}
	}
	slices.SortFunc(rooms, func(a, b shared.RoomSummary) int {
		return cmp.Or(b.LastActivity.Compare(a.LastActivity), strings.Compare(a.Name, b.Name))
	})
	return rooms[:min(len(rooms), limit)]
}
