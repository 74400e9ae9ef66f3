// Package conn keeps one connection to the server.
//
//	conn.go         Conn: what a connection is; CloseError: how it ended
//	supervisor.go   Supervisor: dial, use, wait, dial again; its Owner and its Status
//	connection.go   one Conn with its readMessages and writeMessages
//	liveness.go     is the server still there?
//	backoff.go      when to try again
//	call.go         a question and its answer
//	websocket*.go   the Conn of a real server, natively and in browsers; why it could not be opened
//
// It knows events only as far as the connection needs them: it sends pings, and it
// matches answers by their ids. What a welcome or a closing says, its Owner tells it.
package conn
