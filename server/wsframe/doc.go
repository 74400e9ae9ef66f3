// Package wsframe encodes WebSocket frames (RFC 6455, section 5.2) as a server writes
// them: unfragmented and unmasked.
//
//	frame.go  New, NewText, NewClose: one whole frame
//	          AppendHeader: a header, for a caller that appends the payload itself
//	          Length: where the first of several frames ends
//
// The server encodes an event once and writes the same bytes to many connections, several
// frames in one write. The WebSocket library upgrades and reads, and
// writes only before that: during the handshake.
//
// Packages timeline, chat and delivery encode frames; delivery alone writes them.
//
// The functions keep no state and may be called from any goroutine. Payloads may have any
// length; only the reason of a close frame is cut off, at 123 bytes.
package wsframe
