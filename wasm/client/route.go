package client

import (
	"context"
	"errors"
	"time"

	"websockets/shared"
)

// setupEventHandlers says what each event from the server means to the parts of the
// Client. The handlers run on Run's goroutine with mu held.
func setupEventHandlers() *shared.Registry[*Client] {
	r := shared.NewRegistry[*Client](shared.ToClient)
	shared.On(r, shared.Welcome, handleWelcome)
	shared.On(r, shared.RoomJoined, handleRoomJoined)
	shared.On(r, shared.Synced, handleSynced)
	shared.On(r, shared.NewMessage, handleNewMessage)
	shared.On(r, shared.TopicChanged, handleTopicChanged)
	shared.On(r, shared.Left, handleLeft)
	shared.On(r, shared.Presence, handlePresence)
	shared.On(r, shared.Typing, handleTyping)
	shared.On(r, shared.Read, handleRead)
	shared.On(r, shared.Ack, handleAck)
	shared.On(r, shared.History, handleHistory)
	shared.On(r, shared.Failed, handleFailed)
	shared.On(r, shared.Closing, handleClosing)
	// These only answer calls. That a pong has arrived is all that it says.
	shared.On(r, shared.Rooms, handleAnswer[shared.RoomsPayload])
	shared.On(r, shared.Pong, handleAnswer[shared.Empty])
	return r
}

// routeEvent passes a frame to its event's handler, and to the call that it answers.
// Events of unknown types are a newer server's and are ignored. Call it with mu held.
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
	if p.Session != "" {
		c.session = p.Session
	}
	c.rooms.Welcomed(p.User)
	c.outbox.Welcomed(p.User, p.Limits.InFlight)
	c.conn.Welcomed(seconds(p.Heartbeat))
	if c.rooms.Current() == "" {
		c.conn.ResetBackoff() // there is nothing to sync
	}
	return nil
}

func handleRoomJoined(_ context.Context, c *Client, p shared.RoomJoinedPayload) error {
	resumed, from := c.rooms.Joined(c.answering, p)
	if resumed != nil {
		c.outbox.MarkUncertain(*resumed, from)
	}
	c.callbacks.notifyChange()
	return nil
}

func handleSynced(_ context.Context, c *Client, p shared.SyncedPayload) error {
	r := c.rooms.Synced(p)
	if r == nil {
		return nil
	}
	c.outbox.ResolveUncertain(r.Name(), *r.Cursor())
	if r.Name() == c.rooms.Current() {
		c.conn.ResetBackoff()
	}
	c.flush(time.Now())
	c.callbacks.notifyChange()
	return nil
}

func handleNewMessage(_ context.Context, c *Client, m shared.Message) error {
	r := c.rooms.Find(m.Room)
	if r == nil {
		return nil // we have left it
	}
	added := r.Add(m)
	c.outbox.MatchEcho(m)
	if !added {
		return nil // it was sent again because the outbox looks for one
	}
	if c.config.OnMessage != nil {
		c.callbacks.enqueue(func() { c.config.OnMessage(m) })
	}
	c.callbacks.notifyChange()
	return nil
}

func handleTopicChanged(_ context.Context, c *Client, p shared.TopicPayload) error {
	r := c.rooms.Find(p.Room)
	if r != nil {
		r.ChangeTopic(p)
		c.callbacks.notifyChange()
	}
	return nil
}

func handleLeft(_ context.Context, c *Client, p shared.LeavePayload) error {
	if c.rooms.Left(c.answering, p) {
		c.callbacks.notifyChange()
	}
	return nil
}

func handlePresence(_ context.Context, c *Client, p shared.PresencePayload) error {
	r := c.rooms.Find(p.Room)
	if r != nil {
		r.UpdatePresence(p)
		c.callbacks.notifyChange()
	}
	return nil
}

func handleTyping(_ context.Context, c *Client, p shared.TypingPayload) error {
	r := c.rooms.Find(p.Room)
	if r != nil && p.User != c.me.User {
		r.ShowTyping(shared.Member{User: p.User, Name: p.Name}, time.Now())
		c.callbacks.notifyChange()
	}
	return nil
}

func handleRead(_ context.Context, c *Client, p shared.MarkReadPayload) error {
	c.rooms.ReadElsewhere(p)
	c.callbacks.notifyChange()
	return nil
}

func handleAck(_ context.Context, c *Client, p shared.AckPayload) error {
	c.outbox.Ack(c.answering, p)
	c.flush(time.Now())
	c.callbacks.notifyChange()
	return nil
}

func handleHistory(_ context.Context, c *Client, p shared.HistoryPayload) error {
	if c.rooms.History(c.answering, p) {
		c.callbacks.notifyChange()
	}
	return nil
}

// handleFailed finds what the error answers: a message of ours, a request of the
// rooms, or a call. Without an id it may be about the room that the address
// requested.
func handleFailed(_ context.Context, c *Client, e shared.Error) error {
	now := time.Now()
	c.callbacks.notifyChange()
	rejoin, isMessage := c.outbox.Refuse(c.answering, e, now)
	switch {
	case isMessage:
		c.rooms.NotMember(rejoin)
	case c.rooms.RequestFailed(c.answering, e, now):
	case c.conn.HasCall(c.answering):
	default:
		c.lastError = &e
		if c.answering == "" {
			c.rooms.AddressFailed(e, now)
		}
	}
	return nil
}

func handleClosing(_ context.Context, c *Client, p shared.ClosingPayload) error {
	c.conn.RetryNotBefore(time.Now().Add(seconds(p.RetryAfter)))
	return nil
}

func handleAnswer[T any](context.Context, *Client, T) error { return nil }

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
