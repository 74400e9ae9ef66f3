// Command websockets is a chat server: typed events over WebSocket, with every
// message in a durable log.
//
//	main.go       the program and its commands
//	flags.go      the flags of serve
//	serve.go      open, serve, stop
//	listen.go     the sockets of --listen
//	descriptors.go, descriptors_unix.go, descriptors_other.go
//	              refusing connections before file descriptors run out
//	await.go      waiting at start for NATS and the identity provider
//	reload.go     the files that are read again at SIGHUP
//	natsflags.go  the NATS servers
//	authflags.go  who may connect; guestkeys.go for the keys of guest sessions
//	tls.go        the certificate
//	logging.go    the log
//	bench.go      the bench command
//	version.go    what --version prints
package main
