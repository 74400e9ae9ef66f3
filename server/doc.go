// Command websockets is a chat server: typed events over WebSocket, with every
// message in a durable log.
//
//	main.go       the program and its commands
//	flags.go      the flags of serve
//	serve.go      open, serve, stop
//	natsflags.go  the NATS servers
//	authflags.go  who may connect; guestkeys.go for the keys of guest sessions
//	tls.go        the certificate
//	logging.go    the log
//	bench.go      the bench command
//	version.go    what --version prints
package main
