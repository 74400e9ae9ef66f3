package client

import (
	"context"
	"fmt"
	"slices"

	"websockets/shared"
)

// SendEvent sends any event, for a developer's console. Messages go through the
// outbox as with Send, and change_room, join_room and leave_room do what the
// methods do; anything else is sent as it is, now or never: ErrDisconnected,
// ErrBusy. payload is what encoding/json takes; nil means {}.
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

// SendRaw is SendEvent for an event that is written out, with an id if it shall
// have that one. What the methods do gets an id of theirs.
func (c *Client) SendRaw(e shared.Event) error {
	if e.ID == "" {
		e.ID = shared.NewID()
	}
	switch e.Type {
	case shared.SendMessage.Name():
		return with(shared.SendMessage, e, func(p shared.SendMessagePayload) error {
			_, err := c.Send(p.Room, p.Message)
			return err
		})
	case shared.ChangeRoom.Name():
		return with(shared.ChangeRoom, e, func(p shared.JoinPayload) error { return c.ChangeRoom(p.Name) })
	case shared.JoinRoom.Name():
		return with(shared.JoinRoom, e, func(p shared.JoinPayload) error { return c.JoinRoom(p.Name) })
	case shared.LeaveRoom.Name():
		return with(shared.LeaveRoom, e, func(p shared.LeavePayload) error { return c.LeaveRoom(p.Name) })
	}

	frame, err := shared.EncodeJSON(e)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	most := shared.MaxFrameBytes
	if c.limits.FrameBytes > 0 {
		most = c.limits.FrameBytes
	}
	switch {
	case len(frame) > most:
		return fmt.Errorf("client: a frame of %d bytes: the server takes %d at most", len(frame), most)
	case !c.conn.Ready():
		return ErrDisconnected
	case !c.sendEvent(frame):
		return ErrBusy
	}
	return nil
}

// with decodes e's payload and does something with it.
func with[T any](t shared.Type[T], e shared.Event, do func(T) error) error {
	payload, err := t.Decode(e)
	if err != nil {
		return err
	}
	return do(payload)
}

// Call sends an event with a fresh id and waits for its answer. The error is an
// *shared.Error if the server answered with one or the question is not valid,
// ctx's error, ErrDisconnected if there is no connection or it ended before the
// answer came, or ErrBusy.
//
//	page, err := client.Call(ctx, c, shared.LoadHistory, shared.LoadHistoryPayload{Room: "general", Before: 42}, shared.History)
func Call[Question, Answer any](ctx context.Context, c *Client,
	ask shared.Type[Question], question Question, answer shared.Type[Answer]) (Answer, error) {
	var none Answer
	if v, ok := any(question).(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
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

// ListRooms waits for the list of rooms whose name contains filter. Without a
// filter View.Rooms shows it, and it tells how far rooms that were joined before
// were read. Errors are those of Call.
func (c *Client) ListRooms(ctx context.Context, filter string) ([]shared.RoomSummary, error) {
	c.mu.Lock()
	estimated := c.roomsWithEstimate()
	c.mu.Unlock()
	answer, err := Call(ctx, c, shared.ListRooms, shared.ListRoomsPayload{Filter: filter}, shared.Rooms)
	if err != nil || filter != "" {
		return answer.Rooms, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roomList, c.roomsStale = answer.Rooms, false
	for _, r := range estimated {
		c.applyListedUnread(r)
	}
	c.callbacks.notifyChange()
	return slices.Clone(answer.Rooms), nil
}

// SetName chooses the user's display name and waits for the answer. Errors are
// those of Call.
func (c *Client) SetName(ctx context.Context, name string) error {
	if _, err := Call(ctx, c, shared.SetName, shared.SetNamePayload{Name: name}, shared.Ack); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.me.Name, c.me.Named = name, true
	c.callbacks.notifyChange()
	return nil
}
