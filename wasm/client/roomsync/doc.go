// Package roomsync keeps the client's rooms in line with the server.
//
//	rooms.go      Rooms: what the user wants, what the server says, and Reconcile,
//	              which requests the difference
//	requests.go   joins, changes and leaves that wait for their answers
//	room.go       Room: how far we are in it, who is there, who is typing
//	timeline.go   the room's messages up to its cursor
//	window.go     the messages that a user sees who reads further up
//	readmark.go   up to where the user has read, and how many messages are unread
//	view.go       the snapshots
//
// A room goes through these phases on each connection; all rooms are Out when it ends:
//
//	Out      -> Joining   it is desired or messages wait for it: a join is requested
//	Joining  -> Joined    room_joined: the server resumes at a cursor
//	         -> Out       error: refused
//	Joined   -> Synced    synced: everything that was missed has arrived
//	Joined,  -> Leaving   it is not desired any more, or must be read from further back:
//	Synced                a leave is requested, or a change to another room
//	         -> Out       error: not a member
//	Leaving  -> Out       left, or room_joined of the other room
//	         -> Joining   it is desired again
package roomsync
