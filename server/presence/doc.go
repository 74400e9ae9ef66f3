// Package presence knows who is in a room, on this server and on the others that
// share its log.
//
// It is data and rules only: no goroutine, no lock, no clock and no connection. The
// caller passes the time, and guards each Set with the lock of its room.
//
//	set.go      Set: the users of a room, and how long a lost one still counts
//	changes.go  what has changed since members and servers were last told
//	update.go   Update: what servers tell each other, and how often all of it
//
// A user is local while one of their connections is on this server, and remote
// while another server has told that they are there. A user counts once, however
// many connections and servers that is.
package presence
