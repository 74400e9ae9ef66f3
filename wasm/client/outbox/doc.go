// Package outbox holds the user's messages until they are in the server's log. Each
// one is stored there once and in the order written, whatever happens to connections,
// servers and browser tabs in between; if that is not certain, the user decides.
//
//	message.go   Message and its State
//	outbox.go    Outbox: add, retry, discard, import
//	send.go      Flush, and the server's answers
//	resolve.go   what has become of messages that were on the wire of a connection
//	             that has ended
//	store.go     Store: what a later client has to know
//
// A message leaves the Outbox when its row is in its room's timeline, or when the user
// discards it; it leaves the Store with its ack. The states are described in package
// client.
package outbox
