package chat

import (
	"time"

	"websockets/server/roomlog"
)

// The feed may lose, the last message of a room too. A hole shows when the next
// message tells what was before it (ring.add); this file is for what no next
// message shows: it compares rings with the log, and a ring that lags starts
// anew at the log's head, which sends its members to the log for the rest.

// feedLost is called when a shard's feed knows that it may have lost something.
// It looks into the log for every room of the shard.
func (m *Manager) feedLost(shard int) {
	for _, r := range m.openRooms() {
		if m.roomlog.Shard(r.name) == shard {
			m.catchUp(r)
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

func (m *Manager) catchUp(r *room) {
	head, err := r.log.Head(m.ctx, r.name)
	if err != nil {
		if m.ctx.Err() == nil {
			m.log.Warn("reading a room again", "room", r.name, "err", err)
		}
		return
	}
	r.skipTo(head.Seq)
}

// tend does once a tick what has to wait for the log: it looks after rooms whose
// feed has not brought what the log has, and writes read marks.
func (m *Manager) tend() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	moved := make([]movement, m.roomlog.Shards())
	for n := 1; ; n++ {
		select {
		case <-m.ctx.Done():
			return
		case <-ticker.C:
		}
		quiet := make([][]*room, len(moved))
		for _, r := range m.openRooms() {
			switch {
			case r.missesAck():
				m.catchUp(r)
			case r.wasQuiet():
				shard := m.roomlog.Shard(r.name)
				quiet[shard] = append(quiet[shard], r)
			}
		}
		for shard := range moved {
			m.compare(shard, quiet[shard], &moved[shard])
		}
		if n%marksEvery == 0 {
			m.marks.flush(m.ctx)
		}
	}
}

// movement is where a shard's log was at the last look, and at the one before.
type movement struct{ before, last uint64 }

// compare looks whether a shard's log has moved since the look before the last
// one, in rooms whose rings have not: whoever wrote, on whichever server. Two
// looks back, so that what was on its way at a look is seen at the next.
func (m *Manager) compare(shard int, quiet []*room, moved *movement) {
	if len(quiet) == 0 {
		*moved = movement{}
		return
	}
	last, err := m.roomlog.LastSeq(m.ctx, shard)
	if err != nil {
		return // the next look goes back as far
	}
	from := moved.before
	*moved = movement{before: moved.last, last: last}
	if from == 0 || from == last {
		return
	}
	for len(quiet) > 0 {
		some := quiet[:min(len(quiet), roomlog.MaxHeads)]
		quiet = quiet[len(some):]
		byName := make(map[string]*room, len(some))
		names := make([]string, 0, len(some))
		for _, r := range some {
			byName[r.name] = r
			names = append(names, r.name)
		}
		heads, err := m.roomlog.Heads(m.ctx, shard, names, from)
		if err != nil {
			if m.ctx.Err() == nil {
				m.log.Warn("comparing rooms with the log", "err", err)
			}
			return
		}
		for _, head := range heads {
			byName[head.Room].skipTo(head.Seq)
		}
	}
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
