package shared

// WebSocket close codes that this protocol uses, with what they ask of a
// client. See Reconnects.
const (
	CloseNormal          = 1000 // done
	CloseGoingAway       = 1001 // the page or the server goes away
	CloseUnsupportedData = 1003 // a binary frame: this protocol is text
	CloseInvalidText     = 1007 // a text frame that is not UTF-8
	ClosePolicy          = 1008 // broken rules: flooding, too many errors
	CloseTooBig          = 1009 // a frame beyond the limit that welcome tells
	CloseRestart         = 1012 // the server restarts: come back in a moment
	CloseTryLater        = 1013 // the server is full or its log cannot be reached
	CloseSilent          = 4000 // nothing was heard for longer than the heartbeat allows
	CloseSession         = 4501 // the guest's session is not valid here: connect with another
	CloseSessionRevoked  = 4502 // an operator has revoked this user's sessions
	CloseToken           = 4503 // no valid token came in time, or it has expired: get a new one
)

// Reconnects reports whether a client should connect again after a connection
// ended with this close code. A code that does not reconnect is final: the same
// would happen again, and the message that caused it is to be marked failed. A
// connection that broke without a close frame counts as 1006.
func Reconnects(code int) bool {
	switch {
	case code == 1000, code == 1001, 1011 <= code && code <= 1013:
		return true
	case code == 1005, code == 1006, code == 1014: // no code, no close frame, a proxy's bad gateway
		return true
	case 3000 <= code && code <= 3499, 4000 <= code && code <= 4499:
		return true
	}
	return false
}
