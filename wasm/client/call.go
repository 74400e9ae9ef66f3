package client

import (
	"context"
	"fmt"

	"websockets/shared"
)

// SendEvent sends any event, for a developer's console. send_message goes through
// the outbox as with Send, and change_room, join_room and leave_room do what the
// methods do. Anything else is sent as it is, at once or never: the error is
// ErrDisconnected or ErrBusy then. payload is what encoding/json takes; nil means
// {}.
func (c *Client) SendEvent(eventType string, payload any) error {
	e := shared.Event{Type: eventType}
	if payload != nil {
		raw, err := shared.EncodeJSON(payload)
		if err != nil {
			return fmt.Errorf("client: %w", err)
		}
		e.Payload = raw
	}
	return c.SendRaw(e)
}

// SendRaw is SendEvent for a whole event. It keeps e.ID, except where it does what a
// method does.
func (c *Client) SendRaw(e shared.Event) error {
	if e.ID == "" {
		e.ID = shared.NewID()
	}
	switch e.Type {
	case shared.SendMessage.Name():
		return withPayload(shared.SendMessage, e, func(p shared.SendMessagePayload) error {
			_, err := c.Send(p.Room, p.Message)
			return err
		})
	case shared.ChangeRoom.Name():
		return withPayload(shared.ChangeRoom, e, func(p shared.JoinPayload) error { return c.ChangeRoom(p.Name) })
	case shared.JoinRoom.Name():
		return withPayload(shared.JoinRoom, e, func(p shared.JoinPayload) error { return c.JoinRoom(p.Name) })
	case shared.LeaveRoom.Name():
		return withPayload(shared.LeaveRoom, e, func(p shared.LeavePayload) error { return c.LeaveRoom(p.Name) })
	}

	frame, err := shared.EncodeJSON(e)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := shared.MaxFrameBytes
	if c.limits.FrameBytes > 0 {
		limit = c.limits.FrameBytes
	}
	switch {
	case len(frame) > limit:
		return fmt.Errorf("client: the frame has %d bytes; the server accepts at most %d", len(frame), limit)
	case !c.conn.Ready():
		return ErrDisconnected
	case !c.sendEvent(frame):
		return ErrBusy
	}
	return nil
}

// withPayload decodes e's payload and passes it on.
func withPayload[T any](t shared.Type[T], e shared.Event, do func(T) error) error {
	payload, err := t.Decode(e)
	if err != nil {
		return err
	}
	return do(payload)
}

// Call sends an event with a new id and waits for its answer. The error is a
// *shared.Error if the question is not valid or the server answered with one; ctx's
// error; ErrDisconnected if there is no connection, or if it ended before the
// answer; or ErrBusy.
//
//	page, err := client.Call(ctx, c, shared.LoadHistory, shared.LoadHistoryPayload{Room: "general", Before: 42}, shared.History)
func Call[Question, Answer any](ctx context.Context, c *Client,
	ask shared.Type[Question], question Question, answer shared.Type[Answer]) (Answer, error) {
	var none Answer
	if v, ok := any(question).(interface{ Validate() error }); ok {
		err := v.Validate()
		if err != nil {
			return none, err
		}
	}
	id := shared.NewID()
	e, err := c.conn.Call(ctx, id, ask.Frame(id, question))
	switch {
	case err != nil:
		return none, err
	case e.Type == shared.Failed.Name():
		failed, err := shared.Failed.Decode(e)
		if err != nil {
			return none, err
		}
		return none, &failed
	case e.Type != answer.Name():
		return none, fmt.Errorf("client: %s was answered with %s instead of %s", ask.Name(), e.Type, answer.Name())
	}
	return answer.Decode(e)
}

// SetTopic gives a room another topic, and returns when the server has stored it.
// An empty topic takes it away. Errors are those of Call.
func (c *Client) SetTopic(ctx context.Context, room, topic string) error {
	_, err := Call(ctx, c, shared.SetTopic, shared.SetTopicPayload{Room: room, Topic: topic}, shared.Ack)
	return err
}

// SetName chooses the user's display name and waits for the answer. Errors are those
// of Call.
func (c *Client) SetName(ctx context.Context, name string) error {
	_, err := Call(ctx, c, shared.SetName, shared.SetNamePayload{Name: name}, shared.Ack)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.me.Name, c.me.Named = name, true
	c.callbacks.notifyChange()
	return nil
}
