// Package servertest is the harness of all tests that talk to a server: their
// WebSocket client, and the server and NATS as processes, for tests that have to kill
// them.
package servertest
