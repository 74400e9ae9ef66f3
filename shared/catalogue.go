package shared

import (
	"slices"
	"time"
)

// The catalogue lists every event type. To add one, declare its variable and its
// payload here. Give the payload a Validate method if its values can be invalid.
// Register a handler with On on the receiving side: Check reports a missing one.

// Events to the server, each with the event that answers it. An event that carries an
// id gets exactly one answer with that id: this one, or error.
var (
	ChangeRoom   = request[JoinPayload]("change_room", "room_joined") // leaves the current room
	JoinRoom     = request[JoinPayload]("join_room", "room_joined")   // becomes current only if there is no current room
	LeaveRoom    = request[LeavePayload]("leave_room", "left")
	SendMessage  = request[SendMessagePayload]("send_message", "ack")
	LoadHistory  = request[LoadHistoryPayload]("load_history", "history")
	ListRooms    = request[ListRoomsPayload]("list_rooms", "rooms")
	SetName      = request[SetNamePayload]("set_name", "ack")
	SetTopic     = request[SetTopicPayload]("set_topic", "ack")
	StartTyping  = request[RoomPayload]("typing", "ack")
	MarkRead     = request[MarkReadPayload]("mark_read", "ack")
	Ping         = request[Empty]("ping", "pong")
	Authenticate = request[TokenPayload]("authenticate", "ack")
	RefreshToken = request[TokenPayload]("refresh_token", "ack")
)

// Events to the client.
var (
	Welcome      = define[WelcomePayload]("welcome")
	RoomJoined   = define[RoomJoinedPayload]("room_joined")
	Synced       = define[SyncedPayload]("synced")
	History      = define[HistoryPayload]("history")
	NewMessage   = defineDurable[Message]("new_message")
	TopicChanged = defineDurable[TopicPayload]("topic_changed")
	Presence     = define[PresencePayload]("presence")
	Typing       = define[TypingPayload]("typing")
	Read         = define[MarkReadPayload]("read")
	Left         = define[LeavePayload]("left")
	Rooms        = define[RoomsPayload]("rooms")
	Ack          = define[AckPayload]("ack")
	Pong         = define[Empty]("pong")
	Failed       = define[Error]("error")
	Closing      = define[ClosingPayload]("closing")
)

// Empty is the payload of an event that carries no data.
type Empty struct{}

// Cursor is a position in a room's log. The client has seen everything up to Seq.
type Cursor struct {
	// Epoch identifies the log that Seq belongs to. A log that lost records or was
	// restored from a backup gets a new epoch.
	Epoch string `json:"epoch"`
	// Seq is the sequence of the last message seen, 0 before the first. Sequences
	// increase within a room but are not consecutive.
	Seq uint64 `json:"seq"`
	// ID is the id of the message at Seq, empty when Seq is 0. It detects a log that
	// lost its end and has grown past Seq again.
	ID string `json:"id,omitempty"`
}

// JoinPayload joins a room and resumes after a cursor. Without After, the room
// starts with its last JoinBacklog messages.
type JoinPayload struct {
	Name  string  `json:"name"`
	After *Cursor `json:"after,omitempty"`
}

// LeavePayload names the room to leave. After left, the server sends nothing more
// from that room.
type LeavePayload struct {
	Name string `json:"name"`
}

// RoomPayload names a room that the client has joined. An empty Room means the
// current room.
type RoomPayload struct {
	Room string `json:"room,omitempty"`
}

// SendMessagePayload is a message for a room. An empty Room means the current room.
type SendMessagePayload struct {
	Room    string `json:"room,omitempty"`
	Message string `json:"message"`
}

// Message is a message as it is stored in the log and sent in new_message and
// history. The client chooses ID and Message; the server sets all other fields.
type Message struct {
	// Seq is the message's sequence in the room's log. The stored message omits it,
	// because the record has the sequence.
	Seq uint64 `json:"seq,omitzero"`
	// ID is the id of the send_message event. The server generates one if the event
	// has none.
	ID string `json:"id"`
	// Room is the room's name.
	Room string `json:"room"`
	// User is the sender's user id, From their display name at the time of sending.
	User string `json:"user"`
	From string `json:"from"`
	// Message is plain text, 1 to MaxMessageLength code points.
	Message string `json:"message"`
	// Sent is when the server accepted the message, in UTC with milliseconds.
	Sent time.Time `json:"sent"`
}

// Encode returns the message as JSON. With Seq 0 this is the stored form. The id
// comes first, or second after seq.
func (m Message) Encode() []byte { return m.appendJSON(make([]byte, 0, 128+len(m.Message))) }

// SetTopicPayload sets a room's topic. An empty or missing Topic removes it. An
// empty Room means the current room.
type SetTopicPayload struct {
	Room  string `json:"room,omitempty"`
	Topic string `json:"topic"`
}

// TopicPayload is a room's topic, with the user who set it and the time.
type TopicPayload struct {
	Seq   uint64    `json:"seq,omitempty"`
	ID    string    `json:"id"`
	Room  string    `json:"room"`
	User  string    `json:"user"`
	From  string    `json:"from"`
	Topic string    `json:"topic"`
	Sent  time.Time `json:"sent"`
}

// RoomName returns the room that the payload names, empty for the current room.
func (p JoinPayload) RoomName() string        { return p.Name }
func (p RoomPayload) RoomName() string        { return p.Room }
func (p SendMessagePayload) RoomName() string { return p.Room }
func (p LoadHistoryPayload) RoomName() string { return p.Room }
func (p MarkReadPayload) RoomName() string    { return p.Room }
func (p SetTopicPayload) RoomName() string    { return p.Room }

// LoadHistoryPayload requests up to Limit messages before or after a sequence.
// Before and After exclude each other.
type LoadHistoryPayload struct {
	Room   string `json:"room,omitempty"`
	Before uint64 `json:"before,omitempty"`
	After  uint64 `json:"after,omitempty"`
	Limit  int    `json:"limit,omitempty"`
}

// HistoryPayload is a page of history, oldest message first. More is true if there
// are further messages in the requested direction.
type HistoryPayload struct {
	Room     string    `json:"room"`
	Messages []Message `json:"messages"`
	More     bool      `json:"more"`
}

// ListRoomsPayload requests a page of the rooms that the user may read, by recent
// activity.
type ListRoomsPayload struct {
	// Filter is a text that the names of the rooms contain. Empty means all rooms.
	Filter string `json:"filter,omitempty"`
	// Page is Next of the page before, with the same Filter. Empty means the first page.
	Page string `json:"page,omitempty"`
	// Limit is how many rooms to list at most, 0 for MaxListedRooms.
	Limit int `json:"limit,omitempty"`
}

// RoomsPayload is a page of the list of rooms, the most recently active first. A client
// that reads all pages gets every room. The last pages repeat those that became active
// meanwhile, so a room may come twice.
type RoomsPayload struct {
	Rooms []RoomSummary `json:"rooms"`
	// Next requests the next page, empty if there is none. It means nothing to a client.
	Next string `json:"next,omitempty"`
}

// RoomSummary is a room in a list.
type RoomSummary struct {
	Name string `json:"name"`
	// LastActivity is when the last message was sent.
	LastActivity time.Time `json:"last_activity"`
	// Unread counts the messages after the user's read mark, up to MaxUnread+1.
	Unread int `json:"unread"`
}

// SetNamePayload sets the user's display name, 1 to MaxNameLength characters.
type SetNamePayload struct {
	Name string `json:"name"`
}

// MarkReadPayload moves the user's read mark in a room to Seq. Read marks are
// shared by all devices of a user.
type MarkReadPayload struct {
	Room string `json:"room"`
	Seq  uint64 `json:"seq"`
}

// TokenPayload carries a JSON Web Token of the operator's identity provider.
type TokenPayload struct {
	Token string `json:"token"`
}

// WelcomePayload is the first event of a connection.
type WelcomePayload struct {
	// User is the user's id. It stays the same across connections.
	User string `json:"user"`
	// Name is the display name. Named is true if the user chose it.
	Name  string `json:"name"`
	Named bool   `json:"named"`
	// Limits are the limits of this server.
	Limits Limits `json:"limits"`
	// Heartbeat is the longest time in seconds that the server stays silent.
	Heartbeat float64 `json:"heartbeat"`
	// Version identifies the server's build of the page. If it differs from the
	// page's own version, a newer page is available.
	Version string `json:"version"`
	// Session is for clients without cookies. Presented as "Authorization: Bearer …",
	// it makes the next connection the same user.
	Session string `json:"session,omitempty"`
	// Volatile is true if the server keeps messages in memory only. They are lost when
	// it stops.
	Volatile bool `json:"volatile,omitempty"`
}

// Limits are the limits that the server enforces.
type Limits struct {
	MessageLength int `json:"message_length"` // code points in a message
	FrameBytes    int `json:"frame_bytes"`    // bytes in a frame
	Rooms         int `json:"rooms"`          // rooms joined by one connection
	InFlight      int `json:"in_flight"`      // events without an answer; at this number the server stops reading
}

// States of a joined room. They say how the room's log continues after the
// client's cursor.
const (
	StateNew       = "new"       // joined without a cursor
	StateCurrent   = "current"   // nothing was missed
	StateRecovered = "recovered" // everything missed follows
	StateTruncated = "truncated" // a range has expired or may have: see Truncated
	StateReset     = "reset"     // the cursor belongs to another log: start over
)

// RoomJoinedPayload opens a room. Everything after Cursor follows: the stored
// events, then synced, then live events.
type RoomJoinedPayload struct {
	Room   string `json:"room"`
	Cursor Cursor `json:"cursor"`
	State  string `json:"state"`
	// Truncated is set only in StateTruncated.
	Truncated *Truncated `json:"truncated,omitempty"`
	// Count is the number of distinct users in the room. Members lists at most
	// MaxListedMembers of them.
	Count   int      `json:"count"`
	Members []Member `json:"members"`
	// Topic is the latest change of the room's topic, nil if there was none.
	Topic *TopicPayload `json:"topic,omitempty"`
}

// Truncated is a range that has expired or may have: after After, before First.
type Truncated struct {
	After uint64 `json:"after"`
	First uint64 `json:"first"`
}

// Member is a user in a room.
type Member struct {
	User string `json:"user"`
	Name string `json:"name"`
}

// SyncedPayload ends the backfill: the client has everything up to Cursor.
type SyncedPayload struct {
	Room   string `json:"room"`
	Cursor Cursor `json:"cursor"`
}

// PresencePayload lists who joined and left since the last presence event of the
// room. A room sends at most one a second. The server may drop some for a slow
// client, so Count is authoritative.
type PresencePayload struct {
	Room   string   `json:"room"`
	Joined []Member `json:"joined,omitempty"`
	Left   []string `json:"left,omitempty"`
	Count  int      `json:"count"`
}

// TypingPayload reports that a member is typing. It expires after 5 s.
type TypingPayload struct {
	Room string `json:"room"`
	User string `json:"user"`
	Name string `json:"name"`
}

// AckPayload confirms an event. The answer to send_message and set_topic says where
// the record is in the log; for other events the payload is empty. An acked message
// is stored as durably as the server's log allows: by default it is on disk.
type AckPayload struct {
	Room string    `json:"room,omitempty"`
	Seq  uint64    `json:"seq,omitzero"`
	Sent time.Time `json:"sent,omitzero"`
}

// ClosingPayload announces that the server is about to close the connection.
type ClosingPayload struct {
	Reason string `json:"reason"`
	// RetryAfter is the time in seconds to wait before reconnecting.
	RetryAfter float64 `json:"retry_after"`
}

// Spec describes one event type of the catalogue.
type Spec struct {
	Name      string
	Direction Direction
	// Answer names the event that answers an event to the server.
	Answer string
	// Durable events are stored in their room's log.
	Durable bool
}

var catalogue []Spec

// request defines an event to the server, and the event to the client that answers it.
func request[T any](name, answer string) Type[T] {
	catalogue = append(catalogue, Spec{Name: name, Direction: ToServer, Answer: answer})
	return Type[T]{name: name, direction: ToServer}
}

// define defines an event to the client. It may be sent unasked, or as an answer.
func define[T any](name string) Type[T] {
	catalogue = append(catalogue, Spec{Name: name, Direction: ToClient})
	return Type[T]{name: name, direction: ToClient}
}

// defineDurable defines an event to clients that is stored in its room's log. The
// payload must begin with the fields seq and id. The server sets seq when it sends
// the event.
func defineDurable[T any](name string) Type[T] {
	t := define[T](name)
	catalogue[len(catalogue)-1].Durable = true
	return t
}

// Catalogue returns all event types in the order of this file.
func Catalogue() []Spec { return slices.Clone(catalogue) }

// Find returns the event type with this direction and name. It reports false if
// there is none.
func Find(direction Direction, name string) (Spec, bool) {
	for _, spec := range catalogue {
		if spec.Direction == direction && spec.Name == name {
			return spec, true
		}
	}
	return Spec{}, false
}
