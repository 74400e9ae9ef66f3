// Package client is the chat's client, for the page in the browser as for programs
// and tests. It stays connected to the server, keeps what was seen of each room and
// what was written but not acked yet, and offers a snapshot of what there is to show.
// It is plain Go without a DOM, and builds natively and for js/wasm.
//
// # The parts
//
// A Client joins three parts. None of them knows the Client, and they do not know each
// other, except that roomsync asks the outbox which rooms its messages need.
//
//	conn       one connection to the server: dial, wait and dial again, find out whether
//	           the server is still there, carry frames, match answers with calls
//	roomsync   the rooms: which ones the user wants and how far the server has let us in,
//	           and of each room the messages, the cursor, the read mark, who is there
//	outbox     the user's messages until they are in the log: in order, each stored once
//
// The files of this package:
//
//	client.go      Config, New, Run: how the parts are put together
//	send.go        a message on its way out
//	route.go       an event on its way in: what it means to each part
//	rooms.go       what the user does with rooms
//	call.go        events with an answer, and any event from a developer's console
//	view.go        the snapshot
//	connection.go  what conn needs of a Client
//	callbacks.go   the functions of Config, called in order and without a lock
//
// # The way of a message
//
// Out: Send adds it to the outbox; Flush passes it to sendEvent as soon as its room is
// synced; writeMessages writes it. In: readMessages reads it; routeEvent passes it to
// handleNewMessage, which adds it to its room and matches it with the outbox; OnMessage
// and View have it.
//
// # Goroutines and locks
//
// The goroutine that called Run does everything that has to do with the connection:
// it dials, routes events, does what is due, and calls the callbacks. For each
// connection there are two more, readMessages and writeMessages, and for a moment one
// that dials and one that closes. All have ended when Run returns, except in a browser
// one that waits for a socket that opens too late, to close it.
//
// Other goroutines, in methods of Client, change the state under Client.mu and notify
// Run. Client.mu guards rooms and outbox, which have no locks of their own;
// conn.Supervisor and callbackQueue have. Locks are taken in this order: Client.mu, the
// Supervisor's, the callbackQueue's. Nothing that can block is called under a lock.
//
// # The states of the connection
//
//	Connecting  dialling, or waiting for welcome    -> Online, Offline, Ended
//	Online      welcomed                            -> Offline, Ended
//	Offline     waiting for the next attempt        -> Connecting, Ended
//	Ended       Run has returned                    -> Connecting, by Run
//
// A new Client is Connecting. There is no Close: end the context of Run. A close code
// that is final ends Run too.
//
//	                       Connecting, Offline        Online           Ended
//	Run                    ErrRunning [1]             ErrRunning       connects again
//	Send, Retry            waits in the outbox        sent             waits in the outbox
//	ChangeRoom, JoinRoom,  the server is told         the server is    the server is told
//	LeaveRoom, MarkRead    when Online                told             when Online again
//	Discard, ImportOutbox, done                       done             done
//	PinView, ShowLatest
//	Call, ListRooms,       ErrDisconnected            the answer       ErrDisconnected
//	SetName, SetTopic,                                or ErrBusy
//	LoadOlder, LoadNewer
//	SendEvent, SendRaw     ErrDisconnected [2]        sent or ErrBusy  ErrDisconnected [2]
//	Typing                 nothing                    sent             nothing
//	CheckNow               the next attempt begins    at most a ping   nothing
//	View, Room, Session    a snapshot                 a snapshot       a snapshot
//	SetFrameObserver       done                       done             done
//
// [1] Before the first Run a Client is Connecting as well; then Run connects.
// [2] Messages and room changes are as with Send and ChangeRoom.
//
// # The states of a message on its way out
//
//	Pending    it waits for its room or for its ack   -> all others; gone if it turns up in
//	                                                  the log after a reconnect
//	Sent       acked; its row follows in a moment     -> gone, when its row is in the room
//	Failed     the server closed the connection       -> Pending by Retry, gone by Discard
//	           because of it, or it cannot be stored
//	Rejected   the server refused it, or its room     -> Pending by Retry, gone by Discard
//	Uncertain  it may be in the log, where that       -> Pending by Retry, gone by Discard
//	           cannot be read any more
//
// A message that was on the wire when the connection ended stays Pending. It is sent
// again only after the log has been read to where it would be, see package outbox.
package client
