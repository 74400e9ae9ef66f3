package shared

import (
	"fmt"
	"unicode/utf8"
)

// Codes of an error event. A client acts on the code; the message is for people.
const (
	CodeBadJSON      = "bad_json"       // the frame is not one well-formed event
	CodeBadID        = "bad_id"         // the event's id is malformed
	CodeUnknownType  = "unknown_type"   // no such event type
	CodeBadPayload   = "bad_payload"    // the payload has the wrong shape
	CodeBadRoom      = "bad_room"       // not a room's name
	CodeBadName      = "bad_name"       // not a display name
	CodeBadMessage   = "bad_message"    // empty, too long, or not text
	CodeBadTopic     = "bad_topic"      // too long, or not one line of text
	CodeNotMember    = "not_member"     // join the room first
	CodeTooManyRooms = "too_many_rooms" // leave one first
	CodeIDReused     = "id_reused"      // this id was sent before with other text
	CodeRateLimited  = "rate_limited"   // wait retry_after seconds
	CodeForbidden    = "forbidden"      // not allowed to this user, whether it exists or not
	CodeBadToken     = "bad_token"      // not a token that is taken here, or expired: get a new one
	CodeUnavailable  = "unavailable"    // not done; the same again after retry_after seconds
	CodeUnsupported  = "unsupported"    // this server is not set up for it
	CodeInternal     = "internal"       // a fault of the server; its log says more
)

// Error is what an error event carries, and the Go error that becomes one. Its
// Message is shown to people, so it never holds more than they may know.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	// RetryAfter, in seconds, is set when the same event may succeed later.
	RetryAfter float64 `json:"retry_after,omitempty"`
}

// Errorf returns an *Error with a formatted message.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Clip shortens text that came from outside to at most n bytes, at a rune's
// border, so that an error message stays short whatever it quotes.
func Clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}
