// Package servertest is the harness of the tests that talk to a server: a WebSocket
// client, connections in memory, and servers and NATS nodes as processes that can be
// killed. Only tests import it.
//
// Processes:
//
//	process.go       Process: the server; Binary builds it once if WEBSOCKETS_BIN is empty
//	nats.go          NATS and Node: NATS servers, alone or as a cluster
//	proxy.go         Proxy: a TCP connection that can be held, cut and filtered
//	ports.go         addresses that stay free over a restart
//	memory.go        the memory of a process
//	archive.go       Pack and Unpack: a data folder as a file
//
// Clients:
//
//	conn.go          Conn: the client; Next, Await and Ask drop what they pass
//	inbox.go         Take and its variants, which keep what was not asked for yet
//	frame.go         events and messages in a frame
//	flood.go         many messages, and the comparison of records
//	listener.go      Listener: a member that reads on its own goroutine
//	stamp.go         texts that tell their age
//	smallwindow_unix.go, smallwindow_other.go
//	                 a small receive buffer, so that a slow reader is soon felt
//
// Connections in memory, for synctest bubbles:
//
//	pipe.go          Pipe: both ends of a buffered connection
//	pipelistener.go  PipeListener: a net.Listener of Pipes
//
// Running tests:
//
//	deadline.go      Patience, Eventually; Main and MainWithoutLeaks for TestMain
//	clock.go         Clock: a clock that a test moves
//	seeded.go        Seeded: randomness that can be repeated
//	figure.go        Figure: a row of the table that ./build.sh perf prints
//
// # Rules
//
// Every wait is bounded by Patience, and fails with what it waited for. No wait asserts
// that something was fast. Functions that take a testing.TB end the test on an error
// and clean up after it, so they belong on the test's goroutine; those named Try, and
// Upgrade and Handshake, return the error and suit any goroutine.
//
// The methods of Listener, Proxy and Pipe may be called from any goroutine. A Conn may
// be read by one goroutine and written by another. Process, NATS and Node belong to the
// goroutine of their test.
package servertest
