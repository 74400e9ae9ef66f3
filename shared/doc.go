// Package shared is the wire contract of server and client: the events, their
// payloads, their validation, and the registry that routes an event to its handler.
// Both sides compile this package, so they cannot disagree.
//
// It imports only the standard library, and neither net/http nor syscall/js. So it
// builds for every target and adds little to the wasm file.
//
//	catalogue.go  every event type and its payload
//	event.go      Event, Type, and decoding
//	registry.go   Registry: which handler receives an event
//	validate.go   limits, and the validation of values
//	visible.go    which characters can be seen, or are needed
//	errors.go     Error and its codes
//	close.go      close codes
//	handshake.go  the subprotocol, and the question about an origin
//	strict.go     what is refused as malformed JSON
//	keys.go       exact matching of keys
//	id.go         random ids for events
//	PROTOCOL.md   the reference for clients, in large parts made from these files
//	plain.go      fast encoding and decoding of messages and acks
package shared
