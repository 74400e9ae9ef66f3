// Package e2e tests the server as its users run it: as a process that listens on a
// port, keeps its data in a folder, and gets killed. It has tests only.
//
//	promise_test.go      acked messages survive kill -9
//	chaos_test.go        seven faults in random order; recorder_test.go checks the result
//	resume_test.go       reconnecting with a cursor, from every place
//	slow_test.go         members that stop reading
//	away_test.go         members that vanish
//	attack_test.go       floods, broken frames, slow handshakes
//	auth_test.go         guest sessions, tokens, TLS, revocation
//	topic_test.go        topics, and a server without a disk
//	broadcast_test.go    events that are not stored, on several servers
//	nodes_test.go        several servers on one NATS
//	settings_test.go     the log's settings and other flags; two chats on one NATS
//	damage_test.go       damaged stores; disk_test.go full and read-only disks
//	data_test.go         the data of version 0.1.0
//	listen_test.go       Unix sockets, sockets of systemd, the printed address
//	start_test.go        waiting for NATS and the identity provider
//	descriptors_test.go  file descriptors that run out
//	signals_test.go      SIGHUP, and a log that nobody reads
//	commandline_test.go  flags, environment, exit codes
//	trace_test.go        what is refused is in the log
//	bench_test.go        the bench command
//	readme_test.go       what README says
//	perf_*_test.go       measurements, behind the build tag perf
//	main_test.go         TestMain; get
package e2e
