// Package presence knows who is in a room, on this server and on the others that
// share its log.
//
// It is data and rules only: no goroutine, no lock, no clock and no connection. The
// caller passes the time, and guards each Set with the lock of its room.
//
//	set.go      Set: the users of a room, and how long a lost one still counts
//	changes.go  what has changed since members and other servers were last told
//	update.go   Update: what servers tell each other, and when they send everything
//
// A user is local while they have a connection to this server, and remote while another
// server says that they are there. A user counts once, whatever the number of their
// connections and servers.
package presence
