package chat

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"websockets/server/eventlog"
)

const (
	// marksEvery is how often read marks are written: reading must not use up the
	// disk that messages are synced to.
	marksEvery = 2 * time.Second
	// maxMarked is how many users' marks may wait to be written.
	maxMarked = 10_000
	// maxMarks is how many rooms of a user are remembered.
	maxMarks = 500
)

// marks remembers how far each user has read in each room. What is set is
// gathered and written a little later, so a crash may lose the last moment.
type marks struct {
	users eventlog.Values

	mu    sync.Mutex
	dirty map[string]map[string]uint64 // user, room: set and not written yet
}

func newMarks(users eventlog.Values) *marks {
	return &marks{users: users, dirty: map[string]map[string]uint64{}}
}

// set moves a user's mark in a room forward; it never goes back.
func (k *marks) set(user, room string, seq uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	rooms := k.dirty[user]
	if rooms == nil {
		if len(k.dirty) >= maxMarked {
			return tryAgain("the server has too many read marks to write just now")
		}
		rooms = map[string]uint64{}
		k.dirty[user] = rooms
	}
	advance(rooms, map[string]uint64{room: seq})
	return nil
}

// of returns a user's marks. Those that wait come first: what has stopped waiting
// is in the store.
func (k *marks) of(ctx context.Context, user string) (map[string]uint64, error) {
	k.mu.Lock()
	waiting := maps.Clone(k.dirty[user])
	k.mu.Unlock()
	kept, err := k.read(ctx, user)
	if err != nil {
		return nil, err
	}
	advance(kept, waiting)
	return kept, nil
}

func (k *marks) read(ctx context.Context, user string) (map[string]uint64, error) {
	kept := map[string]uint64{}
	value, err := k.users.Get(ctx, user, "marks")
	if err != nil || len(value) == 0 {
		return kept, err
	}
	if err := json.Unmarshal(value, &kept); err != nil {
		return map[string]uint64{}, nil // unread counts begin anew
	}
	return kept, nil
}

// advance moves marks forward; beyond maxMarks the ones furthest back go.
func advance(kept, by map[string]uint64) {
	for room, seq := range by {
		kept[room] = max(kept[room], seq)
	}
	for len(kept) > maxMarks {
		oldest, least := "", uint64(0)
		for room, seq := range kept {
			if oldest == "" || seq < least {
				oldest, least = room, seq
			}
		}
		delete(kept, oldest)
	}
}

// keep writes what is waiting once in marksEvery, until ctx ends.
func (k *marks) keep(ctx context.Context) {
	ticker := time.NewTicker(marksEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			k.flush(ctx)
		}
	}
}

// flush writes what is waiting, which is forgotten when it is written: until then a
// reader finds it here. What cannot be written waits on.
func (k *marks) flush(ctx context.Context) {
	k.mu.Lock()
	users := slices.Collect(maps.Keys(k.dirty))
	k.mu.Unlock()
	for _, user := range users {
		kept, err := k.read(ctx, user)
		if err != nil {
			return
		}
		k.mu.Lock()
		written := maps.Clone(k.dirty[user])
		k.mu.Unlock()
		advance(kept, written)
		value, _ := json.Marshal(kept) // a map of numbers
		if err := k.users.Put(ctx, user, "marks", value); err != nil {
			return
		}
		k.mu.Lock()
		maps.DeleteFunc(k.dirty[user], func(room string, seq uint64) bool { return seq == written[room] })
		if len(k.dirty[user]) == 0 {
			delete(k.dirty, user)
		}
		k.mu.Unlock()
	}
}
