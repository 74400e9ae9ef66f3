package view

import (
	"sort"
	"strconv"

	"websockets/shared"
	"websockets/wasm/client"
)

const (
	// maxRows is how many messages are in the page: laying out more costs more with
	// each new one.
	maxRows = 300
	// endRows is how many are in the page for a reader who is at its end, where with
	// each new one all of them move: more than fit on a high screen.
	endRows = 150
	// margin is how many messages beyond those in sight are in the page at least,
	// if there are so many.
	margin = 75
	// stride is by how many rows at least the page moves on: to make them takes a
	// quarter of a millisecond each, so not many at once, and not one by one.
	stride = 40
)

// Timeline decides what the page shows of the current room: which of its
// messages are in the page, where the "New" divider stands, and whether the
// reader is at the end and stays there.
//
// Show is called with each View, Look and Scrolled when the reader has moved.
type Timeline struct {
	room  string
	epoch string

	// AtEnd: the reader is at the newest message, and stays there when more come.
	AtEnd bool
	seen  uint64 // the newest message that was there when the reader was at the end
	top   uint64 // the first message in the page
	rows  []Entry
	first bool // the first message in the page is the first of the View
	last  bool // the last one is the room's newest

	// hasDivider: the divider stands before the first message of others beyond mark.
	hasDivider  bool
	readMark    uint64
	unreadAbove int // and so many messages of others further up, -1 if that is not known
	// dividerPending: the divider is still to be placed. away: the page has been out of
	// sight, so the next unread message moves it. Up to dismissedTo the reader has
	// dismissed it.
	dividerPending, wasHidden bool
	dismissedTo               uint64
}

// Load says which messages are to be fetched.
type Load int

const (
	NoLoad Load = iota
	Older
	Newer
)

// Show takes the next View and returns the rows that the page is to have, from
// the top down. hidden says that nobody sees the page.
func (t *Timeline) Show(v client.View, names Names, clock Clock, hidden bool) []Entry {
	room := v.Room
	if room.Name != t.room {
		*t = Timeline{room: room.Name, epoch: room.Epoch, AtEnd: true, dividerPending: true}
	}
	if room.Epoch != t.epoch {
		*t = Timeline{room: room.Name, epoch: room.Epoch, AtEnd: true, dividerPending: t.dividerPending || t.epoch == ""}
	}
	if room.Newer {
		t.AtEnd = false
	}
	t.placeDivider(v, hidden)

	n := len(room.Messages)
	from := max(0, n-endRows)
	if t.AtEnd {
		t.seen = newest(room)
	} else {
		from = min(from, indexOf(room.Messages, t.top))
	}
	to := min(n, from+maxRows)
	t.first, t.last = from == 0, to == n && !room.Newer
	if t.top = 0; from < n {
		t.top = room.Messages[from].Seq
	}
	t.rows = t.entries(v, names, clock, from, to)
	return t.rows
}

// newest returns the sequence of the room's last message, 0 if there is none.
func newest(room client.RoomView) uint64 {
	if n := len(room.Latest); n > 0 {
		return room.Latest[n-1].Seq
	}
	return 0
}

// indexOf returns where the first message is whose sequence is seq or beyond.
func indexOf(messages []shared.Message, seq uint64) int {
	return sort.Search(len(messages), func(i int) bool { return messages[i].Seq >= seq })
}

// OlderButton reports whether the page begins with a way to older messages.
func (t *Timeline) OlderButton(room client.RoomView) bool { return t.first && room.More }

// Scrolled notes whether the reader is now near the end of what is in the page,
// and reports whether that makes a difference.
func (t *Timeline) Scrolled(nearEnd bool) (changed bool) {
	was := t.AtEnd
	t.AtEnd = nearEnd && t.last
	return t.AtEnd != was
}

// Look takes which rows of the last Show are in sight. It chooses the messages
// around them for the next Show, reports whether they are others than now, and
// says what to fetch.
func (t *Timeline) UpdateWindow(room client.RoomView, firstRow, lastRow int) (moved bool, load Load) {
	n := len(room.Messages)
	if t.AtEnd || n == 0 || len(t.rows) == 0 {
		return false, NoLoad
	}
	first, last := n-1, 0 // in sight
	for _, e := range t.rows[min(firstRow, len(t.rows)):min(lastRow+1, len(t.rows))] {
		if e.Kind == Message {
			i := n - 1 // one that is pending
			if e.Seq != 0 {
				i = min(n-1, indexOf(room.Messages, e.Seq))
			}
			first, last = min(first, i), max(last, i)
		}
	}
	if first > last {
		return false, NoLoad
	}
	from := indexOf(room.Messages, t.top)
	to := min(n, from+maxRows)
	up, down := from > 0 && first-from < margin, to < n && to-1-last < margin
	if up || down {
		switch {
		case last-first > maxRows-2*(margin+stride): // a very high screen
			from = (first + last - maxRows) / 2
		case up:
			from = first - margin - stride
		case down:
			from = last + 1 + margin + stride - maxRows
		}
		from = max(0, min(from, n-endRows))
		to = min(n, from+maxRows)
		moved = room.Messages[from].Seq != t.top
		t.top = room.Messages[from].Seq
	}
	switch {
	case from == 0 && first < margin && room.More:
		load = Older
	case to == n && n-1-last < margin && room.Newer:
		load = Newer
	}
	return moved, load
}

// LatestButton is the word on the way down, empty when the reader is there: how
// many messages of others have come since he was.
func (t *Timeline) LatestButton(v client.View) string {
	if t.AtEnd {
		return ""
	}
	news := 0
	for i := len(v.Room.Latest) - 1; i >= 0 && v.Room.Latest[i].Seq > t.seen; i-- {
		if v.Room.Latest[i].User != v.Me.User {
			news++
		}
	}
	switch {
	case news == 0:
		return "↓ Latest"
	case news > shared.MaxUnread:
		return "↓ " + strconv.Itoa(shared.MaxUnread) + "+ new"
	}
	return "↓ " + strconv.Itoa(news) + " new"
}

// Read returns up to where the reader has read the room, 0 if there is nothing to
// tell the server.
func (t *Timeline) Read(room client.RoomView, hidden bool) uint64 {
	if last := newest(room); t.AtEnd && room.Synced && room.ReadKnown && !hidden && last > room.ReadSeq {
		return last
	}
	return 0
}

// placeDivider places the divider: when the room was entered, and when messages come
// while the reader is away from the page or from its end. While he reads it stays
// where it is.
func (t *Timeline) placeDivider(v client.View, hidden bool) {
	room := v.Room
	t.wasHidden = t.wasHidden || hidden
	if room.Synced && room.ReadKnown && (t.dividerPending || t.wasHidden || !t.AtEnd && !t.hasDivider) {
		t.dividerPending = false
		mark := max(room.ReadSeq, t.dismissedTo)
		for i := len(room.Latest) - 1; i >= 0 && room.Latest[i].Seq > mark; i-- {
			if room.Latest[i].User != v.Me.User {
				t.hasDivider, t.readMark, t.unreadAbove, t.wasHidden = true, mark, 0, false
				if mark == room.ReadSeq {
					t.unreadAbove = room.UnreadAbove
				}
				break
			}
		}
	}
	t.wasHidden = t.wasHidden && (hidden || !room.Synced)
}

// divider returns before which message the divider stands, or -1.
func (t *Timeline) divider(v client.View) int {
	if !t.hasDivider {
		return -1
	}
	messages := v.Room.Messages
	i := indexOf(messages, t.readMark+1)
	if t.unreadAbove != 0 {
		return t.dividerAbove(v, i)
	}
	if i == 0 && v.Room.More && len(messages) > 0 && messages[0].Seq != t.readMark+1 {
		return -1 // it is further up
	}
	for ; i < len(messages); i++ {
		if messages[i].User != v.Me.User {
			return i
		}
	}
	return -1
}

// dividerAbove is divider for a mark that lies above the i-th message. Once its
// place is in sight of the View it is known for good.
func (t *Timeline) dividerAbove(v client.View, i int) int {
	messages, n := v.Room.Messages, t.unreadAbove
	if n < 0 || i == len(messages) {
		return -1
	}
	first := i
	for j := i - 1; j >= 0 && n > 0; j-- {
		if messages[j].User != v.Me.User {
			first = j
			n--
		}
	}
	if n > 0 && v.Room.More {
		return -1
	}
	t.readMark, t.unreadAbove = messages[first].Seq-1, 0
	return first
}

// Sent says that the reader has written something: he has seen what there is, and
// wants to see what he wrote.
func (t *Timeline) Sent(room client.RoomView) {
	t.dismissDivider(room)
	t.AtEnd = true
}

func (t *Timeline) dismissDivider(room client.RoomView) {
	t.hasDivider, t.dismissedTo = false, newest(room)
}

// Dismiss is the Esc key, after the dialogs: it takes the divider away, else it
// goes to the end. It reports false if there was neither to do.
func (t *Timeline) Dismiss(room client.RoomView) bool {
	switch {
	case t.hasDivider:
		t.dismissDivider(room)
	case !t.AtEnd:
		t.AtEnd = true
	default:
		return false
	}
	return true
}
