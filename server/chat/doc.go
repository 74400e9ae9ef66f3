// Package chat is the "/ws" manager. It owns the connections and the rooms that have
// members here, handles events and delivers messages.
//
// A message's way in and its way out meet only at the log:
//
//	in:  Client.readMessages -> routeEvent -> handler -> eventlog.Log.Append
//	out: eventlog.Log -> timeline.Timeline -> room.schedule -> delivery.Pool
//
//	manager.go      Manager: what it is made of; shutdown
//	accept.go       acceptor: an HTTP request becomes a connection with a session
//	refuse.go       requests and clients that are refused, and what the log says about it
//	auth.go         the session of a request; authentication after the upgrade
//	closeframe.go   frameWatch: a close frame that gorilla does not report as malformed
//	origin.go       from which pages a browser may connect
//	serve.go        ServeWS; a connection becomes a Client, and a Client ends
//	session.go      sessions that are refreshed, revoked or expired
//	revocations.go  recentRevocations: sessions that were revoked during a handshake
//	client.go       Client: reading events, one after the other
//	handlers.go     setupEventHandlers, and the handlers of small events
//	join.go         join_room, change_room, leave_room
//	access.go       the permission that an event needs in its room
//	append.go       appender: appends that the log has not answered yet
//	send.go         send_message: append, ack, duplicates
//	topic.go        set_topic
//	topiccache.go   topicCache: the topic that a room has
//	history.go      load_history
//	openrooms.go    openRooms: rooms are opened, shared and closed
//	room.go         room: its timeline, its members
//	presence.go     who joined and left, told to members and other servers
//	broadcast.go    events that the log does not keep, on every server
//	throttle.go     rate limits: waiting and refusing
//	ticks.go        what is done once a second: pings, deadlines, presence
//	backend.go      what the HTTP API calls; backendhistory.go: its pages of messages
//	trimmer.go      memory that is returned to the operating system
//
// Lock order: the log's own, then Manager.mu, then room.mu, then those of package
// delivery. recentRevocations.mu is taken under Manager.mu, and quota's lock under room.mu.
// acceptor.mu, openRooms.mu, appender.mu, topicCache.mu and sends.mu are not nested with
// others of this package.
//
// Nothing waits with a lock held: not for the network, the log or another goroutine. So
// no method of the log is called with one held.
package chat
