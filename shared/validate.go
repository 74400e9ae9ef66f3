package shared

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of the protocol. Both sides check them, so a client can refuse a value
// before it reaches the server.
const (
	MaxFrameBytes    = 64 << 10 // bytes of an event to the server
	MaxMessageLength = 4096     // code points of a message
	MaxNameLength    = 32       // code points of a display name
	MaxTopicLength   = 200      // code points of a topic
	MaxRoomLength    = 64       // bytes of a room name
	MaxIDLength      = 64       // bytes of an event id
	MaxTokenLength   = 8 << 10  // bytes of a token
	MaxHistory       = 200      // messages in a page of history
	MaxListedRooms   = 200      // rooms in a page of the list of rooms
	MaxPageLength    = 256      // bytes of the name of such a page
	MaxListedMembers = 100      // members in room_joined
	MaxUnread        = 99       // highest exact unread count; one more means "more"
	JoinBacklog      = 50       // messages sent when joining without a cursor
)

// DefaultRoom is the first room of a connection that names none.
const DefaultRoom = "general"

// ValidateRoom returns an *Error with code "bad_room" if name is not a valid room
// name.
func ValidateRoom(name string) error {
	if validName(name, MaxRoomLength, "0123456789abcdefghijklmnopqrstuvwxyz-_") {
		return nil
	}
	return Errorf(CodeBadRoom, "a room name has 1 to %d characters: a-z, 0-9, - and _", MaxRoomLength)
}

func validID(id string) bool {
	return validName(id, MaxIDLength, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_")
}

func validName(name string, most int, alphabet string) bool {
	return name != "" && len(name) <= most && strings.Trim(name, alphabet) == ""
}

// ValidateID returns an *Error with code "bad_id" if id is not a valid event id. A
// message has the id of its event.
func ValidateID(id string) error {
	if !validID(id) {
		return Errorf(CodeBadID, "an id has 1 to %d characters: A-Z, a-z, 0-9, - and _", MaxIDLength)
	}
	return nil
}

// ValidateMessage returns an *Error with code "bad_message" if text shows nothing, is too
// long or not UTF-8.
func ValidateMessage(text string) error {
	switch n := utf8.RuneCountInString(text); {
	case IsBlank(text):
		return Errorf(CodeBadMessage, "the message is empty")
	case n > MaxMessageLength:
		return Errorf(CodeBadMessage, "the message has %d characters, the maximum is %d", n, MaxMessageLength)
	case !utf8.ValidString(text):
		return Errorf(CodeBadMessage, "the message is not valid UTF-8")
	}
	return nil
}

// ValidateName returns an *Error with code "bad_name" if name is not a valid display
// name. A name has 1 to MaxNameLength characters, no space at either end, and no
// invisible characters except those that its script or an emoji needs.
func ValidateName(name string) error {
	switch n := utf8.RuneCountInString(name); {
	case n == 0 || strings.TrimSpace(name) != name:
		return Errorf(CodeBadName, "a name needs at least one character and no space at either end")
	case n > MaxNameLength:
		return Errorf(CodeBadName, "the name has %d characters, the maximum is %d", n, MaxNameLength)
	case !utf8.ValidString(name):
		return Errorf(CodeBadName, "the name is not valid UTF-8")
	case StripInvisible(name) != name || strings.TrimFunc(name, unicode.IsMark) == "":
		return Errorf(CodeBadName, "a name must not contain control or invisible characters")
	}
	return nil
}

// ValidateTopic returns an *Error with code "bad_topic" if topic is not a valid
// topic. A topic is one line of at most MaxTopicLength characters without a space at
// either end. It may be empty.
func ValidateTopic(topic string) error {
	n := utf8.RuneCountInString(topic)
	switch {
	case n > MaxTopicLength:
		return Errorf(CodeBadTopic, "the topic has %d characters, the maximum is %d", n, MaxTopicLength)
	case !utf8.ValidString(topic):
		return Errorf(CodeBadTopic, "the topic is not valid UTF-8")
	case strings.TrimSpace(topic) != topic:
		return Errorf(CodeBadTopic, "a topic must not have a space at either end")
	case strings.ContainsFunc(topic, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }):
		return Errorf(CodeBadTopic, "a topic must be one line without control characters")
	}
	return nil
}

func validateCursor(c *Cursor) error {
	if c == nil {
		return nil
	}
	if len(c.Epoch) > MaxIDLength || c.ID != "" && !validID(c.ID) {
		return Errorf(CodeBadPayload, "invalid cursor: send {epoch, seq, id} as received in room_joined or synced")
	}
	return nil
}

func (p JoinPayload) Validate() error {
	if err := ValidateRoom(p.Name); err != nil {
		return err
	}
	return validateCursor(p.After)
}

func (p LeavePayload) Validate() error { return ValidateRoom(p.Name) }

func (p RoomPayload) Validate() error { return validateOptionalRoom(p.Room) }

func (p SendMessagePayload) Validate() error {
	if err := validateOptionalRoom(p.Room); err != nil {
		return err
	}
	return ValidateMessage(p.Message)
}

func (p LoadHistoryPayload) Validate() error {
	if err := validateOptionalRoom(p.Room); err != nil {
		return err
	}
	switch {
	case p.Before != 0 && p.After != 0:
		return Errorf(CodeBadPayload, "load_history takes before or after, not both")
	case p.Limit < 0 || p.Limit > MaxHistory:
		return Errorf(CodeBadPayload, "limit must be 1 to %d", MaxHistory)
	}
	return nil
}

func (p ListRoomsPayload) Validate() error {
	switch {
	case p.Limit < 0 || p.Limit > MaxListedRooms:
		return Errorf(CodeBadPayload, "limit must be 1 to %d", MaxListedRooms)
	case len(p.Page) > MaxPageLength:
		return Errorf(CodeBadPayload, "no such page: send next as received in rooms")
	}
	return validateOptionalRoom(p.Filter)
}

func (p SetNamePayload) Validate() error { return ValidateName(p.Name) }

func (p MarkReadPayload) Validate() error { return ValidateRoom(p.Room) }

func (p SetTopicPayload) Validate() error {
	if err := validateOptionalRoom(p.Room); err != nil {
		return err
	}
	return ValidateTopic(p.Topic)
}

func (p TokenPayload) Validate() error {
	if p.Token == "" || len(p.Token) > MaxTokenLength {
		return Errorf(CodeBadPayload, "a token has 1 to %d bytes", MaxTokenLength)
	}
	return nil
}

func validateOptionalRoom(name string) error {
	if name == "" {
		return nil
	}
	return ValidateRoom(name)
}
