package client

import (
	"cmp"
	"slices"
	"time"

	"websockets/shared"
)

const (
	// timeline is how many messages of a room's tail are kept. For a user who reads
	// further up there is the window.
	maxTail = 500
	// maxGaps is how many missing ranges of a room are kept.
	maxGaps = 16
	// typingTimeout is how long someone who typed counts as typing.
	typingTimeout = 5 * time.Second
)

// phase is how far in a room this connection is.
type phase string

const (
	out     phase = ""
	joining phase = "joining" // asked for
	joined  phase = "joined"  // what was missed is arriving
	synced  phase = "synced"
	leaving phase = "leaving" // asked to leave; messages still arrive, in order
)

// room is what the client knows of a room, over all connections. Guarded by
// Client.mu.
type room struct {
	name    string
	desired bool // the user is in it
	phase   phase
	leftAt  time.Time

	requestedAt time.Time     // when joining began
	refused     *shared.Error // why the server does not let us in
	retryAt     time.Time     // when to ask again then; zero means not on this connection

	// cursor is up to where everything has been seen, nil before the first join.
	cursor *shared.Cursor
	// from is where the server began to send it when it was joined last, heard how
	// far it has come.
	deliveredFrom, deliveredSeq uint64
	// messages are never changed in place: a View shares them. Appending is fine.
	messages      []shared.Message
	more          bool // there are older ones
	window        *window
	gaps          []shared.Truncated // in order
	wasReset      bool               // the log was reset since the user came
	resetCount    int                // how often the log was reset: a page of an older life is not for this one
	firstJoin     bool               // joined without a past: what is unread shows when it is synced
	needsBackfill bool               // and so near the end that there is little to show: see backfill

	count   int
	members []shared.Member // not changed in place
	typing  map[string]typist
	typedAt time.Time // when we last said that we type

	readSeq           uint64    // read up to here
	unreadAbove       int       // unread ones of others before that, which the tail did not reach; -1: not known how many
	reportedSeq       uint64    // what the server knows of that
	reportedAt        time.Time // since when
	readMarkEstimated bool      // no list that was asked for since we came has told what is unread
}

type typist struct {
	member shared.Member
	until  time.Time
}

// mayRequest reports whether the room may be asked for now.
func (r *room) mayRequest(now time.Time, wakeAt func(time.Time)) bool {
	if r.refused == nil {
		return true
	}
	if r.retryAt.IsZero() {
		return false
	}
	if now.Before(r.retryAt) {
		wakeAt(r.retryAt)
		return false
	}
	return true
}

// join takes over from where the server continues.
func (r *room) join(p shared.RoomJoinedPayload) {
	had, reset := r.cursor, false
	r.deliveredFrom, r.deliveredSeq = p.Cursor.Seq, p.Cursor.Seq
	switch {
	case had == nil:
	case p.State == shared.StateReset:
		r.messages, r.gaps, r.window = nil, nil, nil
		r.readSeq, r.reportedSeq = 0, 0
		r.resetCount++
		r.wasReset, reset = true, true
	case p.State == shared.StateTruncated && p.Truncated != nil:
		gap := *p.Truncated
		if gap.First == 0 || gap.First > had.Seq+1 { // else it lies in what we have seen
			gap.After = max(gap.After, had.Seq)
			r.addGap(gap)
		}
	case p.State == shared.StateNew && p.Cursor.Seq > had.Seq:
		r.addGap(shared.Truncated{After: had.Seq, First: p.Cursor.Seq + 1})
	}
	if had != nil && !reset {
		r.advance(p.Cursor)
		return
	}
	r.cursor, r.more, r.firstJoin = &p.Cursor, p.Cursor.Seq > 0, true
	r.needsBackfill = had == nil && p.State != shared.StateNew && p.State != shared.StateReset
}

// advance moves the cursor forward, never back: what it has passed may be on the
// way a second time, if we left the room and came back.
func (r *room) advance(to shared.Cursor) {
	r.deliveredSeq = max(r.deliveredSeq, to.Seq)
	if to.Epoch == r.cursor.Epoch && to.Seq > r.cursor.Seq {
		r.cursor = &to
	}
}

// addGap notes a range that is or may be gone.
func (r *room) addGap(gap shared.Truncated) {
	if len(r.messages) == 0 {
		return
	}
	i := len(r.gaps)
	for i > 0 && r.gaps[i-1].After > gap.After {
		i--
	}
	if i > 0 && r.gaps[i-1].After == gap.After {
		r.gaps[i-1].First = max(r.gaps[i-1].First, gap.First)
		return
	}
	r.gaps = slices.Insert(r.gaps, i, gap)
	if len(r.gaps) > maxGaps {
		r.gaps = r.gaps[1:]
	}
}

// add appends a message and reports whether it is one we did not have.
func (r *room) add(m shared.Message) bool {
	late := r.deliveredFrom < m.Seq && m.Seq <= r.deliveredSeq
	r.deliveredSeq = max(r.deliveredSeq, m.Seq)
	switch {
	case r.cursor == nil:
		return false
	case m.Seq <= r.cursor.Seq:
		return late && r.insert(m)
	}
	r.cursor = &shared.Cursor{Epoch: r.cursor.Epoch, Seq: m.Seq, ID: m.ID}
	if w := r.window; w != nil && len(w.messages) < maxWindow && r.windowAtTail() {
		w.messages = append(w.messages, m)
	}
	r.messages = append(r.messages, m)
	r.trim()
	return true
}

// insert puts a message in its place that came behind a later one, and reports
// whether it was missing there. A server sends a room's messages in order and TCP
// keeps it; if something between the two breaks that, a message that is told late
// is better than a hole that nobody sees.
func (r *room) insert(m shared.Message) bool {
	var missing bool
	if r.messages, missing = inserted(r.messages, m); missing {
		r.trim()
		if w := r.window; w != nil && w.first() < m.Seq && m.Seq < w.last() {
			w.messages, _ = inserted(w.messages, m)
		}
	}
	return missing
}

// inserted returns the messages with m in its place, and whether it was missing.
func inserted(messages []shared.Message, m shared.Message) ([]shared.Message, bool) {
	i, had := slices.BinarySearchFunc(messages, m.Seq, func(n shared.Message, seq uint64) int { return cmp.Compare(n.Seq, seq) })
	if had {
		return messages, false
	}
	return slices.Concat(messages[:i], []shared.Message{m}, messages[i:]), true
}

// oldest returns before which sequence a page of history has to end.
func (r *room) oldest() uint64 {
	if len(r.messages) > 0 {
		return r.messages[0].Seq
	}
	return r.cursor.Seq + 1
}

// prepend puts a page of history before the tail.
func (r *room) prepend(page shared.HistoryPayload) {
	r.messages = slices.Concat(below(page.Messages, r.oldest()), r.messages)
	r.more = page.More
	r.trim()
}

func (r *room) trim() {
	if n := len(r.messages) - maxTail; n > 0 {
		r.messages = r.messages[n:]
		r.more = true
	}
}

// unread counts the messages of others after the read mark.
func (r *room) unread(me string) (n int) {
	for _, m := range slices.Backward(r.messages) {
		if m.Seq <= r.readSeq || n > shared.MaxUnread {
			break
		}
		if m.User != me {
			n++
		}
	}
	return n
}

// setUnread puts the mark where it leaves the last n messages of others unread,
// as far as the tail reaches.
func (r *room) setUnread(n int, me string) {
	capped := n > shared.MaxUnread
	mark := r.cursor.Seq
	for _, m := range slices.Backward(r.messages) {
		if n <= 0 {
			break
		}
		if m.User != me {
			n--
		}
		mark = m.Seq - 1
	}
	if r.unreadAbove = n; n > 0 && capped {
		r.unreadAbove = -1
	}
	r.readSeq, r.reportedSeq = mark, mark
}
