// Package bench loads a server with real clients and measures it. It checks every
// delivery to every member. A message's latency is measured from the time it was due,
// so a server that delays its senders shows in the figures.
//
//	bench.go     the options, and the run from connecting to the result
//	target.go    the server's address, dialing, and advice for each refusal
//	member.go    a connection and its reader
//	sender.go    a member that sends; pace.go decides when
//	text.go      the text of a message, and how a delivery is recognized
//	order.go     whether a member got everything once and in order
//	latency.go   histograms
//	process.go   memory and CPU of the server, if it is on this machine
//	result.go    the result; progress.go shows progress meanwhile
//	alarm_*.go   precise timers; files_*.go for the limit of open files
package bench
