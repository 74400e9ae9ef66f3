package chat

import (
	"cmp"
	"context"

	"websockets/server/eventlog"
	"websockets/server/timeline"
	"websockets/shared"
)

// MessagesQuery says which page of a room's messages a backend wants. The zero query asks
// for the newest ones.
type MessagesQuery struct {
	// From is the place next to the page. In a cursor of the client's own making, only Seq
	// is set.
	From *shared.Cursor
	// Older asks for the messages before From, not beyond it.
	Older bool
	// Limit is the most messages of the page; 0 means shared.JoinBacklog.
	Limit int
}

// MessagesPage is a page of a room's messages, oldest first.
type MessagesPage struct {
	shared.HistoryPayload
	// Newest and Oldest are the ends of the page: the places to go on from, towards newer
	// and older messages.
	Newest, Oldest shared.Cursor
	// Truncated is a range next to the page that has expired, or may have. It is nil if
	// there is none.
	Truncated *shared.Truncated
	// Reset means that From is a place in another log. The page is the one that this log
	// begins with, in the direction of reading.
	Reset bool
}

// Messages returns a page of a room's messages. A reader that goes on from each page
// gets every message of the room, or is told by Truncated and Reset that some are gone.
// Errors wrap eventlog.ErrUnavailable.
func (m *Manager) Messages(ctx context.Context, room string, q MessagesQuery) (page MessagesPage, err error) {
	epoch := m.log.Epoch(room) // before reading: if it changes meanwhile, the next page tells
	query := historyQuery{forward: q.From != nil && !q.Older, limit: q.Limit}
	if q.From != nil {
		page.Reset, err = m.isOfAnotherLog(ctx, room, epoch, q)
		if err != nil {
			return page, err
		}
	}
	start := shared.Cursor{Epoch: epoch}
	if q.From != nil && !page.Reset {
		start.Seq, start.ID = q.From.Seq, q.From.ID
		query.seq = start.Seq
		if q.Older && query.seq == 0 {
			query.seq = 1 // nothing, where 0 would mean the end
		}
	}
	read, err := m.readHistory(ctx, room, query)
	if err != nil {
		return page, err
	}
	if !query.forward && !read.page.More && read.gone == nil {
		read.gone, err = m.goneAtStart(ctx, room, read)
	}
	page.HistoryPayload, page.Truncated = read.page, read.gone
	page.Newest, page.Oldest = start, start
	if read.last.Seq != 0 {
		page.Newest, page.Oldest = timeline.CursorOf(epoch, read.last), timeline.CursorOf(epoch, read.first)
	}
	return page, err
}

// isOfAnotherLog reports whether q.From is a place that the room's log has never had.
func (m *Manager) isOfAnotherLog(ctx context.Context, room, epoch string, q MessagesQuery) (bool, error) {
	from, isCursor := *q.From, q.From.Epoch != ""
	switch {
	case isCursor && from.Epoch != epoch:
		return true, nil
	case from.Seq == 0, !isCursor && q.Older: // any number has older messages before it
		return false, nil
	}
	place, err := m.log.Locate(ctx, room, from.Seq)
	if err != nil {
		return false, err
	}
	switch place.State {
	case eventlog.Beyond:
		return true, nil
	case eventlog.Present:
		return isCursor && timeline.CursorOf(epoch, place.Record) != from, nil
	case eventlog.Absent:
		return isCursor && from.ID != "", nil
	}
	return false, nil
}

// goneAtStart returns the range that retention has removed, or may have, before the first
// record of a room; nil if there is none.
func (m *Manager) goneAtStart(ctx context.Context, room string, read historyRead) (*shared.Truncated, error) {
	place, err := m.log.Locate(ctx, room, 0)
	if err != nil || place.State != eventlog.Expired {
		return nil, err
	}
	return &shared.Truncated{First: cmp.Or(read.first.Seq, place.First)}, nil
}
