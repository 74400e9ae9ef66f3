package client

import (
	"context"
	"errors"
	"slices"
	"time"

	"websockets/shared"
)

// setupEventHandlers says what is done with each event from the server. The
// handlers run on Run's goroutine with mu held.
func setupEventHandlers() *shared.Registry[*Client] {
	r := shared.NewRegistry[*Client](shared.ToClient)
	shared.On(r, shared.Welcome, handleWelcome)
	shared.On(r, shared.RoomJoined, handleRoomJoined)
	shared.On(r, shared.Synced, handleSynced)
	shared.On(r, shared.NewMessage, handleNewMessage)
	shared.On(r, shared.Left, handleLeft)
	shared.On(r, shared.Presence, handlePresence)
	shared.On(r, shared.Typing, handleTyping)
	shared.On(r, shared.Read, handleRead)
	shared.On(r, shared.Ack, handleAck)
	shared.On(r, shared.History, handleHistory)
	shared.On(r, shared.Failed, handleFailed)
	shared.On(r, shared.Closing, handleClosing)
	// The call that asked takes these; that one has arrived is all a pong says.
	shared.On(r, shared.Rooms, handleAnswer[shared.RoomsPayload])
	shared.On(r, shared.Pong, handleAnswer[shared.Empty])
	return r
}

// routeEvent hands a frame to its event's handler, and to the call that waits for
// it. A type that we do not know is a newer server's: ignored. Call it with mu
// held.
func (c *Client) routeEvent(ctx context.Context, frame []byte) {
	c.callbacks.observe(false, frame)
	e, err := shared.DecodeEvent(frame)
	if err == nil {
		c.answering = e.ID
		err = c.handlers.Route(ctx, c, e)
	}
	c.conn.Answer(e)
	var mistake *shared.Error
	if errors.As(err, &mistake) && mistake.Code != shared.CodeUnknownType {
		c.lastError = mistake
		c.callbacks.notifyChange()
	}
}

func handleWelcome(_ context.Context, c *Client, p shared.WelcomePayload) error {
	c.me = Me{User: p.User, Name: p.Name, Named: p.Named}
	c.version, c.limits = p.Version, p.Limits
	c.outbox.Welcomed(p.User, p.Limits.InFlight)
	if p.Session != "" {
		c.session = p.Session
	}
	if c.current == "" {
		c.conn.ResetBackoff() // there is nothing to be synced
	}
	c.conn.Welcomed(time.Duration(p.Heartbeat * float64(time.Second)))
	return nil
}

func handleRoomJoined(_ context.Context, c *Client, p shared.RoomJoinedPayload) error {
	r := c.getOrCreateRoom(p.Room)
	from := c.dialCursor
	if a := c.takeRequest(); a != nil {
		from = a.after
		if a.leaves != nil && a.leaves.phase == leaving && !c.isRequesting(a.leaves) {
			c.onLeft(a.leaves) // unless we have asked to come back meanwhile
		}
	}
	r.refused, r.retryAt = nil, time.Time{}
	r.count, r.members = p.Count, p.Members
	c.callbacks.notifyChange()
	was := r.phase
	in := was == joined || was == synced
	if in && (p.State == shared.StateCurrent || p.State == shared.StateRecovered || p.State == shared.StateNew) {
		return nil // we are in already: it became the current room, and goes on
	}
	if r.cursor != nil && r.cursor.Epoch != p.Cursor.Epoch {
		p.State = shared.StateReset // whatever it is called: sequences of two logs do not compare
	}
	// In a room that is synced a range that was still to be read has gone: what we
	// sent is answered on this connection, so it is not in doubt.
	goesOn := in && p.State == shared.StateTruncated
	if !goesOn || was == joined {
		c.outbox.MarkUncertain(p, from)
	}
	r.join(p)
	if !goesOn && was != leaving {
		r.phase = joined
	}
	return nil
}

func handleSynced(_ context.Context, c *Client, p shared.SyncedPayload) error {
	r := c.findRoom(p.Room)
	if r == nil || r.phase != joined {
		return nil
	}
	r.phase = synced
	r.advance(p.Cursor)
	if r.firstJoin {
		r.firstJoin, r.readMarkEstimated = false, true
		r.setUnread(c.listedUnread(r.name), c.me.User)
	}
	c.outbox.ResolveUncertain(r.name, *r.cursor)
	if r.needsBackfill {
		c.backfill(r)
	}
	if r.name == c.current {
		c.conn.ResetBackoff()
	}
	c.flush(time.Now())
	c.callbacks.notifyChange()
	return nil
}

func handleNewMessage(_ context.Context, c *Client, m shared.Message) error {
	r := c.findRoom(m.Room)
	if r == nil {
		return nil // we have left it
	}
	added := r.add(m)
	c.outbox.MatchEcho(m)
	if !added {
		return nil // we have it; it comes again when a message is looked for
	}
	delete(r.typing, m.User)
	if c.config.OnMessage != nil {
		c.callbacks.enqueue(func() { c.config.OnMessage(m) })
	}
	c.callbacks.notifyChange()
	return nil
}

func handleLeft(_ context.Context, c *Client, p shared.LeavePayload) error {
	c.takeRequest()
	if r := c.findRoom(p.Name); r != nil && r.phase != joining { // joining: we asked to come back meanwhile
		c.onLeft(r)
		c.callbacks.notifyChange()
	}
	return nil
}

func handlePresence(_ context.Context, c *Client, p shared.PresencePayload) error {
	r := c.findRoom(p.Room)
	if r == nil {
		return nil
	}
	r.count = p.Count
	came := func(m shared.Member) bool {
		return slices.ContainsFunc(p.Joined, func(j shared.Member) bool { return j.User == m.User })
	}
	members := slices.DeleteFunc(slices.Clone(r.members), func(m shared.Member) bool {
		return came(m) || slices.Contains(p.Left, m.User)
	})
	members = append(members, p.Joined...)
	r.members = members[:min(len(members), shared.MaxListedMembers)]
	for _, user := range p.Left {
		delete(r.typing, user)
	}
	c.callbacks.notifyChange()
	return nil
}

func handleTyping(_ context.Context, c *Client, p shared.TypingPayload) error {
	r := c.findRoom(p.Room)
	if r == nil || p.User == c.me.User || len(r.typing) >= shared.MaxListedMembers {
		return nil
	}
	if r.typing == nil {
		r.typing = map[string]typist{}
	}
	r.typing[p.User] = typist{shared.Member{User: p.User, Name: p.Name}, time.Now().Add(typingTimeout)}
	c.callbacks.notifyChange()
	return nil
}

// handleRead: the user has read the room on another device.
func handleRead(_ context.Context, c *Client, p shared.MarkReadPayload) error {
	r := c.findRoom(p.Room)
	if r != nil && p.Seq > r.readSeq {
		r.readSeq, r.unreadAbove = p.Seq, 0
		r.reportedSeq = max(r.reportedSeq, p.Seq)
		c.updateListedUnread(r)
	}
	if r == nil || !r.desired {
		c.roomsStale = true // what the list says of it was true before
	}
	c.callbacks.notifyChange()
	return nil
}

func handleAck(_ context.Context, c *Client, p shared.AckPayload) error {
	c.outbox.Ack(c.answering, p)
	c.flush(time.Now())
	c.callbacks.notifyChange()
	return nil
}

// handleHistory takes the page that fill has asked for. All others are for the
// call that waits.
func handleHistory(_ context.Context, c *Client, p shared.HistoryPayload) error {
	if c.requests[c.answering] == nil {
		return nil
	}
	// What came meanwhile lies behind the page; if the user has asked for more, or
	// the log is another one, it is of no use.
	if a := c.takeRequest(); a.room.needsBackfill && a.before != 0 && a.room.oldest() >= a.before {
		a.room.prepend(p)
		a.room.needsBackfill = false
		c.callbacks.notifyChange()
	}
	return nil
}

// handleFailed finds what the error answers: a message of ours, a join, or a
// call. Without an id it may be about the room that the address asked for.
func handleFailed(_ context.Context, c *Client, e shared.Error) error {
	now := time.Now()
	c.callbacks.notifyChange()
	rejoin, ok := c.outbox.Refuse(c.answering, e, now)
	if ok {
		// We thought that we were in it: join again.
		if r := c.findRoom(rejoin); r != nil && (r.phase == synced || r.phase == joined) {
			r.phase = out
		}
		return nil
	}
	if a := c.takeRequest(); a != nil {
		c.requestFailed(a, e, now)
		return nil
	}
	if c.conn.HasCall(c.answering) {
		return nil
	}
	c.lastError = &e
	if r := c.findRoom(c.serverCurrent); c.answering == "" && r != nil && r.phase == joining && !c.isRequesting(r) {
		c.serverCurrent = ""
		c.onJoinRefused(r, e, now)
	}
	return nil
}

func handleClosing(_ context.Context, c *Client, p shared.ClosingPayload) error {
	c.conn.RetryNotBefore(time.Now().Add(time.Duration(p.RetryAfter * float64(time.Second))))
	return nil
}

func handleAnswer[T any](context.Context, *Client, T) error { return nil }
