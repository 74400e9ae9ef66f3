package shared

// WebSocket close codes of this protocol. See Reconnects for what a client does
// about them.
const (
	CloseNormal          = 1000 // done
	CloseGoingAway       = 1001 // the page or the server is going away
	CloseUnsupportedData = 1003 // binary frame: this protocol is text only
	CloseInvalidText     = 1007 // text frame with invalid UTF-8
	ClosePolicy          = 1008 // rate limit ignored, too many pings, or a frame that did not arrive in time
	CloseTooBig          = 1009 // frame larger than the limit in welcome
	CloseRestart         = 1012 // the server is restarting: reconnect shortly
	CloseTryLater        = 1013 // the server is full or its log is unavailable
	CloseSilent          = 4000 // nothing received within the heartbeat
	CloseSession         = 4501 // invalid guest session: reconnect with a new one
	CloseSessionRevoked  = 4502 // an operator revoked this user's sessions
	CloseToken           = 4503 // no valid token in time, or it expired: get a new one
)

// Reconnects reports whether a client should reconnect after this close code. If
// not, the code is final: a new connection would end the same way, and the client
// marks the message that caused it as failed. A connection that ended without a
// close frame counts as 1006.
func Reconnects(code int) bool {
	switch {
	case code == 1000, code == 1001, 1011 <= code && code <= 1013:
		return true
	case code == 1005, code == 1006, code == 1014: // no code, no close frame, bad gateway
		return true
	case 3000 <= code && code <= 3499, 4000 <= code && code <= 4499:
		return true
	}
	return false
}
