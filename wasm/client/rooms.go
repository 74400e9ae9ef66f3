package client

import (
	"context"
	"slices"
	"time"

	"websockets/shared"
	"websockets/wasm/client/roomsync"
)

// ChangeRoom makes name the current room: it leaves the one that was and joins
// this one. It does not block; without a connection it is done as soon as there
// is one. Messages for the old room that are not acked yet are still sent. The
// error is an *shared.Error if name is not a room's.
func (c *Client) ChangeRoom(name string) error { return c.setRoom(name, c.rooms.Change) }

// JoinRoom joins a further room beside the current one; it becomes the current
// one if there is none. Otherwise it is like ChangeRoom.
func (c *Client) JoinRoom(name string) error { return c.setRoom(name, c.rooms.Join) }

// LeaveRoom leaves a room, after its pending messages have been sent. Otherwise it
// is like ChangeRoom.
func (c *Client) LeaveRoom(name string) error { return c.setRoom(name, c.rooms.Leave) }

func (c *Client) setRoom(name string, set func(string)) error {
	err := shared.ValidateRoom(name)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	set(name)
	if c.conn.Ready() { // otherwise tick does it once there is a connection
		c.reconcile(time.Now(), func(time.Time) {})
	}
	c.callbacks.notifyChange()
	return nil
}

// reconcile requests and sends what the rooms and the outbox want. Call it with mu
// held, and only if the connection is Ready.
func (c *Client) reconcile(now time.Time, wakeAt func(time.Time)) {
	c.rooms.Reconcile(now, wakeAt)
	c.flush(now)
	paused := c.outbox.PausedUntil()
	if paused.After(now) {
		wakeAt(paused)
	}
}

// Typing tells the room that the user is typing, at most every 3 s; an empty name
// means the current room. Without a connection it does nothing.
func (c *Client) Typing(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if name == "" {
		name = c.rooms.Current()
	}
	c.rooms.Typing(name, time.Now())
}

// MarkRead says that the user has read the room up to seq. The server is told at
// most once a second, and after a reconnect if need be.
func (c *Client) MarkRead(name string, seq uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rooms.MarkRead(name, seq) {
		c.callbacks.notifyChange()
	}
}

// ListRooms waits for the list of rooms whose name contains filter. Without a
// filter, View.Rooms has it too, and it tells how far rooms were read that had been
// joined before. Errors are those of Call.
//
// It is the first page of the list. MoreRooms adds the next one to the View, and
// ListRoomsPage returns those of a filter.
func (c *Client) ListRooms(ctx context.Context, filter string) ([]shared.RoomSummary, error) {
	c.mu.Lock()
	estimated := c.rooms.Estimated()
	c.mu.Unlock()
	answer, err := c.ListRoomsPage(ctx, filter, "")
	if err != nil || filter != "" {
		return answer.Rooms, err
	}
	err = c.completePage(ctx, &answer, estimated)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rooms.SetList(answer, estimated)
	c.callbacks.notifyChange()
	return slices.Clone(answer.Rooms), nil
}

// completePage adds the rooms whose unread counts we need to a first page without them.
func (c *Client) completePage(ctx context.Context, first *shared.RoomsPayload, needed []*roomsync.Room) error {
	for _, r := range needed {
		named := func(s shared.RoomSummary) bool { return s.Name == r.Name() }
		if first.Next == "" || slices.ContainsFunc(first.Rooms, named) {
			continue
		}
		found, err := c.ListRoomsPage(ctx, r.Name(), "")
		if err != nil {
			return err
		}
		i := slices.IndexFunc(found.Rooms, named)
		if i >= 0 {
			first.Rooms = append(first.Rooms, found.Rooms[i])
		}
	}
	return nil
}

// ListRoomsPage waits for a page of the list of rooms whose name contains filter: the
// first one if page is empty, else the one that Next of another page names. It does not
// change the View. Errors are those of Call.
func (c *Client) ListRoomsPage(ctx context.Context, filter, page string) (shared.RoomsPayload, error) {
	return Call(ctx, c, shared.ListRooms, shared.ListRoomsPayload{Filter: filter, Page: page}, shared.Rooms)
}

// MoreRooms waits for the next page of the list of rooms and adds it to the View. It does
// nothing if View.MoreRooms is false. Errors are those of Call.
func (c *Client) MoreRooms(ctx context.Context) error {
	c.mu.Lock()
	page := c.rooms.NextPage()
	c.mu.Unlock()
	if page == "" {
		return nil
	}
	answer, err := c.ListRoomsPage(ctx, "", page)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rooms.ExtendList(page, answer)
	c.callbacks.notifyChange()
	return nil
}

// LoadOlder waits for a page of messages before the first one that the room's view
// shows, and shows it. The view shows a bounded part of the room: what it gains at
// one end it loses at the other, see RoomView.Newer. Errors are those of Call, and
// ErrNoRoom if the room was never joined.
func (c *Client) LoadOlder(ctx context.Context, name string) error {
	c.mu.Lock()
	r := c.rooms.Find(name)
	if r == nil || r.Cursor() == nil {
		c.mu.Unlock()
		return ErrNoRoom
	}
	page := r.OlderPage()
	c.mu.Unlock()
	if page == nil {
		return nil
	}

	answer, err := Call(ctx, c, shared.LoadHistory, page.Request(), shared.History)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if page.Apply(answer) {
		c.callbacks.notifyChange()
	}
	return nil
}

// LoadNewer is LoadOlder in the other direction, for a view that does not reach the
// room's newest messages. It asks the server only for what lies between the view and
// them. For a room that was never joined it does nothing.
func (c *Client) LoadNewer(ctx context.Context, name string) error {
	c.mu.Lock()
	r := c.rooms.Find(name)
	if r == nil {
		c.mu.Unlock()
		return nil
	}
	page, extended := r.NewerPage()
	if extended {
		c.callbacks.notifyChange()
	}
	c.mu.Unlock()
	if page == nil {
		return nil
	}

	answer, err := Call(ctx, c, shared.LoadHistory, page.Request(), shared.History)
	if err != nil {
		return err
	}
	check, err := Call(ctx, c, shared.LoadHistory, page.CheckRequest(), shared.History)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if page.Apply(answer, check) {
		c.callbacks.notifyChange()
	}
	return nil
}

// PinView keeps what the room's view shows in place when new messages come: the
// user reads further up. It ends with ShowLatest, or when the room is left.
func (c *Client) PinView(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.rooms.Find(name)
	if r != nil {
		r.Pin()
	}
}

// ShowLatest makes the room's view show its newest messages again.
func (c *Client) ShowLatest(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.rooms.Find(name)
	if r != nil && r.ShowLatest() {
		c.callbacks.notifyChange()
	}
}
