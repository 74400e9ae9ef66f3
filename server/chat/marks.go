package chat

import (
	"context"
	"encoding/json"
	"maps"
	"sync"
	"time"

	"websockets/server/roomlog"
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
	log *roomlog.Log

	mu    sync.Mutex
	dirty map[string]map[string]uint64 // user, room: set and not written yet
}

func newMarks(log *roomlog.Log) *marks {
	return &marks{log: log, dirty: map[string]map[string]uint64{}}
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
	rooms[room] = max(rooms[room], seq)
	return nil
}

// of returns a user's marks.
func (k *marks) of(ctx context.Context, user string) (map[string]uint64, error) {
	kept, err := k.read(ctx, user)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	advance(kept, k.dirty[user])
	return kept, nil
}

func (k *marks) read(ctx context.Context, user string) (map[string]uint64, error) {
	kept := map[string]uint64{}
	value, err := k.log.UserValue(ctx, user, "marks")
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

// flush writes what is waiting. What cannot be written waits on.
func (k *marks) flush(ctx context.Context) {
	k.mu.Lock()
	dirty := maps.Clone(k.dirty)
	k.mu.Unlock()
	for user := range dirty {
		kept, err := k.of(ctx, user)
		if err != nil {
			return
		}
		k.mu.Lock()
		delete(k.dirty, user)
		k.mu.Unlock()
		value, _ := json.Marshal(kept) // a map of numbers
		if err := k.log.PutUserValue(ctx, user, "marks", value); err != nil {
			for room, seq := range kept {
				_ = k.set(user, room, seq)
			}
			return
		}
	}
}
