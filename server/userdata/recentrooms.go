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

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"websockets/server/eventlog"
	"websockets/server/timeline"
	"websockets/server/topics"
	"websockets/shared"
)

const (
	// refreshInterval is how old the list may be when it is returned.
	refreshInterval = time.Second
	// refreshTimeout is how long List waits for the first refresh. The refresh goes on.
	refreshTimeout = 10 * time.Second
	// patience is how long List waits for a refresh if it has a list already.
	patience = time.Second
	// keepInterval is how often Run refreshes, so that a refresh never has much to read. A
	// slow refresh is repeated less often: it may take a keepShare of the time.
	keepInterval = 5 * time.Second
	keepShare    = 20
	// countsAtOnce is how many rooms of a list are counted at a time. Most of the time is
	// spent waiting for the log.
	countsAtOnce = 8
)

// RecentRooms lists all rooms by last activity. It reads the log when somebody asks for
// the list, at most once a second, and every few seconds besides. So it costs a message
// nothing. A room takes 40 bytes of memory beside its name. Its methods may be called from any goroutine; their
// errors wrap eventlog.ErrUnavailable.
type RecentRooms struct {
	ctx    context.Context // bounds refreshes, which several callers wait for
	log    eventlog.Log
	topics *topics.Store

	refreshes singleflight.Group
	position  eventlog.Mark // in the log, up to which rooms are known; owned by refresh

	mu        sync.Mutex // guards what follows
	refreshed time.Time
	loadOnly  bool         // nobody has asked for the list since
	rooms     []recentRoom // the most recently active first; replaced, never changed
}

// recentRoom is a room with its newest event. Times are in nanoseconds since 1970.
type recentRoom struct {
	name   string
	seq    uint64
	sent   int64
	listed int64 // when a refresh found the event
}

// byActivity orders rooms, the most recently active first.
func byActivity(a, b recentRoom) int {
	return cmp.Or(cmp.Compare(b.sent, a.sent), strings.Compare(a.name, b.name))
}

// NewRecentRooms returns the RecentRooms of a log. When ctx ends, List returns errors.
func NewRecentRooms(ctx context.Context, log eventlog.Log, states *topics.Store) *RecentRooms {
	return &RecentRooms{ctx: ctx, log: log, topics: states}
}

// List returns the rooms whose names match, the most recently active first: the page that
// p asks for, and the name of the next page, empty at the end. p.Filter is for the caller
// to match. The list may be a second old, and older while the log is slow. Unread is not set. The error is a *shared.Error
// if p.Page is not the name of a page.
func (r *RecentRooms) List(ctx context.Context, p shared.ListRoomsPayload, matches func(room string) bool) (shared.RoomsPayload, error) {
	at, err := parsePage(p.Page)
	if err != nil {
		return shared.RoomsPayload{}, err
	}
	err = r.awaitRefresh(ctx)
	if err != nil {
		return shared.RoomsPayload{}, err
	}
	r.mu.Lock()
	rooms, refreshed := r.rooms, r.refreshed
	r.mu.Unlock()
	if p.Page == "" {
		at = firstPage(refreshed)
	}
	found, next := at.read(rooms, cmp.Or(p.Limit, shared.MaxListedRooms), matches)
	return shared.RoomsPayload{Rooms: found, Next: next}, nil
}

// Run keeps the list up to date until ctx ends.
func (r *RecentRooms) Run(ctx context.Context) {
	wait := keepInterval
	for {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		began := time.Now()
		_ = r.Load(ctx) // List reports it
		wait = max(keepInterval, keepShare*time.Since(began))
	}
}

// Load reads which rooms there are, so that the first List has only to read what is new.
// It waits as List does.
func (r *RecentRooms) Load(ctx context.Context) error {
	err := r.awaitRefresh(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loadOnly = true
	return err
}

// awaitRefresh returns when the list is current.
func (r *RecentRooms) awaitRefresh(ctx context.Context) error {
	if r.isCurrent() {
		return nil
	}
	wait := time.NewTimer(refreshTimeout)
	defer wait.Stop()
	known := r.isKnown()
	if known {
		wait.Reset(patience)
	}
	refreshed := r.refreshes.DoChan("", func() (any, error) { return nil, r.refresh() })
	select {
	case result := <-refreshed:
		return result.Err
	case <-wait.C:
		if known {
			return nil
		}
		return fmt.Errorf("%w: reading the list of rooms takes long", eventlog.ErrUnavailable)
	case <-ctx.Done():
		return fmt.Errorf("%w: reading the list of rooms: %w", eventlog.ErrUnavailable, ctx.Err())
	case <-r.ctx.Done():
		return fmt.Errorf("%w: %w", eventlog.ErrUnavailable, r.ctx.Err())
	}
}

// CountUnread sets Unread of the rooms that have a read mark: how many messages follow
// it, at most shared.MaxUnread+1.
func (r *RecentRooms) CountUnread(ctx context.Context, rooms []shared.RoomSummary, marks map[string]uint64) error {
	counts, ctx := errgroup.WithContext(ctx)
	counts.SetLimit(countsAtOnce)
	for i := range rooms {
		mark, marked := marks[rooms[i].Name]
		if !marked {
			continue
		}
		counts.Go(func() error {
			unread, err := r.countAfter(ctx, rooms[i].Name, mark)
			rooms[i].Unread = min(unread, shared.MaxUnread+1)
			return err
		})
	}
	return counts.Wait()
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
	return !r.loadOnly && time.Since(r.refreshed) < refreshInterval
}

// isKnown reports whether there is a list, however old.
func (r *RecentRooms) isKnown() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rooms != nil
}

// refresh reads what is new in the log. It runs once at a time, for all who wait, and
// holds no lock while it waits for the log.
func (r *RecentRooms) refresh() error {
	found := map[string]recentRoom{}
	position, err := r.log.RecentRooms(r.ctx, r.position, func(record eventlog.Record) {
		sent, ok := sentAt(record)
		if ok {
			name := strings.Clone(record.Room) // record.Room may keep a whole header in memory
			found[name] = recentRoom{name: name, seq: record.Seq, sent: sent.UnixNano()}
		}
	})
	if err != nil {
		return err
	}
	changed := len(found) > 0 || !slices.Equal(position, r.position)
	r.position = position
	now := time.Now()
	rooms := r.rooms // only refresh replaces it
	if changed {
		rooms = r.merge(found, now)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rooms, r.refreshed, r.loadOnly = rooms, now, false
	return nil
}

// merge returns the rooms that were found and those that were known, without those that
// retention has removed.
func (r *RecentRooms) merge(found map[string]recentRoom, now time.Time) []recentRoom {
	rooms := make([]recentRoom, 0, len(r.rooms)+len(found))
	for _, room := range found {
		room.listed = now.UnixNano()
		if r.rooms == nil {
			room.listed = min(room.listed, room.sent) // the list is read for the first time
		}
		rooms = append(rooms, room)
	}
	slices.SortFunc(rooms, byActivity)
	for _, room := range r.rooms {
		_, again := found[room.name]
		if !again && !r.log.Expired(r.position, room.name, room.seq) {
			rooms = append(rooms, room)
		}
	}
	if !slices.IsSortedFunc(rooms, byActivity) {
		slices.SortFunc(rooms, byActivity)
	}
	return slices.Clip(rooms)
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
