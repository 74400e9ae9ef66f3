package roomsync

import (
	"cmp"
	"slices"

	"websockets/shared"
)

const (
	// MaxTail is how many messages of a room's end are kept. A user who reads further
	// up has a window besides.
	MaxTail = 500
	// maxGaps is how many missing ranges of a room are kept.
	maxGaps = 16
)

// timeline is what the client has of a room's log.
//
//   - messages, the tail, are in the order of the log, each once. They have all up to
//     cursor, and lack nothing but what gaps name and what is before the first of them.
//   - cursor never goes back, except when the log was reset.
//   - messages and the window's are never changed in place, because views share them.
//     Appending is fine.
type timeline struct {
	// cursor is up to where everything has been seen, nil before the first join.
	cursor *shared.Cursor
	// deliveredFrom is where the server began to send the room when it was joined last,
	// deliveredSeq how far it has come.
	deliveredFrom, deliveredSeq uint64

	messages   []shared.Message
	more       bool // there are older ones
	window     *window
	gaps       []shared.Truncated // in order
	wasReset   bool               // since the user came to the room
	resetCount int                // a page of history from before a reset is of another log
}

// join continues where the server does. It reports whether the timeline begins
// there: at the first join, and after a reset.
func (t *timeline) join(p shared.RoomJoinedPayload) (begins bool) {
	t.deliveredFrom, t.deliveredSeq = p.Cursor.Seq, p.Cursor.Seq
	switch {
	case t.cursor == nil:
		begins = true
	case p.State == shared.StateReset:
		t.messages, t.gaps, t.window = nil, nil, nil
		t.wasReset = true
		t.resetCount++
		begins = true
	case p.State == shared.StateTruncated && p.Truncated != nil:
		gap := *p.Truncated
		if gap.First == 0 || gap.First > t.cursor.Seq+1 { // otherwise we have seen all of it
			gap.After = max(gap.After, t.cursor.Seq)
			t.addGap(gap)
		}
	case p.State == shared.StateNew && p.Cursor.Seq > t.cursor.Seq:
		t.addGap(shared.Truncated{After: t.cursor.Seq, First: p.Cursor.Seq + 1})
	}
	if begins {
		t.cursor, t.more = &p.Cursor, p.Cursor.Seq > 0
	} else {
		t.advance(p.Cursor)
	}
	return begins
}

// advance moves the cursor forward, never back: what it has passed may be on its
// way a second time if we left the room and came back.
func (t *timeline) advance(to shared.Cursor) {
	t.deliveredSeq = max(t.deliveredSeq, to.Seq)
	if to.Epoch == t.cursor.Epoch && to.Seq > t.cursor.Seq {
		t.cursor = &to
	}
}

// pass moves the cursor over a record that is no message.
func (t *timeline) pass(seq uint64, id string) {
	t.deliveredSeq = max(t.deliveredSeq, seq)
	if t.cursor != nil && seq > t.cursor.Seq {
		t.cursor = &shared.Cursor{Epoch: t.cursor.Epoch, Seq: seq, ID: id}
	}
}

// addGap notes a range that is or may be gone.
func (t *timeline) addGap(gap shared.Truncated) {
	if len(t.messages) == 0 {
		return
	}
	i := len(t.gaps)
	for i > 0 && t.gaps[i-1].After > gap.After {
		i--
	}
	if i > 0 && t.gaps[i-1].After == gap.After {
		t.gaps[i-1].First = max(t.gaps[i-1].First, gap.First)
		return
	}
	t.gaps = slices.Insert(t.gaps, i, gap)
	if len(t.gaps) > maxGaps {
		t.gaps = t.gaps[1:]
	}
}

// add puts a message into its place and reports whether it was missing there.
func (t *timeline) add(m shared.Message) bool {
	late := t.deliveredFrom < m.Seq && m.Seq <= t.deliveredSeq
	t.deliveredSeq = max(t.deliveredSeq, m.Seq)
	switch {
	case t.cursor == nil:
		return false
	case m.Seq <= t.cursor.Seq:
		return late && t.insert(m)
	}
	t.cursor = &shared.Cursor{Epoch: t.cursor.Epoch, Seq: m.Seq, ID: m.ID}
	w := t.window
	if w != nil && len(w.messages) < MaxWindow && t.windowAtTail() {
		w.messages = append(w.messages, m)
	}
	t.messages = append(t.messages, m)
	t.trim()
	return true
}

// insert puts in its place a message that came after a later one, and reports
// whether it was missing there. Servers send a room's messages in order and TCP
// keeps it. If something between the two breaks it, a message that is shown late is
// better than a hole that nobody sees.
func (t *timeline) insert(m shared.Message) bool {
	messages, missing := inserted(t.messages, m)
	if !missing {
		return false
	}
	t.messages = messages
	t.trim()
	w := t.window
	if w != nil && w.first() < m.Seq && m.Seq < w.last() {
		w.messages, _ = inserted(w.messages, m)
	}
	return true
}

// inserted returns the messages with m in its place, and whether it was missing.
func inserted(messages []shared.Message, m shared.Message) (with []shared.Message, missing bool) {
	i, had := slices.BinarySearchFunc(messages, m.Seq, func(n shared.Message, seq uint64) int { return cmp.Compare(n.Seq, seq) })
	if had {
		return messages, false
	}
	return slices.Concat(messages[:i], []shared.Message{m}, messages[i:]), true
}

// oldest returns the sequence before which a page of history must end.
func (t *timeline) oldest() uint64 {
	if len(t.messages) > 0 {
		return t.messages[0].Seq
	}
	return t.cursor.Seq + 1
}

// prepend puts a page of history before the tail.
func (t *timeline) prepend(page shared.HistoryPayload) {
	t.messages = slices.Concat(messagesBefore(page.Messages, t.oldest()), t.messages)
	t.more = page.More
	t.trim()
}

func (t *timeline) trim() {
	if n := len(t.messages) - MaxTail; n > 0 {
		t.messages = t.messages[n:]
		t.more = true
	}
}

// messagesBefore returns the messages before a sequence.
func messagesBefore(messages []shared.Message, seq uint64) []shared.Message {
	for len(messages) > 0 && messages[len(messages)-1].Seq >= seq {
		messages = messages[:len(messages)-1]
	}
	return messages
}
