// Package timeline holds what a server has of a room's log in memory, and answers
// where in the log a client continues.
//
// A Timeline is a ring of the room's newest events, each encoded once as a WebSocket
// frame. It holds nothing for a reader: a reader is a sequence, and asks for what
// lies beyond it. What the ring does not reach back to is read from the log.
//
//	timeline.go  Timeline: open, close, what the log delivers
//	record.go    records of the log, and the frames that are made of them
//	ring.go      the newest frames, in a few pieces of memory
//	backfill.go  reading the log, and putting what was read in front of the ring
//	resume.go    where a client continues that comes with a cursor, or without
//
// The ring may be believed to be all that the log has beyond its base if
//
//   - it was started at the log's head, and every record since was appended to it
//     or skipped, which restarts it (eventlog.Subscriber promises one of the two);
//   - what was put in front of it reached its base without a gap;
//   - the subscription is trusted: the log was reachable in the last seconds.
//
// A Timeline has one lock. It is taken inside the log's own locks; no call to the
// log is made with it held.
package timeline
