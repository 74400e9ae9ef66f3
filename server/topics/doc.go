// Package topics keeps two facts about each room: its current topic, and which records
// of its log are not messages.
//
//	topics.go  Store: Announce, File, Load, Read
//	           State: what is kept of a room
//	           Of: the topic that a record sets, if it sets one
//
// Both facts follow from the log, but cannot be read from it quickly: the last
// topic_changed may lie far back, and retention may have removed it. So a copy is kept
// in the bucket eventlog.Rooms.
//
// # How a topic is changed
//
//	Announce   notes that a record may follow, and the room's head before it
//	(append)   package chat appends topic_changed to the log
//	File       stores the topic, and takes the announcement back
//
// If the server dies in between, the announcement remains. The next Load reads the log
// from the noted head, files what it finds, and removes the announcement.
//
// # Callers
//
// Package chat changes topics, and loads a room's State when it opens the room.
// Package userdata reads the State to leave records that are not messages out of the
// unread count.
//
// # Concurrency and limits
//
// A Store has no lock and no goroutine. Its methods may be called from any goroutine,
// and on several servers at once: each change is one atomic Values.Update. They block
// on the log, so no lock may be held around them. Errors wrap eventlog.ErrUnavailable.
//
// A State holds at most shared.MaxUnread+1 sequences of records that are not messages.
// Unread counts stop there, so older ones do not matter.
package topics
