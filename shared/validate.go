package shared

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of the protocol. Both sides hold to them, so a client can say no
// before the server has to.
const (
	MaxFrameBytes    = 64 << 10 // of an event to the server
	MaxMessageLength = 4096     // code points of a message
	MaxNameLength    = 32       // code points of a display name
	MaxTopicLength   = 200      // code points of a room's topic
	MaxRoomLength    = 64       // bytes of a room's name
	MaxIDLength      = 64       // bytes of an event's id
	MaxTokenLength   = 8 << 10  // bytes of a token
	MaxHistory       = 200      // messages of a page of history
	MaxListedRooms   = 200      // rooms of one list
	MaxListedMembers = 100      // members of one room_joined
	MaxUnread        = 99       // unread messages are counted up to one more
	JoinBacklog      = 50       // messages a room starts back without a cursor
)

// DefaultRoom is where a connection starts that does not say otherwise.
const DefaultRoom = "general"

// ValidateRoom returns an *Error with code "bad_room" if name is not a room's
// name.
func ValidateRoom(name string) error {
	if validName(name, MaxRoomLength, "0123456789abcdefghijklmnopqrstuvwxyz-_") {
		return nil
	}
	return Errorf(CodeBadRoom, "a room's name is 1 to %d characters of a-z 0-9 - _", MaxRoomLength)
}

func validID(id string) bool {
	return validName(id, MaxIDLength, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_")
}

func validName(name string, most int, alphabet string) bool {
	return name != "" && len(name) <= most && strings.Trim(name, alphabet) == ""
}

// ValidateID reports an *Error unless id can be an event's, and so a message's.
func ValidateID(id string) error {
	if !validID(id) {
		return Errorf(CodeBadID, "an id is 1 to %d characters of A-Z a-z 0-9 _ -", MaxIDLength)
	}
	return nil
}

// ValidateMessage returns an *Error with code "bad_message" if text is not one
// a room takes.
func ValidateMessage(text string) error {
	switch n := utf8.RuneCountInString(text); {
	case strings.TrimSpace(text) == "":
		return Errorf(CodeBadMessage, "the message is empty")
	case n > MaxMessageLength:
		return Errorf(CodeBadMessage, "the message has %d characters: %d are the most", n, MaxMessageLength)
	case !utf8.ValidString(text):
		return Errorf(CodeBadMessage, "the message is not UTF-8")
	}
	return nil
}

// ValidateName returns an *Error with code "bad_name" if name is not a display
// name: 1 to MaxNameLength characters, no blanks around it, nothing invisible.
func ValidateName(name string) error {
	switch n := utf8.RuneCountInString(name); {
	case n == 0 || strings.TrimSpace(name) != name:
		return Errorf(CodeBadName, "a name has at least one character and no blanks around it")
	case n > MaxNameLength:
		return Errorf(CodeBadName, "a name has at most %d characters: this one has %d", MaxNameLength, n)
	case !utf8.ValidString(name):
		return Errorf(CodeBadName, "the name is not UTF-8")
	case strings.ContainsFunc(name, invisible) || strings.TrimFunc(name, unicode.IsMark) == "":
		return Errorf(CodeBadName, "a name has no control or invisible characters")
	}
	return nil
}

// ValidateTopic returns an *Error with code "bad_topic" if topic is not a room's
// topic: one line of at most MaxTopicLength characters, no blanks around it. It may
// be empty.
func ValidateTopic(topic string) error {
	n := utf8.RuneCountInString(topic)
	switch {
	case n > MaxTopicLength:
		return Errorf(CodeBadTopic, "a topic has at most %d characters: this one has %d", MaxTopicLength, n)
	case !utf8.ValidString(topic):
		return Errorf(CodeBadTopic, "the topic is not UTF-8")
	case strings.TrimSpace(topic) != topic:
		return Errorf(CodeBadTopic, "a topic has no blanks around it")
	case strings.ContainsFunc(topic, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }):
		return Errorf(CodeBadTopic, "a topic is one line without control characters")
	}
	return nil
}

// invisible reports whether r would not be seen in a name. Some of Unicode's
// letters and symbols are not: fillers of Hangul, the empty Braille pattern.
func invisible(r rune) bool {
	return !unicode.IsPrint(r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || r == '\u2800'
}

func validateCursor(c *Cursor) error {
	if c == nil {
		return nil
	}
	if len(c.Epoch) > MaxIDLength || c.ID != "" && !validID(c.ID) {
		return Errorf(CodeBadPayload, "a cursor is {epoch, seq, id} as room_joined and synced tell it")
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
		return Errorf(CodeBadPayload, "limit is 1 to %d", MaxHistory)
	}
	return nil
}

func (p ListRoomsPayload) Validate() error {
	if p.Filter == "" {
		return nil
	}
	return ValidateRoom(p.Filter)
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
