package userdata

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"websockets/server/eventlog"
)

const (
	// readMarksKey is the key of a user's read marks.
	readMarksKey = "marks"
	// flushInterval is how often read marks are written. Writing each at once would
	// compete with messages for the disk.
	flushInterval = 2 * time.Second
	// maxPendingUsers bounds the users whose read marks wait to be written.
	maxPendingUsers = 10_000
	// maxRoomsPerUser bounds the rooms in which a user has a read mark.
	maxRoomsPerUser = 500
)

// ErrTooManyReadMarks is returned by ReadMarks.Set while too many users' read marks wait
// to be written. The same call may succeed after the next flush.
var ErrTooManyReadMarks = errors.New("too many read marks are waiting to be written")

// roomMarks maps rooms to the sequence that a user has read up to.
type roomMarks = map[string]uint64

// ReadMarks stores how far each user has read in each room. New marks are written by
// Run, so a crash may lose those of the last two seconds. Its methods may be called from
// any goroutine.
type ReadMarks struct {
	users eventlog.Values

	mu      sync.Mutex
	pending map[string]roomMarks // by user: not written yet
}

// NewReadMarks returns the ReadMarks in the bucket eventlog.Users. Nothing is written
// before Run or Flush is called.
func NewReadMarks(users eventlog.Values) *ReadMarks {
	return &ReadMarks{users: users, pending: map[string]roomMarks{}}
}

// Set moves a user's read mark in a room forward, never back. It does not block. The
// error is ErrTooManyReadMarks.
func (m *ReadMarks) Set(user, room string, seq uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	marks := m.pending[user]
	if marks == nil {
		if len(m.pending) >= maxPendingUsers {
			return ErrTooManyReadMarks
		}
		marks = roomMarks{}
		m.pending[user] = marks
	}
	merge(marks, roomMarks{room: seq})
	return nil
}

// Get returns a user's read marks by room, those that are not written yet included. The
// error wraps eventlog.ErrUnavailable.
func (m *ReadMarks) Get(ctx context.Context, user string) (map[string]uint64, error) {
	// In this order: marks that are written in between are then in both.
	pending := m.pendingOf(user)
	marks, err := m.read(ctx, user)
	if err != nil {
		return nil, err
	}
	merge(marks, pending)
	return marks, nil
}

func (m *ReadMarks) pendingOf(user string) roomMarks {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.pending[user])
}

// read returns a user's read marks in the store.
func (m *ReadMarks) read(ctx context.Context, user string) (roomMarks, error) {
	value, err := m.users.Get(ctx, user, readMarksKey)
	if err != nil {
		return nil, err
	}
	marks := roomMarks{}
	if len(value) == 0 {
		return marks, nil
	}
	err = json.Unmarshal(value, &marks)
	if err != nil || marks == nil {
		return roomMarks{}, nil // unreadable: the user's unread counts start over
	}
	return marks, nil
}

// merge moves marks forward to those of newer. Beyond maxRoomsPerUser it removes the
// smallest.
func merge(marks, newer roomMarks) {
	for room, seq := range newer {
		marks[room] = max(marks[room], seq)
	}
	for len(marks) > maxRoomsPerUser {
		delete(marks, smallest(marks))
	}
}

func smallest(marks roomMarks) (room string) {
	least, found := uint64(0), false
	for r, seq := range marks {
		if !found || seq < least {
			room, least, found = r, seq, true
		}
	}
	return room
}

// Run flushes every two seconds until ctx ends. Call Flush afterwards to write the last.
func (m *ReadMarks) Run(ctx context.Context) {
	ticker := time.NewTicker(flushInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			m.Flush(ctx)
		}
	}
}

// Flush writes the pending read marks. It stops at the first error: what is not written
// stays pending for the next Flush. Flush must not run twice at a time.
func (m *ReadMarks) Flush(ctx context.Context) {
	m.mu.Lock()
	users := slices.Collect(maps.Keys(m.pending))
	m.mu.Unlock()
	for _, user := range users {
		err := m.flushUser(ctx, user)
		if err != nil {
			return
		}
	}
}

// flushUser writes a user's pending marks, and forgets them only then: Get must find
// them in one place or the other at any time.
func (m *ReadMarks) flushUser(ctx context.Context, user string) error {
	marks, err := m.read(ctx, user)
	if err != nil {
		return err
	}
	written := m.pendingOf(user)
	merge(marks, written)
	value, err := json.Marshal(marks)
	if err != nil {
		return err
	}
	err = m.users.Put(ctx, user, readMarksKey, value)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.pending[user], func(room string, seq uint64) bool { return seq == written[room] })
	if len(m.pending[user]) == 0 {
		delete(m.pending, user)
	}
	return nil
}
