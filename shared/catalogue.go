package shared

import (
	"slices"
	"time"
)

// The catalogue lists every event type. To add one, declare its variable and its
// payload here. Give the payload a Validate method if its values can be invalid.
// Register a handler with On on the receiving side: Check reports a missing one.

// Events to the server, each with the event that answers it. An event that carries an
// id gets exactly one answer with that id: this one, or error. The comments are in
// PROTOCOL.md.
var (
	// Joins a room, which becomes the current one, and leaves the room that was. Events
	// that name no room go to the current one.
	ChangeRoom = request[JoinPayload]("change_room", "room_joined")
	// Joins a further room. It becomes the current one only if there is none.
	JoinRoom = request[JoinPayload]("join_room", "room_joined")
	// Leaves a room. After the answer nothing more comes from it.
	LeaveRoom = request[LeavePayload]("leave_room", "left")
	// Sends a message. The answer comes when it is stored, and says where.
	SendMessage = request[SendMessagePayload]("send_message", "ack")
	// Reads a page of a room's history. The client must be in the room.
	LoadHistory = request[LoadHistoryPayload]("load_history", "history")
	// Reads a page of the list of the rooms that the user may read, the most recently
	// active first.
	ListRooms = request[ListRoomsPayload]("list_rooms", "rooms")
	// Sets the user's display name, on all of their connections.
	SetName = request[SetNamePayload]("set_name", "ack")
	// Sets a room's topic. The answer comes when it is stored, and says where.
	SetTopic = request[SetTopicPayload]("set_topic", "ack")
	// Tells the room that the user is typing.
	StartTyping = request[RoomPayload]("typing", "ack")
	// Says how far the user has read in a room. All devices of a user share this mark.
	MarkRead = request[MarkReadPayload]("mark_read", "ack")
	// Asks for a sign of life.
	Ping = request[Empty]("ping", "pong")
	// Presents a token. On a server that takes tokens, it is the first event of a
	// connection that was opened without one.
	Authenticate = request[TokenPayload]("authenticate", "ack")
	// Replaces the token of an open connection by a newer one of the same user.
	RefreshToken = request[TokenPayload]("refresh_token", "ack")
)

// Events to the client. The comments are in PROTOCOL.md.
var (
	// Begins a connection.
	Welcome = define[WelcomePayload]("welcome")
	// Opens a room. Everything after its cursor follows: the stored events, then synced,
	// then new events.
	RoomJoined = define[RoomJoinedPayload]("room_joined")
	// Ends what was missed: the client has everything up to the cursor.
	Synced = define[SyncedPayload]("synced")
	// Answers load_history, oldest message first.
	History = define[HistoryPayload]("history")
	// Is a message, as it is stored in the log.
	NewMessage = defineDurable[Message]("new_message")
	// Is a change of a room's topic, as it is stored in the log.
	TopicChanged = defineDurable[TopicPayload]("topic_changed")
	// Lists who joined and left since the last presence event of the room. A room sends
	// at most one a second. The server may drop some for a slow client, so count is right
	// where the lists are not.
	Presence = define[PresencePayload]("presence")
	// Reports that a member is typing. It expires after 5 s.
	Typing = define[TypingPayload]("typing")
	// Reports that the user has read on another connection.
	Read = define[MarkReadPayload]("read")
	// Reports that the client has left a room: it asked to, or a new token does not allow
	// the room any more.
	Left = define[LeavePayload]("left")
	// Answers list_rooms. A client that reads all pages gets every room. The last pages
	// repeat those that became active meanwhile, so a room may come twice.
	Rooms = define[RoomsPayload]("rooms")
	// Confirms an event. An acked message is stored as durably as the server's log allows:
	// by default it is on disk.
	Ack = define[AckPayload]("ack")
	// Answers ping.
	Pong = define[Empty]("pong")
	// Answers an event that was not done. Without an id it is about the room in the
	// connection's address, or about a frame whose id cannot be read.
	Failed = define[Error]("error")
	// Announces that the server is about to close the connection.
	Closing = define[ClosingPayload]("closing")
)

// Empty is the payload of an event that carries no data.
type Empty struct{}

// Cursor is a position in a room's log. The client has seen everything up to Seq.
type Cursor struct {
	// Epoch is the name of the log that Seq belongs to. A log that lost records or was
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
	// Name is the room's name.
	Name string `json:"name"`
	// After is the cursor to resume after. Without it the room starts with its last
	// JoinBacklog events.
	After *Cursor `json:"after,omitempty"`
}

// LeavePayload names the room to leave. After left, the server sends nothing more
// from that room.
type LeavePayload struct {
	// Name is the room's name.
	Name string `json:"name"`
}

// RoomPayload names a room that the client has joined. An empty Room means the
// current room.
type RoomPayload struct {
	// Room is a room that the client is in. Empty means the current room.
	Room string `json:"room,omitempty"`
}

// SendMessagePayload is a message for a room. An empty Room means the current room.
type SendMessagePayload struct {
	// Room is a room that the client is in. Empty means the current room.
	Room string `json:"room,omitempty"`
	// Message is plain text, 1 to MaxMessageLength code points of which at least one shows something.
	Message string `json:"message"`
}

// Message is a message as it is stored in the log and sent in new_message and
// history. The client chooses ID and Message; the server sets all other fields.
type Message struct {
	// Seq is the message's sequence in the room's log. It is not in the stored message,
	// because the record has it.
	Seq uint64 `json:"seq,omitzero"`
	// ID is the id of the send_message event. The server generates one if the event
	// has none.
	ID string `json:"id"`
	// Room is the room's name.
	Room string `json:"room"`
	// User is the sender's user id.
	User string `json:"user"`
	// From is the sender's display name at the time of sending.
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
	// Room is a room that the client is in. Empty means the current room.
	Room string `json:"room,omitempty"`
	// Topic is one line of at most MaxTopicLength code points. Empty removes the topic.
	Topic string `json:"topic"`
}

// TopicPayload is a room's topic, with the user who set it and the time.
type TopicPayload struct {
	// Seq is the change's sequence in the room's log.
	Seq uint64 `json:"seq,omitempty"`
	// ID is the id of the set_topic event. The server generates one if the event has none.
	ID string `json:"id"`
	// Room is the room's name.
	Room string `json:"room"`
	// User is the user id of who set the topic.
	User string `json:"user"`
	// From is their display name at that time.
	From string `json:"from"`
	// Topic is the topic, empty if it was removed.
	Topic string `json:"topic"`
	// Sent is when the server accepted the change, in UTC with milliseconds.
	Sent time.Time `json:"sent"`
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
	// Room is a room that the client is in. Empty means the current room.
	Room string `json:"room,omitempty"`
	// Before is the sequence before which the page ends. Without Before and After it ends
	// at the newest message.
	Before uint64 `json:"before,omitempty"`
	// After is the sequence after which the page begins. It excludes Before.
	After uint64 `json:"after,omitempty"`
	// Limit is how many messages to return at most, up to MaxHistory. 0 means JoinBacklog.
	Limit int `json:"limit,omitempty"`
}

// HistoryPayload is a page of history, oldest message first. More is true if there
// are further messages in the requested direction.
type HistoryPayload struct {
	// Room is the room's name.
	Room string `json:"room"`
	// Messages are the messages, oldest first. There may be fewer than were asked for.
	Messages []Message `json:"messages"`
	// More is true if there are further messages in the requested direction.
	More bool `json:"more"`
}

// ListRoomsPayload requests a page of the rooms that the user may read, by recent
// activity.
type ListRoomsPayload struct {
	// Filter is what the names of the rooms contain. Empty means all rooms.
	Filter string `json:"filter,omitempty"`
	// Page is Next of the page before, with the same Filter. Empty means the first page.
	Page string `json:"page,omitempty"`
	// Limit is how many rooms to list at most, up to MaxListedRooms. 0 means MaxListedRooms.
	Limit int `json:"limit,omitempty"`
}

// RoomsPayload is a page of the list of rooms, the most recently active first. A client
// that reads all pages gets every room. The last pages repeat those that became active
// meanwhile, so a room may come twice.
type RoomsPayload struct {
	// Rooms are the rooms, the most recently active first.
	Rooms []RoomSummary `json:"rooms"`
	// Next is the page that follows, to be sent as page. Empty means that there is none. Its
	// text means nothing to a client.
	Next string `json:"next,omitempty"`
}

// RoomSummary is a room in a list.
type RoomSummary struct {
	// Name is the room's name.
	Name string `json:"name"`
	// LastActivity is when the last message was sent.
	LastActivity time.Time `json:"last_activity"`
	// Unread is how many messages follow the user's read mark. MaxUnread+1 means that or
	// more. It is 0 if the user has never read the room.
	Unread int `json:"unread"`
}

// SetNamePayload sets the user's display name, 1 to MaxNameLength characters.
type SetNamePayload struct {
	// Name is 1 to MaxNameLength code points, without a space at either end and without
	// invisible characters.
	Name string `json:"name"`
}

// MarkReadPayload moves the user's read mark in a room to Seq. Read marks are
// shared by all devices of a user.
type MarkReadPayload struct {
	// Room is a room that the client is in.
	Room string `json:"room"`
	// Seq is the sequence of the last message that the user has read. A mark never moves
	// back.
	Seq uint64 `json:"seq"`
}

// TokenPayload carries a JSON Web Token of the operator's identity provider.
type TokenPayload struct {
	// Token is a JWT of the operator's identity provider.
	Token string `json:"token"`
}

// WelcomePayload is the first event of a connection.
type WelcomePayload struct {
	// User is the user's id. It stays the same across connections.
	User string `json:"user"`
	// Name is the display name.
	Name string `json:"name"`
	// Named is true if the user chose the name.
	Named bool `json:"named"`
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
	// Dedupe says for how long the server recognizes a message that is sent again.
	Dedupe Dedupe `json:"dedupe,omitzero"`
}

// Dedupe is how long the id of a stored message is known: until the message is Seconds
// old, until Messages more have been stored, or until it is removed from the log,
// whichever comes first.
type Dedupe struct {
	Seconds  float64 `json:"seconds"`  // the age of the message
	Messages int64   `json:"messages"` // stored after it
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
	StateTruncated = "truncated" // a range has expired or may have: truncated names it
	StateReset     = "reset"     // the cursor belongs to another log: start over
)

// RoomJoinedPayload opens a room. Everything after Cursor follows: the stored
// events, then synced, then live events.
type RoomJoinedPayload struct {
	// Room is the room's name.
	Room string `json:"room"`
	// Cursor is where the room begins for this client.
	Cursor Cursor `json:"cursor"`
	// State says how the log continues after the cursor that the client joined with.
	State string `json:"state"`
	// Truncated is the range that is gone, only in the state StateTruncated.
	Truncated *Truncated `json:"truncated,omitempty"`
	// Count is the number of distinct users in the room.
	Count int `json:"count"`
	// Members are at most MaxListedMembers of them.
	Members []Member `json:"members"`
	// Topic is the latest change of the room's topic, nil if there was none.
	Topic *TopicPayload `json:"topic,omitempty"`
}

// Truncated is a range that has expired or may have: after After, before First.
type Truncated struct {
	// After is the last sequence before the range.
	After uint64 `json:"after"`
	// First is the first sequence behind the range, 0 if the room has none.
	First uint64 `json:"first"`
}

// Member is a user in a room.
type Member struct {
	// User is the user's id.
	User string `json:"user"`
	// Name is the user's display name.
	Name string `json:"name"`
}

// SyncedPayload ends the backfill: the client has everything up to Cursor.
type SyncedPayload struct {
	// Room is the room's name.
	Room string `json:"room"`
	// Cursor is up to where the client has everything.
	Cursor Cursor `json:"cursor"`
}

// PresencePayload lists who joined and left since the last presence event of the
// room. A room sends at most one a second. The server may drop some for a slow
// client, so Count is authoritative.
type PresencePayload struct {
	// Room is the room's name.
	Room string `json:"room"`
	// Joined are the users who came, or who have a new name.
	Joined []Member `json:"joined,omitempty"`
	// Left are the ids of the users who left.
	Left []string `json:"left,omitempty"`
	// Count is the number of distinct users in the room.
	Count int `json:"count"`
}

// TypingPayload reports that a member is typing. It expires after 5 s.
type TypingPayload struct {
	// Room is the room's name.
	Room string `json:"room"`
	// User is the id of who is typing.
	User string `json:"user"`
	// Name is their display name.
	Name string `json:"name"`
}

// AckPayload confirms an event. The answer to send_message and set_topic says where
// the record is in the log; for other events the payload is empty. An acked message
// is stored as durably as the server's log allows: by default it is on disk.
type AckPayload struct {
	// Room is the room of the record. The answers to send_message and set_topic have it.
	Room string `json:"room,omitempty"`
	// Seq is the record's sequence in the room's log, in the same answers.
	Seq uint64 `json:"seq,omitzero"`
	// Sent is when the server accepted it, in the same answers.
	Sent time.Time `json:"sent,omitzero"`
}

// ClosingPayload announces that the server is about to close the connection.
type ClosingPayload struct {
	// Reason is a sentence for people.
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
