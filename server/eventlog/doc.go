// Package eventlog defines the durable log that every message goes through:
// what the chat needs of a log, and what the log promises.
//
// There are two implementations: jetstream keeps the log in NATS JetStream, on
// disk; memlog keeps it in memory. Package logtest holds the tests that both have
// to pass.
//
//	eventlog.go  Log: the calls and their promises; Subscriber and Subscription
//	             Values: a key-value store beside the log
//	             Store: a Log that the program opens and closes
//
// A log holds the records of any number of rooms. Within a room, sequence numbers
// grow from record to record, but not by ones: rooms may share a counter. A
// record never changes. Retention may remove records, and the log tells a reader
// that comes too late for them.
package eventlog
