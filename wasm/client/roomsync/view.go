package roomsync

import (
	"cmp"
	"slices"
	"time"

	"websockets/shared"
	"websockets/wasm/client/outbox"
)

// RoomEntry is a room in a list.
type RoomEntry struct {
	Name         string
	LastActivity time.Time // zero if it is not known
	Unread       int       // up to shared.MaxUnread+1
	Joined       bool      // we are in it, or will be as soon as there is a connection
	Undecided    int       // how many of our messages there await the user's decision
}

// RoomView is a room as it is to be shown: Messages first, then Outgoing.
type RoomView struct {
	Name string
	// Joined says that we are in it, or will be as soon as there is a connection.
	// Synced says that nothing is missing at the end of Latest right now.
	Joined bool
	Synced bool
	// Refused is why the server does not let us in, nil if it does.
	Refused *shared.Error

	// Messages are the part of the room that is to be shown, oldest first.
	Messages []shared.Message
	// More says that LoadOlder has older ones, Newer that LoadNewer or ShowLatest has
	// newer ones.
	More, Newer bool
	// Latest are the room's newest messages, whichever part is shown. They are Messages
	// unless the user reads further up.
	Latest []shared.Message
	// Epoch names the log that the sequences belong to, empty before the first join.
	Epoch string
	// Gaps are the ranges that are or may be gone, in order.
	Gaps []shared.Truncated
	// WasReset says that the server's log is not the one that it was when the user came
	// to the room: what was shown before is gone.
	WasReset bool
	// Outgoing are our own messages that are not in Latest yet, in the order written.
	Outgoing []outbox.Message

	// Topic is the room's topic, nil if it has none.
	Topic *shared.TopicPayload
	// Count is how many users are in the room. Members are some of them, at most
	// shared.MaxListedMembers.
	Count   int
	Members []shared.Member
	// Typing are the others who are typing right now.
	Typing []shared.Member

	// ReadSeq is up to where the user has read, Unread how many messages of others lie
	// after it, up to shared.MaxUnread+1.
	ReadSeq uint64
	Unread  int
	// ReadKnown says that the server has told how much of the room is unread, with the
	// room's messages or in a list that was requested since. UnreadAbove is how many
	// messages of others before ReadSeq are unread too, because the view did not reach
	// that far then; -1 if the number is not known.
	ReadKnown   bool
	UnreadAbove int
}

// View returns a snapshot of a room that we are in or remember. Its slices are
// shared and must not be changed.
func (rs *Rooms) View(name string) (view RoomView, ok bool) {
	r := rs.Find(name)
	if r == nil {
		return RoomView{}, false
	}
	t := &r.timeline
	messages, more, newer := t.visible()
	v := RoomView{
		Name: r.name, Joined: r.desired, Synced: r.phase == Synced, Refused: r.refused,
		Messages: slices.Clip(messages), More: more, Newer: newer, Latest: slices.Clip(t.messages),
		Gaps: t.visibleGaps(), WasReset: t.wasReset, Outgoing: rs.outbox.ForRoom(r.name),
		Count: r.count, Members: slices.Clip(r.members),
		ReadSeq: r.mark.seq, Unread: r.unread(rs.me), UnreadAbove: r.mark.unreadAbove,
		ReadKnown: !r.firstJoin && !r.mark.estimated && t.cursor != nil,
	}
	if r.topic != nil && r.topic.Topic != "" {
		v.Topic = r.topic
	}
	if t.cursor != nil {
		v.Epoch = t.cursor.Epoch
	}
	for _, typist := range r.typing {
		v.Typing = append(v.Typing, typist.member)
	}
	slices.SortStableFunc(v.Typing, func(a, b shared.Member) int { return cmp.Compare(a.Name+a.User, b.Name+b.User) })
	return v, true
}

// Entries lists the rooms that we are in, those of the last list, and those with
// undecided messages, by recent activity and then by name.
func (rs *Rooms) Entries() []RoomEntry {
	var entries []RoomEntry
	index := map[string]int{} // by name
	add := func(e RoomEntry) {
		_, there := index[e.Name]
		if !there {
			index[e.Name] = len(entries)
			entries = append(entries, rs.entry(e))
		}
	}
	for _, s := range rs.list.rooms {
		add(RoomEntry{Name: s.Name, LastActivity: s.LastActivity, Unread: s.Unread})
	}
	for _, r := range rs.rooms {
		if r.desired {
			add(RoomEntry{Name: r.name})
		}
	}
	for _, m := range rs.outbox.Undecided() {
		add(RoomEntry{Name: m.Room})
		entries[index[m.Room]].Undecided++
	}
	slices.SortStableFunc(entries, func(a, b RoomEntry) int {
		return cmp.Or(b.LastActivity.Compare(a.LastActivity), cmp.Compare(a.Name, b.Name))
	})
	return entries
}

// entry completes an entry with what we know of the room.
func (rs *Rooms) entry(e RoomEntry) RoomEntry {
	r := rs.Find(e.Name)
	if r == nil || !r.desired {
		return e
	}
	e.Joined = true
	n := len(r.timeline.messages)
	if n == 0 {
		return e
	}
	// What we have is newer than the list, but while the room is not synced the list may
	// know of messages that are still on their way.
	e.LastActivity = r.timeline.messages[n-1].Sent
	listed := e.Unread
	e.Unread = r.unread(rs.me)
	if r.phase != Synced {
		e.Unread = max(e.Unread, listed)
	}
	return e
}

// ListStale reports whether the user has read a room of the list on another device
// since it was requested.
func (rs *Rooms) ListStale() bool { return rs.list.stale }
