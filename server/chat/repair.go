package chat

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"websockets/server/eventlog/jetstream"
)

// The feed may lose, the last message of a room too. A hole shows when the next
// message tells what was before it (ring.add); this file is for what no next
// message shows: it compares rings with the log, and a ring that lags starts
// anew at the log's head, which sends its members to the log for the rest.

const (
	// lookEvery is how often rings are compared with the log. What the feed has lost
	// is seen as such at the third look at the latest: the first may find that the
	// ring has just grown, the second that the log has more, and the third that the
	// feed has still not brought it. So members have it within 2 s.
	lookEvery = tick / 2
	// lookWait is how long the log may take to answer a look: one without an answer
	// is repeated soon, since a leader that was chosen meanwhile never heard of it.
	lookWait = time.Second
	// freshFor is for how long, in ticks, rings are taken for what the log has when
	// no look has been answered since.
	freshFor = 3
)

// feedLost is called when a shard's feed knows that it may have lost something:
// the next look compares even the rooms whose rings have just grown.
func (m *Manager) feedLost(shard int) {
	for _, r := range m.openRooms() {
		if m.roomlog.Shard(r.name) == shard {
			r.mu.Lock()
			r.looked = r.ring.head
			r.mu.Unlock()
		}
	}
}

// epochChanged is called when another server has found a shard's log to be
// another one: what rings and members know of it means nothing any more. The
// members' connections are closed; when they come back with their cursors, they
// are told to start over.
func (m *Manager) epochChanged(shard int) {
	for _, r := range m.openRooms() {
		if m.roomlog.Shard(r.name) == shard {
			r.startOver()
		}
	}
}

// tend looks after rooms whose feed has not brought what the log has.
func (m *Manager) tend() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-ticker.C:
		}
		rooms := make([][]*room, m.roomlog.Shards())
		for _, r := range m.openRooms() {
			shard := m.roomlog.Shard(r.name)
			rooms[shard] = append(rooms[shard], r)
		}
		// Side by side: a shard that does not answer must not hold the others up.
		var looks sync.WaitGroup
		for shard, some := range rooms {
			if len(some) > 0 {
				looks.Go(func() { m.look(shard, some) })
			}
		}
		looks.Wait()
	}
}

// look repairs the rooms of a shard in which something is overdue, and compares
// those whose rings have not grown with the log, whoever wrote, on whichever
// server. The others show by themselves what they lack.
func (m *Manager) look(shard int, rooms []*room) {
	ctx, cancel := context.WithTimeout(m.ctx, lookWait)
	defer cancel()
	now := m.now.Load()
	var err error
	var quiet []*room
	var whole []uint64
	for _, r := range rooms {
		if r.overdue() {
			err = errors.Join(err, m.catchUp(ctx, r))
		} else if seq, ok := r.quiet(); ok {
			quiet, whole = append(quiet, r), append(whole, seq)
		}
	}
	if len(quiet) > 0 {
		err = errors.Join(err, m.compare(ctx, shard, quiet, whole))
	}
	if err != nil && m.ctx.Err() == nil {
		m.log.Debug("comparing rooms with the log", "shard", shard, "err", err) // the next look does it
	}
	if err == nil {
		m.lookedAt[shard].Store(now)
	}
}

// fresh reports that a room's ring has, but for the last seconds, all that the log
// has. A server that is cut off from the log does not know that: told that it has
// what it missed, a client would send again what another server has stored.
func (m *Manager) fresh(r *room) bool {
	return m.now.Load()-max(r.opened, m.lookedAt[m.roomlog.Shard(r.name)].Load()) <= freshFor
}

// catchUp sends the room's members to the log for what their ring lacks.
func (m *Manager) catchUp(ctx context.Context, r *room) error {
	head, err := r.log.Head(ctx, r.name)
	if err == nil {
		r.skipTo(head.Seq)
	}
	return err
}

// compare notes what the log has beyond the rings of these rooms, each of which is
// known to be whole up to a sequence. It may be on its way, so it is overdue only
// at the next look.
func (m *Manager) compare(ctx context.Context, shard int, rooms []*room, whole []uint64) error {
	last, err := m.roomlog.LastSeq(ctx, shard)
	if err != nil {
		return err
	}
	from := last
	lag := make(map[string]*room)
	for i, r := range rooms {
		if whole[i] < last {
			lag[r.name] = r
			from = min(from, whole[i])
		}
	}
	var lags error
	for names := range slices.Chunk(slices.Collect(maps.Keys(lag)), jetstream.MaxHeads) {
		heads, sure, err := m.roomlog.Heads(ctx, shard, names, from, last)
		if err != nil {
			return err
		}
		for _, head := range heads {
			lag[head.Room].owes(head.Seq)
		}
		if !sure {
			lags = errors.New("the replica that answered lags: another look tells")
			continue
		}
		for _, name := range names {
			lag[name].wholeTo(last)
		}
	}
	return lags
}

// openRooms returns the rooms that have been opened.
func (m *Manager) openRooms() []*room {
	m.mu.RLock()
	defer m.mu.RUnlock()
	rooms := make([]*room, 0, len(m.rooms))
	for _, r := range m.rooms {
		select {
		case <-r.ready:
			rooms = append(rooms, r)
		default:
		}
	}
	return rooms
}
