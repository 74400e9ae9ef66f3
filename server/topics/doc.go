// Package topics keeps what a room's log cannot be asked for at once: the topic that
// the room has now, and which of its records are no messages. Both are in the log,
// but the last topic_changed may lie far back in it, and by then retention may have
// removed it.
//
// A change is announced before its record is appended and filed when that is
// stored. If a server dies in between, the announcement stays, and whoever loads the
// room's state next looks through the log beyond the place that it names.
package topics
