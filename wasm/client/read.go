package client

import (
	"time"

	"websockets/shared"
)

// listedUnread returns the room's unread count as the last ListRooms told it.
func (c *Client) listedUnread(name string) int {
	for _, k := range c.roomList {
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
		r.readSeq, r.unreadAbove, r.readMarkEstimated = seq, 0, false
		c.updateListedUnread(r)
		c.callbacks.notifyChange()
	}
}

// updateListedUnread takes what has been read off the list, which was asked for before.
func (c *Client) updateListedUnread(r *room) {
	for i := range c.roomList {
		if k := &c.roomList[i]; k.Name == r.name && r.phase == synced {
			k.Unread = min(k.Unread, r.unread(c.me.User))
		}
	}
}

// roomsWithEstimate returns the rooms whose read mark the next list tells.
func (c *Client) roomsWithEstimate() (rooms []*room) {
	for _, r := range c.rooms {
		if r.readMarkEstimated && r.phase == synced {
			rooms = append(rooms, r)
		}
	}
	return rooms
}

// applyListedUnread: a list that was asked for when we were in the room has told what is
// unread there. Where nothing is, the server may have no mark yet: it is told
// one, to count from.
func (c *Client) applyListedUnread(r *room) {
	if !r.readMarkEstimated || r.cursor == nil {
		return // the user has read meanwhile
	}
	unread := c.listedUnread(r.name)
	r.readMarkEstimated = false
	r.setUnread(unread, c.me.User)
	if unread == 0 {
		r.reportedSeq = 0
	}
}

func (c *Client) sendReadMark(r *room, now time.Time, wakeAt func(time.Time)) {
	if due := r.reportedAt.Add(readMarkInterval); now.Before(due) {
		wakeAt(due)
		return
	}
	c.flushReadMark(r, now)
}

// flushReadMark does not wait: the room is being left, and after that the server
// takes nothing more of it.
func (c *Client) flushReadMark(r *room, now time.Time) {
	if r.phase != synced || r.readSeq <= r.reportedSeq {
		return
	}
	if c.sendEvent(shared.MarkRead.Frame("", shared.MarkReadPayload{Room: r.name, Seq: r.readSeq})) {
		r.reportedSeq, r.reportedAt = r.readSeq, now
	}
}
