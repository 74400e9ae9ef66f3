// Package delivery writes to the clients: what is for one client alone, and what its
// rooms' timelines have beyond the place it has reached.
//
// A connection has no queue of messages that could overflow. It has a Subscription for
// each room, which is a sequence in the room's timeline, and an egress, which is a
// queue of answers. The queue is bounded by blocking the reader.
//
//	conn.go           Conn: what a connection's reader and its rooms call
//	egress.go         egress: the queue, and how far the connection has come to its end
//	subscription.go   Subscription: a client's place in a timeline
//	liveness.go       pings, silence, and writes that have stalled
//	writer.go         writer: the state machine of what is written, next and sent
//	batch.go          what one write takes
//	pool.go           Pool: the driver that never waits, and its run queue
//	nonblocking.go    one write(2) that does not wait; socket_*.go for the system
//	writemessages.go  writeMessages: the driver that waits for the client and the log
//	readwindow.go     how much of the log a client may have in hand
//
// # The way of a message
//
//	Timeline.Grown -> ReadyList.Add -> Pool.Schedule     each connection once, whatever is new
//	Pool.write -> writer.next                            the queue's frames, the ring's beyond each place
//	nonblockingWriter.write -> writer.sent               one system call; what is not out is rolled back
//	-> idle, or again at the end of the queue            or, if the socket is full or the log is needed:
//	writeMessages: next, write, sent, fetch, write, sent until there is nothing more, waiting where it must
//
// # Whose is what
//
// Conn has three parts. liveness is atomics: the reader and the writer set them, ticks
// read them. egress is guarded by its lock: anybody queues, the writer takes. writer,
// and the position in each Subscription, belong to the driver that runs: nobody else
// looks at them, so they have no lock.
//
// # Goroutines
//
// A Pool has as many goroutines as there are processors. They wait for work only. A
// connection that would make one wait continues in writeMessages on a goroutine of its
// own, until it has nothing more to write. An idle connection has no goroutine here. At
// any time at most one goroutine writes to a connection: the one that the egress was
// marked scheduled for, until goIdle or finish.
//
// # Locks
//
// From outside to inside: the log's own, Manager.mu and room.mu of package chat, then
// egress.mu or Pool.mu, never both. A timeline's lock is taken under room.mu or by
// itself, never with one of these. Nothing that can wait is called with a lock held, and
// no function that was passed in.
//
// # States of a connection
//
//	state    begins with                            ends with
//	open     NewConn                                Close, a failed write, Finish
//	closing  Close: the close frame is queued       the close frame is out, a failed write, Finish
//	ended    nothing is written any more            Finish
//	done     Finish has returned                    -
//
//	call                        open                closing          ended            done
//	Send, Subscribe and others  queued              dropped          dropped          dropped
//	SendReserved                queued              dropped; the place is free at once
//	Offer                       queued, or dropped  dropped          dropped          dropped
//	                            if the client is slow
//	Reserve, Release            legal               legal            legal            legal
//	WaitForCapacity             waits               returns at once  returns at once; net.ErrClosed
//	                                                                 if it would have to wait
//	IsClosing                   false               true             as before        as before
//	NoteActivity, Quiet,        legal               legal            legal            legal
//	SetReaderBlocked, Stalled
//	Close                       -> closing          nothing          nothing is sent  nothing is sent
//	CheckLiveness               pings, interrupts   interrupts       nothing          nothing
//	Finish                      flushes, -> done    flushes, -> done -> done          not legal
//
// From Close on the reader reads on and ignores what arrives, until the other side has
// answered the close frame or CloseTimeout has passed. A failed write closes the network
// connection, so the reader ends with an error. Whatever ended it, the reader's last
// call is Finish. A frame that was dropped is gone; what a subscription has not written
// is still in the log, and the client comes back with its cursors.
package delivery
