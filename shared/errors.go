package shared

import (
	"fmt"
	"unicode/utf8"
)

// Codes of an error event. Programs act on the code; the message is for people.
const (
	CodeBadJSON      = "bad_json"       // the frame is not one well-formed event
	CodeBadID        = "bad_id"         // the event's id is malformed
	CodeUnknownType  = "unknown_type"   // no such event type
	CodeBadPayload   = "bad_payload"    // the payload has the wrong shape
	CodeBadRoom      = "bad_room"       // invalid room name
	CodeBadName      = "bad_name"       // invalid display name
	CodeBadMessage   = "bad_message"    // empty, too long, or not text
	CodeBadTopic     = "bad_topic"      // too long, or not one line of text
	CodeNotMember    = "not_member"     // join the room first
	CodeTooManyRooms = "too_many_rooms" // leave a room first
	CodeIDReused     = "id_reused"      // this id was used before with different text
	CodeRateLimited  = "rate_limited"   // wait retry_after seconds
	CodeForbidden    = "forbidden"      // not permitted, whether the room exists or not
	CodeBadToken     = "bad_token"      // invalid or expired token: get a new one
	CodeUnavailable  = "unavailable"    // not done: try again after retry_after seconds
	CodeUnsupported  = "unsupported"    // not enabled on this server
	CodeInternal     = "internal"       // internal error; the server's log has the details
)

// Error is the payload of an error event, and a Go error. Its Message is shown to
// people, so it must contain nothing that they may not know.
type Error struct {
	// Code is one of the error codes.
	Code string `json:"code"`
	// Message is a sentence for people.
	Message string `json:"message"`
	// RetryAfter is the time in seconds after which the same event may succeed, 0 if
	// it will not.
	RetryAfter float64 `json:"retry_after,omitempty"`
}

// Errorf returns an *Error with a formatted message.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Clip shortens untrusted text to at most n bytes at a rune boundary and adds an
// ellipsis. It keeps error messages short.
func Clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}
