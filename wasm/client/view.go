package client

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"websockets/shared"
	"websockets/wasm/client/conn"
	"websockets/wasm/client/outbox"
)

// View is what there is to show, at one moment: a snapshot that the caller may
// keep and read from any goroutine, and must not change.
type View struct {
	// State is the connection's; the next three say more about it.
	State State
	// Retry is when the next attempt to connect begins; set in Offline only.
	Retry time.Time
	// Reason says why the last connection or attempt ended, for people; empty while
	// Online.
	Reason string
	// Code is the close code that was final; set in Ended only, and 0 there if it
	// was our side that ended it.
	Code int
	// Since is when the connection was last lost, zero while Online.
	Since time.Time

	// Me is who the server says we are; zero before the first welcome.
	Me Me
	// Version is the server's build, as the last welcome told it.
	Version string
	// Limits are the server's, as the last welcome told them.
	Limits shared.Limits

	// Current is the name of the current room, empty if there is none; Room is
	// that room.
	Current string
	Room    RoomView
	// Rooms are the rooms we are in, those of the last ListRooms, and those that
	// have messages for the user to decide on, by recent activity.
	Rooms []RoomEntry

	// RoomsStale says that the user has read one of Rooms on another device since
	// ListRooms: it tells what is unread now.
	RoomsStale bool

	// Queued counts the messages of all rooms that wait to be sent or for their
	// ack.
	Queued int
	// PausedUntil is set while the server wants no messages from us (rate limit,
	// log not reachable): sending goes on by itself then.
	PausedUntil time.Time
	// LastError is the last error event that answered nothing we asked for.
	LastError *shared.Error
}

// State is the state of the connection.
type State = conn.State

const (
	Connecting = conn.Connecting
	Online     = conn.Online
	Offline    = conn.Offline
	Ended      = conn.Ended
)

// Me is the user that the server knows us as.
type Me struct {
	User  string
	Name  string
	Named bool // the user chose the name
}

// RoomEntry is a room in a list.
type RoomEntry struct {
	Name         string
	LastActivity time.Time // zero if not known
	Unread       int       // up to shared.MaxUnread+1
	Joined       bool      // we are in it, or will be as soon as there is a connection
	Undecided    int       // our messages there that wait for the user's decision
}

// RoomView is a room as it is to be shown. Messages come first, then Outgoing.
type RoomView struct {
	Name string
	// Joined says that we are in it or will be as soon as there is a connection.
	// Synced says that nothing is missing at the end of Messages right now.
	Joined bool
	Synced bool
	// Refused is why the server does not let us in.
	Refused *shared.Error

	// Messages are the part of the room that is to be shown, in the room's order,
	// oldest first. Key names their rows.
	Messages []shared.Message
	// More says that older ones are to be had with LoadOlder, Newer that newer ones
	// are with LoadNewer or ShowLatest.
	More, Newer bool
	// Latest are the room's newest messages, whichever part is shown. They are
	// Messages unless the user reads further up.
	Latest []shared.Message
	// Epoch names the log that the sequences count in, empty before the first join.
	Epoch string
	// Gaps are the ranges that are or may be gone, in order: beyond After, before
	// First.
	Gaps []shared.Truncated
	// WasReset says that the server's log is not the one it was when the user
	// came to the room: what was shown before is gone.
	WasReset bool
	// Outgoing are our own messages that are not in Latest yet, in the order written.
	Outgoing []OutgoingMessage

	// Count is how many users are in the room, Members some of them, at most
	// shared.MaxListedMembers.
	Count   int
	Members []shared.Member
	// Typing are the others who are writing right now.
	Typing []shared.Member

	// ReadSeq is up to where the user has read, Unread how many messages of others
	// lie after it, up to shared.MaxUnread+1.
	ReadSeq uint64
	Unread  int
	// ReadKnown says that the server has told how much of the room is unread, with
	// the room's messages or with a list that was asked for since. UnreadAbove is
	// how many of others before ReadSeq are unread too, which the view did not reach
	// when that was told; -1 is an unknown number.
	ReadKnown   bool
	UnreadAbove int
}

// Key returns what identifies m's row. For a message of ours it is its id, the
// same as OutgoingMessage.ID, so that one row goes from pending to sent.
func (v View) Key(m shared.Message) string {
	if m.User == v.Me.User {
		return m.ID
	}
	return "#" + strconv.FormatUint(m.Seq, 10) // the # is in no id
}

// OutgoingMessage is a message of ours on its way, OutgoingState how far it has
// come.
type (
	OutgoingMessage = outbox.Message
	OutgoingState   = outbox.State
)

const (
	Pending   = outbox.Pending
	Sent      = outbox.Sent
	Failed    = outbox.Failed
	Rejected  = outbox.Rejected
	Uncertain = outbox.Uncertain
)

// View returns a snapshot. It is cheap: messages are shared, not copied. Safe
// from any goroutine, and from the callbacks.
func (c *Client) View() View {
	c.mu.Lock()
	defer c.mu.Unlock()
	status := c.conn.Status()
	v := View{
		State: status.State, Retry: status.Retry, Reason: status.Reason, Code: status.Code, Since: status.Since,
		Me: c.me, Version: c.version, Limits: c.limits,
		Current: c.current, Rooms: c.entries(), RoomsStale: c.roomsStale,
		Queued: c.outbox.Queued(), PausedUntil: c.outbox.PausedUntil(), LastError: c.lastError,
	}
	if r := c.findRoom(c.current); r != nil {
		v.Room = c.viewRoom(r)
	}
	return v
}

// Room returns a snapshot of one room that the client is in or remembers.
func (c *Client) Room(name string) (RoomView, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.findRoom(name)
	if r == nil {
		return RoomView{}, false
	}
	return c.viewRoom(r), true
}

func (c *Client) viewRoom(r *room) RoomView {
	messages, more, newer := r.visible()
	v := RoomView{
		Name: r.name, Joined: r.desired, Synced: r.phase == synced, Refused: r.refused,
		Messages: slices.Clip(messages), More: more, Newer: newer, Latest: slices.Clip(r.messages),
		Outgoing: c.outbox.ForRoom(r.name), Gaps: r.visibleGaps(), WasReset: r.wasReset,
		Count: r.count, Members: slices.Clip(r.members),
		ReadSeq: r.readSeq, Unread: r.unread(c.me.User), ReadKnown: !r.firstJoin && !r.readMarkEstimated && r.cursor != nil, UnreadAbove: r.unreadAbove,
	}
	if r.cursor != nil {
		v.Epoch = r.cursor.Epoch
	}
	for _, t := range r.typing {
		v.Typing = append(v.Typing, t.member)
	}
	slices.SortStableFunc(v.Typing, func(a, b shared.Member) int { return cmp.Compare(a.Name+a.User, b.Name+b.User) })
	return v
}

// entries lists the rooms by recent activity, those with the same by name.
func (c *Client) entries() []RoomEntry {
	var list []RoomEntry
	listed := map[string]bool{}
	add := func(e RoomEntry) {
		if listed[e.Name] {
			return
		}
		listed[e.Name] = true
		if r := c.findRoom(e.Name); r != nil && r.desired {
			e.Joined = true
			if n := len(r.messages); n > 0 { // what we see is newer than the list
				e.LastActivity = r.messages[n-1].Sent
				unread := r.unread(c.me.User)
				if r.phase != synced { // the list may know of some that are on their way
					unread = max(unread, e.Unread)
				}
				e.Unread = unread
			}
		}
		list = append(list, e)
	}
	for _, k := range c.roomList {
		add(RoomEntry{Name: k.Name, LastActivity: k.LastActivity, Unread: k.Unread})
	}
	for _, r := range c.rooms {
		if r.desired {
			add(RoomEntry{Name: r.name})
		}
	}
	for _, m := range c.outbox.Undecided() {
		add(RoomEntry{Name: m.Room})
		i := slices.IndexFunc(list, func(e RoomEntry) bool { return e.Name == m.Room })
		list[i].Undecided++
	}
	slices.SortStableFunc(list, func(a, b RoomEntry) int {
		return cmp.Or(b.LastActivity.Compare(a.LastActivity), cmp.Compare(a.Name, b.Name))
	})
	return list
}
