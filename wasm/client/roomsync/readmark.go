package roomsync

import (
	"slices"
	"time"

	"websockets/shared"
)

// ReadMarkInterval is how often a room's read mark is sent at most, so that the rate
// limit is left to messages.
const ReadMarkInterval = time.Second

// readMark is up to where the user has read a room.
type readMark struct {
	seq uint64
	// unreadAbove is how many messages of others before seq are unread nevertheless,
	// because the tail did not reach that far when the mark was set; -1 if it is not
	// known how many.
	unreadAbove int
	// reportedSeq is what the server knows of seq, reportedAt since when.
	reportedSeq uint64
	reportedAt  time.Time
	// estimated says that the mark was set from a list that is older than our joining
	// of the room, or from none.
	estimated bool
}

// reset forgets what was read: it was in another log.
func (rm *readMark) reset() { rm.seq, rm.reportedSeq = 0, 0 }

// unread counts the messages of others after the mark, up to shared.MaxUnread+1.
func (rm *readMark) unread(tail []shared.Message, me string) (n int) {
	for _, m := range slices.Backward(tail) {
		if m.Seq <= rm.seq || n > shared.MaxUnread {
			break
		}
		if m.User != me {
			n++
		}
	}
	return n
}

// setUnread puts the mark where it leaves the last n messages of others unread, as
// far as the tail reaches. end is the sequence at which the tail ends.
func (rm *readMark) setUnread(n int, tail []shared.Message, end uint64, me string) {
	atLeast := n > shared.MaxUnread // the server does not count further
	seq := end
	for _, m := range slices.Backward(tail) {
		if n <= 0 {
			break
		}
		if m.User != me {
			n--
		}
		seq = m.Seq - 1
	}
	rm.unreadAbove = n
	if n > 0 && atLeast {
		rm.unreadAbove = -1
	}
	rm.seq, rm.reportedSeq = seq, seq
}

// roomList is the list of rooms as the server sent it.
type roomList struct {
	rooms    []shared.RoomSummary
	next     string // the page that follows, empty if there is none
	extended bool   // rooms has more than the first page
	stale    bool   // the user has read one of them on another device since
}

// unread returns the room's unread count, 0 if it is not in the list.
func (l *roomList) unread(room string) int {
	for _, summary := range l.rooms {
		if summary.Name == room {
			return summary.Unread
		}
	}
	return 0
}

// lower corrects the room's unread count after the user has read.
func (l *roomList) lower(room string, unread int) {
	for i := range l.rooms {
		summary := &l.rooms[i]
		if summary.Name == room {
			summary.Unread = min(summary.Unread, unread)
		}
	}
}

// MarkRead says that the user has read the room up to seq, and reports whether that
// is news. Reconcile tells the server, at most once per ReadMarkInterval and after a
// reconnect if need be.
func (rs *Rooms) MarkRead(name string, seq uint64) bool {
	r := rs.Find(name)
	if r == nil || r.timeline.cursor == nil {
		return false
	}
	seq = min(seq, r.timeline.cursor.Seq)
	if seq <= r.mark.seq {
		return false
	}
	r.mark.seq, r.mark.unreadAbove, r.mark.estimated = seq, 0, false
	rs.lowerListed(r)
	return true
}

// ReadElsewhere handles a read event: the user has read the room on another device.
func (rs *Rooms) ReadElsewhere(p shared.MarkReadPayload) {
	r := rs.Find(p.Room)
	if r != nil && p.Seq > r.mark.seq {
		r.mark.seq, r.mark.unreadAbove = p.Seq, 0
		r.mark.reportedSeq = max(r.mark.reportedSeq, p.Seq)
		rs.lowerListed(r)
	}
	if r == nil || !r.desired {
		rs.list.stale = true
	}
}

func (rs *Rooms) lowerListed(r *Room) {
	if r.phase == Synced {
		rs.list.lower(r.name, r.unread(rs.me))
	}
}

// Estimated returns the rooms whose read marks are estimates. A list that is
// requested from now on can tell them.
func (rs *Rooms) Estimated() (rooms []*Room) {
	for _, r := range rs.rooms {
		if r.mark.estimated && r.phase == Synced {
			rooms = append(rooms, r)
		}
	}
	return rooms
}

// NextPage returns the page of the list of rooms that follows, empty if there is none.
func (rs *Rooms) NextPage() string { return rs.list.next }

// ExtendList adds a page to the list of rooms, if the list still ends before it.
func (rs *Rooms) ExtendList(page string, answer shared.RoomsPayload) {
	if rs.list.next != page {
		return
	}
	rs.list.next, rs.list.extended = answer.Next, true
	rs.addListed(answer.Rooms)
}

// addListed adds the rooms that the list does not have.
func (rs *Rooms) addListed(rooms []shared.RoomSummary) {
	have := make(map[string]bool, len(rs.list.rooms))
	for _, s := range rs.list.rooms {
		have[s.Name] = true
	}
	for _, s := range rooms {
		if !have[s.Name] {
			rs.list.rooms = append(rs.list.rooms, s)
		}
	}
}

// SetList handles the first page of the list of rooms. Further pages that were loaded stay,
// unless one of their rooms was read on another device. estimated is what Estimated
// returned before the page was requested.
func (rs *Rooms) SetList(first shared.RoomsPayload, estimated []*Room) {
	old := rs.list
	rs.list = roomList{rooms: first.Rooms, next: first.Next}
	if old.extended && !old.stale {
		rs.list.next, rs.list.extended = old.next, true
		rs.addListed(old.rooms)
	}
	for _, r := range estimated {
		if !r.mark.estimated || r.timeline.cursor == nil {
			continue // the user has read meanwhile
		}
		unread := rs.list.unread(r.name)
		r.mark.estimated = false
		r.mark.setUnread(unread, r.timeline.messages, r.timeline.cursor.Seq, rs.me)
		if unread == 0 {
			// The server may have no mark yet: it is sent one to count from.
			r.mark.reportedSeq = 0
		}
	}
}

// sendReadMark tells the server up to where the user has read, if it is time for
// that.
func (rs *Rooms) sendReadMark(r *Room, now time.Time, wakeAt func(time.Time)) {
	if r.phase != Synced || r.mark.seq <= r.mark.reportedSeq {
		return
	}
	due := r.mark.reportedAt.Add(ReadMarkInterval)
	if now.Before(due) {
		wakeAt(due)
		return
	}
	rs.flushReadMark(r, now)
}

// flushReadMark does so at once. It is called before a room is left: afterwards the
// server does not accept its read mark.
func (rs *Rooms) flushReadMark(r *Room, now time.Time) {
	if r.phase != Synced || r.mark.seq <= r.mark.reportedSeq {
		return
	}
	frame := shared.MarkRead.Frame("", shared.MarkReadPayload{Room: r.name, Seq: r.mark.seq})
	if rs.send(frame) {
		r.mark.reportedSeq, r.mark.reportedAt = r.mark.seq, now
	}
}
