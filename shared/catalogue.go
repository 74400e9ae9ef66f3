package shared

import (
	"slices"
	"time"
)

// The catalogue: every event type there is. To add one, add its variable and
// its payload here, give it a Validate if values can be wrong, and register a
// handler with On on the side that receives it; Check names the side that was
// forgotten.

// Client to server. The comment names the answer.
var (
	ChangeRoom   = define[JoinPayload](ToServer, "change_room")         // room_joined; the current room is left
	JoinRoom     = define[JoinPayload](ToServer, "join_room")           // room_joined; current only if there is none
	LeaveRoom    = define[LeavePayload](ToServer, "leave_room")         // left
	SendMessage  = define[SendMessagePayload](ToServer, "send_message") // ack
	LoadHistory  = define[LoadHistoryPayload](ToServer, "load_history") // history
	ListRooms    = define[ListRoomsPayload](ToServer, "list_rooms")     // rooms
	SetName      = define[SetNamePayload](ToServer, "set_name")         // ack
	SetTopic     = define[SetTopicPayload](ToServer, "set_topic")       // ack
	StartTyping  = define[RoomPayload](ToServer, "typing")              // none
	MarkRead     = define[MarkReadPayload](ToServer, "mark_read")       // ack
	Ping         = define[Empty](ToServer, "ping")                      // pong
	Authenticate = define[TokenPayload](ToServer, "authenticate")       // ack
	RefreshToken = define[TokenPayload](ToServer, "refresh_token")      // ack
)

// Server to client.
var (
	Welcome      = define[WelcomePayload](ToClient, "welcome")
	RoomJoined   = define[RoomJoinedPayload](ToClient, "room_joined")
	Synced       = define[SyncedPayload](ToClient, "synced")
	History      = define[HistoryPayload](ToClient, "history")
	NewMessage   = defineDurable[Message]("new_message")
	TopicChanged = defineDurable[TopicPayload]("topic_changed")
	Presence     = define[PresencePayload](ToClient, "presence")
	Typing       = define[TypingPayload](ToClient, "typing")
	Read         = define[MarkReadPayload](ToClient, "read")
	Left         = define[LeavePayload](ToClient, "left")
	Rooms        = define[RoomsPayload](ToClient, "rooms")
	Ack          = define[AckPayload](ToClient, "ack")
	Pong         = define[Empty](ToClient, "pong")
	Failed       = define[Error](ToClient, "error")
	Closing      = define[ClosingPayload](ToClient, "closing")
)

// Empty is the payload of an event that says all with its type.
type Empty struct{}

// Cursor is a place in a room's log: everything up to Seq has been seen.
type Cursor struct {
	// Epoch names the log that Seq counts in. A log that was cut or restored gets
	// another.
	Epoch string `json:"epoch"`
	// Seq is the sequence of the last message seen, 0 before the first. It grows
	// within a room, not by ones.
	Seq uint64 `json:"seq"`
	// ID is the id of the message at Seq, so that a log that was cut and grew
	// again is noticed. Empty when Seq is 0.
	ID string `json:"id,omitempty"`
}

// JoinPayload asks for a room from a cursor on. Without After the room starts
// JoinBacklog messages back.
type JoinPayload struct {
	Name  string  `json:"name"`
	After *Cursor `json:"after,omitempty"`
}

// LeavePayload names a room; after left nothing of it is sent.
type LeavePayload struct {
	Name string `json:"name"`
}

// RoomPayload names a room the client is in; empty means the current one.
type RoomPayload struct {
	Room string `json:"room,omitempty"`
}

// SendMessagePayload is a message for a room; no room means the current one.
type SendMessagePayload struct {
	Room    string `json:"room,omitempty"`
	Message string `json:"message"`
}

// Message is a message as the log holds it and as new_message and history
// carry it. All but ID and Message are the server's word.
type Message struct {
	// Seq is the place in the room's log. The log's own records leave it out:
	// there it is the record's sequence.
	Seq uint64 `json:"seq,omitzero"`
	// ID is the id the sender gave the send_message event, else one the server
	// made.
	ID string `json:"id"`
	// Room is the room's name.
	Room string `json:"room"`
	// User and From are the sender's id and the name he had when he sent it.
	User string `json:"user"`
	From string `json:"from"`
	// Message is plain text, 1 to MaxMessageLength code points.
	Message string `json:"message"`
	// Sent is when the server took it, UTC, to the millisecond.
	Sent time.Time `json:"sent"`
}

// Encode returns the message as JSON; with Seq 0 it is what the log holds. The
// id comes first, or second after seq.
func (m Message) Encode() []byte { return m.appendJSON(make([]byte, 0, 128+len(m.Message))) }

// SetTopicPayload gives a room another topic; an empty or missing one takes it away.
// Room may be empty for the current room.
type SetTopicPayload struct {
	Room  string `json:"room,omitempty"`
	Topic string `json:"topic"`
}

// TopicPayload is a room's topic: who gave it to the room, and when.
type TopicPayload struct {
	Seq   uint64    `json:"seq,omitempty"`
	ID    string    `json:"id"`
	Room  string    `json:"room"`
	User  string    `json:"user"`
	From  string    `json:"from"`
	Topic string    `json:"topic"`
	Sent  time.Time `json:"sent"`
}

// RoomName returns the room that the payload names, empty for the current one.
func (p JoinPayload) RoomName() string        { return p.Name }
func (p RoomPayload) RoomName() string        { return p.Room }
func (p SendMessagePayload) RoomName() string { return p.Room }
func (p LoadHistoryPayload) RoomName() string { return p.Room }
func (p MarkReadPayload) RoomName() string    { return p.Room }
func (p SetTopicPayload) RoomName() string    { return p.Room }

// LoadHistoryPayload asks for a page of up to Limit messages before or after a
// sequence, one of the two.
type LoadHistoryPayload struct {
	Room   string `json:"room,omitempty"`
	Before uint64 `json:"before,omitempty"`
	After  uint64 `json:"after,omitempty"`
	Limit  int    `json:"limit,omitempty"`
}

// HistoryPayload is a page, oldest first. More says that there are messages
// beyond it in the direction that was asked for.
type HistoryPayload struct {
	Room     string    `json:"room"`
	Messages []Message `json:"messages"`
	More     bool      `json:"more"`
}

// ListRoomsPayload asks for the rooms whose name contains Filter.
type ListRoomsPayload struct {
	Filter string `json:"filter,omitempty"`
}

// RoomsPayload lists rooms by recent activity, at most MaxListedRooms.
type RoomsPayload struct {
	Rooms []RoomSummary `json:"rooms"`
}

// RoomSummary is a room in a list.
type RoomSummary struct {
	Name string `json:"name"`
	// LastActivity is when the last message was sent.
	LastActivity time.Time `json:"last_activity"`
	// Unread counts the messages after the reader's mark, up to MaxUnread+1.
	Unread int `json:"unread"`
}

// SetNamePayload chooses the display name, 1 to MaxNameLength characters.
type SetNamePayload struct {
	Name string `json:"name"`
}

// MarkReadPayload says that the user has read the room up to Seq, on whichever
// device.
type MarkReadPayload struct {
	Room string `json:"room"`
	Seq  uint64 `json:"seq"`
}

// TokenPayload carries a token of the operator's own identity provider.
type TokenPayload struct {
	Token string `json:"token"`
}

// WelcomePayload is the first event of a connection.
type WelcomePayload struct {
	// User is the id the server knows this user by; it outlives the connection.
	User string `json:"user"`
	// Name is the display name; Named says that the user chose it.
	Name  string `json:"name"`
	Named bool   `json:"named"`
	// Limits are the server's.
	Limits Limits `json:"limits"`
	// Heartbeat, in seconds: the server is never silent for longer.
	Heartbeat float64 `json:"heartbeat"`
	// Version is the server's build; another one than the page's own means that a
	// newer page is to be had.
	Version string `json:"version"`
	// Session is for clients that keep no cookies: present it as
	// "Authorization: Bearer …" to be the same user again.
	Session string `json:"session,omitempty"`
	// Volatile says that the server keeps messages in memory only, until it stops.
	Volatile bool `json:"volatile,omitempty"`
}

// Limits are what the server refuses to go beyond.
type Limits struct {
	MessageLength int `json:"message_length"` // code points of a message
	FrameBytes    int `json:"frame_bytes"`    // bytes of a frame
	Rooms         int `json:"rooms"`          // rooms of one connection
	InFlight      int `json:"in_flight"`      // events waiting for their answer; beyond it the server stops reading
}

// States of a joined room: how the connection's timeline fits what the client
// had before.
const (
	StateNew       = "new"       // joined without a cursor
	StateCurrent   = "current"   // nothing was missed
	StateRecovered = "recovered" // all that was missed follows
	StateTruncated = "truncated" // a range is or may be gone: see Truncated
	StateReset     = "reset"     // not the log the cursor is from: start over
)

// RoomJoinedPayload: what lies after Cursor follows, as new_message and the other
// durable events, then synced, then what is sent from now on.
type RoomJoinedPayload struct {
	Room   string `json:"room"`
	Cursor Cursor `json:"cursor"`
	State  string `json:"state"`
	// Truncated is set in that state only.
	Truncated *Truncated `json:"truncated,omitempty"`
	// Count is how many different users are in the room; Members names at most
	// MaxListedMembers of them.
	Count   int      `json:"count"`
	Members []Member `json:"members"`
	// Topic is the last change of the room's topic, nil if there was none.
	Topic *TopicPayload `json:"topic,omitempty"`
}

// Truncated is the range that is or may be gone: beyond After, before First.
type Truncated struct {
	After uint64 `json:"after"`
	First uint64 `json:"first"`
}

// Member is a user in a room.
type Member struct {
	User string `json:"user"`
	Name string `json:"name"`
}

// SyncedPayload: all that lay after the cursor of room_joined has been sent.
type SyncedPayload struct {
	Room   string `json:"room"`
	Cursor Cursor `json:"cursor"`
}

// PresencePayload says who came and went since the last one, at most one a
// second for a room. Under pressure it may be dropped: Count is what holds.
type PresencePayload struct {
	Room   string   `json:"room"`
	Joined []Member `json:"joined,omitempty"`
	Left   []string `json:"left,omitempty"`
	Count  int      `json:"count"`
}

// TypingPayload says that a member is writing; it holds for 5 s.
type TypingPayload struct {
	Room string `json:"room"`
	User string `json:"user"`
	Name string `json:"name"`
}

// AckPayload answers send_message with where the message is; for other events
// it is empty. It means: in the log, on disk.
type AckPayload struct {
	Room string    `json:"room,omitempty"`
	Seq  uint64    `json:"seq,omitzero"`
	Sent time.Time `json:"sent,omitzero"`
}

// ClosingPayload announces that the server is about to close the connection.
type ClosingPayload struct {
	Reason string `json:"reason"`
	// RetryAfter, in seconds: do not come back earlier.
	RetryAfter float64 `json:"retry_after"`
}

// Spec describes one event type of the catalogue.
type Spec struct {
	Name      string
	Direction Direction
	// Durable events are kept in the log of their room.
	Durable bool
}

var catalogue []Spec

func define[T any](direction Direction, name string) Type[T] {
	catalogue = append(catalogue, Spec{Name: name, Direction: direction})
	return Type[T]{name: name, direction: direction}
}

// defineDurable defines an event to clients that is kept in the log of its room. Its
// payload's first fields are seq, which the server fills in when it is sent, and id.
func defineDurable[T any](name string) Type[T] {
	t := define[T](ToClient, name)
	catalogue[len(catalogue)-1].Durable = true
	return t
}

// Catalogue returns all event types, in the order of this file.
func Catalogue() []Spec { return slices.Clone(catalogue) }

// Find returns the event type that goes in this direction under this name, or
// reports false if there is none.
func Find(direction Direction, name string) (Spec, bool) {
	for _, spec := range catalogue {
		if spec.Direction == direction && spec.Name == name {
			return spec, true
		}
	}
	return Spec{}, false
}
