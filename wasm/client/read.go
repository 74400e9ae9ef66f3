package client

import (
	"time"

	"websockets/shared"
)

// unreadOf returns the room's unread count as the last ListRooms told it.
func (c *Client) unreadOf(name string) int {
	for _, k := range c.known {
		if k.Name == name {
			return k.Unread
		}
	}
	return 0
}

// MarkRead says that the user has read the room up to seq. The server is told
// at most once a second, and after a reconnect if need be.
func (c *Client) MarkRead(name string, seq uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.findRoom(name)
	if r == nil || r.cursor == nil {
		return
	}
	if seq = min(seq, r.cursor.Seq); seq > r.readSeq {
		r.readSeq, r.above, r.guessed = seq, 0, false
		c.wasRead(r)
		c.change()
	}
}

// wasRead takes what has been read off the list, which was asked for before.
func (c *Client) wasRead(r *room) {
	for i := range c.known {
		if k := &c.known[i]; k.Name == r.name && r.phase == synced {
			k.Unread = min(k.Unread, r.unread(c.me.User))
		}
	}
}

// guessed returns the rooms whose read mark the next list tells.
func (c *Client) guessed() (rooms []*room) {
	for _, r := range c.rooms {
		if r.guessed && r.phase == synced {
			rooms = append(rooms, r)
		}
	}
	return rooms
}

// listed: a list that was asked for when we were in the room has told what is
// unread there. Where nothing is, the server may have no mark yet: it is told
// one, to count from.
func (c *Client) listed(r *room) {
	if !r.guessed || r.cursor == nil {
		return // the user has read meanwhile
	}
	unread := c.unreadOf(r.name)
	r.guessed = false
	r.leaveUnread(unread, c.me.User)
	if unread == 0 {
		r.toldSeq = 0
	}
}

func (c *Client) tellRead(r *room, now time.Time, next *alarm) {
	if due := r.toldAt.Add(markEvery); now.Before(due) {
		next.by(due)
		return
	}
	c.tellLast(r, now)
}

// tellLast does not wait: the room is being left, and after that the server
// takes nothing more of it.
func (c *Client) tellLast(r *room, now time.Time) {
	if r.phase != synced || r.readSeq <= r.toldSeq {
		return
	}
	if c.sendEvent(shared.MarkRead.Frame("", shared.MarkReadPayload{Room: r.name, Seq: r.readSeq})) {
		r.toldSeq, r.toldAt = r.readSeq, now
	}
}
