package view

import (
	"sort"
	"strconv"

	"websockets/shared"
	"websockets/wasm/client"
)

const (
	// maxRows is the most messages in the page. Layout takes longer with more.
	maxRows = 300
	// endRows is the number of messages in the page while the reader is at the end. Each
	// new message moves all of them. It is more than fit on a tall screen.
	endRows = 150
	// margin is how many messages to keep in the page above and below the visible ones.
	margin = 75
	// stride is the smallest number of rows to move the window by. A row takes a quarter
	// of a millisecond to create, so rows are created neither in large numbers nor one
	// by one.
	stride = 40
)

// Timeline decides what the page shows of the current room: which messages are in the
// page (its window), where the "New" divider is, and whether the reader is at the end.
//
// Call Show with each View, and UpdateWindow and Scrolled when the reader scrolls.
type Timeline struct {
	room  string
	epoch string

	// AtEnd is true if the reader is at the newest message. They stay there when more
	// messages arrive.
	AtEnd bool
	seen  uint64 // newest sequence while the reader was last at the end
	top   uint64 // sequence of the first message in the page
	rows  []Entry
	first bool // the page has the first message of the View
	last  bool // the page has the newest message of the room

	// hasDivider is true if there is a divider. It is before the first message of others
	// after readMark, or unreadAbove such messages further up; -1 means that the number
	// is unknown.
	hasDivider  bool
	readMark    uint64
	unreadAbove int
	// dividerPending is true until the divider of a new room has been placed. wasHidden
	// is true if the page has been hidden, so that the next unread message moves the
	// divider. dismissedTo is the newest message when the reader dismissed it.
	dividerPending, wasHidden bool
	dismissedTo               uint64

	// Printing is true while the page is printed, with all messages of the View.
	Printing bool
	unfolded map[string]bool // keys of the long messages that are shown in full
}

// Load says which messages to fetch.
type Load int

const (
	NoLoad Load = iota
	Older
	Newer
)

// Show takes the next View and returns the rows of the page from top to bottom. hidden
// is true if the page is not visible.
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
	if t.Printing {
		from, to = 0, n
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

// indexOf returns the index of the first message at or after seq.
func indexOf(messages []shared.Message, seq uint64) int {
	return sort.Search(len(messages), func(i int) bool { return messages[i].Seq >= seq })
}

// OlderButton reports whether to show the button that loads older messages.
func (t *Timeline) OlderButton(room client.RoomView) bool { return t.first && room.More }

// Scrolled records whether the reader is near the end of the page. It reports whether
// AtEnd has changed.
func (t *Timeline) Scrolled(nearEnd bool) (changed bool) {
	was := t.AtEnd
	t.AtEnd = nearEnd && t.last
	return t.AtEnd != was
}

// UpdateWindow takes the range of visible rows of the last Show. It moves the window so
// that it has enough messages around them, reports whether it has moved, and says which
// messages to fetch.
func (t *Timeline) UpdateWindow(room client.RoomView, firstRow, lastRow int) (moved bool, load Load) {
	n := len(room.Messages)
	if t.AtEnd || t.Printing || n == 0 || len(t.rows) == 0 {
		return false, NoLoad
	}
	first, last := n-1, 0 // visible messages
	for _, e := range t.rows[min(firstRow, len(t.rows)):min(lastRow+1, len(t.rows))] {
		if e.Kind == Message {
			i := n - 1 // a pending message
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
		case last-first > maxRows-2*(margin+stride): // a very tall screen
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

// LatestButton returns the label of the button that leads to the end, empty if the
// reader is there. It counts the messages of others since the reader was there.
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

// Read returns the sequence up to which the reader has read the room, 0 if there is
// nothing new to report to the server.
func (t *Timeline) Read(room client.RoomView, hidden bool) uint64 {
	if last := newest(room); t.AtEnd && room.Synced && room.ReadKnown && !hidden && last > room.ReadSeq {
		return last
	}
	return 0
}

// placeDivider places the divider when a room is entered, and when messages arrive while
// the page is hidden or the reader is not at the end. Otherwise the divider stays where
// it is.
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

// divider returns the index of the message below the divider, or -1.
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
		return -1 // it is further up, in messages that are not loaded
	}
	for ; i < len(messages); i++ {
		if messages[i].User != v.Me.User {
			return i
		}
	}
	return -1
}

// dividerAbove is divider if unread messages precede the i-th. Once the View has all of
// them, it fixes the place of the divider.
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

// Sent records that the reader has sent a message. It dismisses the divider and goes to
// the end.
func (t *Timeline) Sent(room client.RoomView) {
	t.dismissDivider(room)
	t.AtEnd = true
}

func (t *Timeline) dismissDivider(room client.RoomView) {
	t.hasDivider, t.dismissedTo = false, newest(room)
}

// Dismiss handles Esc: it dismisses the divider, or else goes to the end. It reports
// false if there was nothing to do.
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
