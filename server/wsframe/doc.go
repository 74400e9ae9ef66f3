// Package wsframe encodes WebSocket frames (RFC 6455, 5.2) as a server writes them:
// whole and unmasked. Events are encoded to frames once and written to many
// connections, past the WebSocket library.
package wsframe
