package client

import (
	"strconv"
	"time"

	"websockets/shared"
	"websockets/wasm/client/conn"
	"websockets/wasm/client/outbox"
	"websockets/wasm/client/roomsync"
)

// View is what there is to show at one moment: a snapshot that the caller may keep
// and read from any goroutine, but must not change.
type View struct {
	// State is the connection's; the next five say more about it.
	State State
	// Retry is when the next attempt to connect begins; set in Offline only.
	Retry time.Time
	// Reason says, for people, why the last connection or attempt ended; empty while
	// Online.
	Reason string
	// Refusal says, for people, why the server does not let us in for now; empty if it
	// has not said.
	Refusal string
	// Code is the final close code; set in Ended only, and 0 there if this side ended
	// the connection.
	Code int
	// Since is when the connection was last lost, zero while Online.
	Since time.Time

	// Me is who the server says we are; zero before the first welcome.
	Me Me
	// Version is the server's build, from the last welcome.
	Version string
	// Limits are the server's, from the last welcome.
	Limits shared.Limits

	// Current is the name of the current room, empty if there is none; Room is that
	// room.
	Current string
	Room    RoomView
	// Rooms are the rooms that we are in, those of the last ListRooms, and those with
	// messages for the user to decide about, by recent activity.
	Rooms []RoomEntry
	// MoreRooms says that the server has rooms that are not among Rooms: see the method
	// of this name.
	MoreRooms bool
	// RoomsStale says that the user has read one of Rooms on another device since
	// ListRooms, which would tell what is unread now.
	RoomsStale bool

	// Queued counts the messages of all rooms that wait to be sent or acked.
	Queued int
	// PausedUntil is set while the server wants no messages from us, because of a rate
	// limit or because it cannot reach its log. Sending resumes by itself then.
	PausedUntil time.Time
	// LastError is the last error event that did not answer anything we asked for.
	LastError *shared.Error
}

// Me is the user that the server knows us as.
type Me struct {
	User  string
	Name  string
	Named bool // the user chose the name
}

// State is the state of the connection.
type State = conn.State

const (
	Connecting = conn.Connecting
	Online     = conn.Online
	Offline    = conn.Offline
	Ended      = conn.Ended
)

// RoomView is a room as it is to be shown, RoomEntry a room in a list.
type (
	RoomView  = roomsync.RoomView
	RoomEntry = roomsync.RoomEntry
)

// OutgoingMessage is one of our messages on its way, OutgoingState how far it has
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

// View returns a snapshot. It is cheap: messages are shared, not copied.
func (c *Client) View() View {
	c.mu.Lock()
	defer c.mu.Unlock()
	status := c.conn.Status()
	v := View{
		State: status.State, Retry: status.Retry, Reason: status.Reason, Refusal: status.Refusal, Code: status.Code, Since: status.Since,
		Me: c.me, Version: c.version, Limits: c.limits,
		Current: c.rooms.Current(), Rooms: c.rooms.Entries(), RoomsStale: c.rooms.ListStale(),
		MoreRooms: c.rooms.NextPage() != "",
		Queued:    c.outbox.Queued(), PausedUntil: c.outbox.PausedUntil(), LastError: c.lastError,
	}
	v.Room, _ = c.rooms.View(v.Current)
	return v
}

// Room returns a snapshot of one room. ok is false if the client neither is in it
// nor remembers it.
func (c *Client) Room(name string) (view RoomView, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rooms.View(name)
}

// Key identifies m's row. For a message of ours it is its id, the same as
// OutgoingMessage.ID, so that a message keeps its row when it has been sent.
func (v View) Key(m shared.Message) string {
	if m.User == v.Me.User {
		return m.ID
	}
	return "#" + strconv.FormatUint(m.Seq, 10) // the # is in no id
}
