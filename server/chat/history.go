package chat

import (
	"context"
	"slices"

	"websockets/server/eventlog/jetstream"
	"websockets/shared"
)

// historyBytes is about how large a page of history may be.
const historyBytes = 256 << 10

// loadHistory answers with a page of a room the client is in.
func (m *Manager) loadHistory(ctx context.Context, r request, p shared.LoadHistoryPayload) error {
	here := r.find(p.Room)
	if here == nil {
		return notMember(p.Room)
	}
	page, err := m.History(ctx, here.room.name, p)
	if err != nil {
		return r.unavailable(err)
	}
	r.answer(shared.History.Frame(r.id, page))
	return nil
}

// History returns a page of a room, whoever is in it, as load_history does. The
// payload's room counts for nothing. Errors wrap jetstream.ErrUnavailable.
func (m *Manager) History(ctx context.Context, room string, p shared.LoadHistoryPayload) (page shared.HistoryPayload, err error) {
	limit := p.Limit
	if limit == 0 {
		limit = shared.JoinBacklog
	}
	var entries []jetstream.Entry
	if p.After != 0 {
		entries, page.More, err = m.pageAfter(ctx, room, p.After, limit)
	} else {
		entries, page.More, err = m.pageBefore(ctx, room, p.Before, limit)
	}
	page.Room, page.Messages = room, make([]shared.Message, 0, len(entries))
	for _, e := range entries {
		message, err := decodeMessage(e)
		if err != nil {
			m.log.Error("a record of the log is not a message", "room", room, "seq", e.Seq, "err", err)
			continue
		}
		page.Messages = append(page.Messages, message)
	}
	return page, err
}

func (m *Manager) pageAfter(ctx context.Context, room string, after uint64, limit int) (entries []jetstream.Entry, more bool, err error) {
	entries, err = m.roomlog.After(ctx, room, after, limit, historyBytes)
	if err != nil || len(entries) == 0 {
		return nil, false, err
	}
	next, err := m.roomlog.Next(ctx, room, entries[len(entries)-1].Seq)
	return entries, next.Seq != 0, err
}

func (m *Manager) pageBefore(ctx context.Context, room string, before uint64, limit int) (entries []jetstream.Entry, more bool, err error) {
	entries, more, err = m.roomlog.Before(ctx, room, before, limit)
	size := 0
	for i, e := range slices.Backward(entries) {
		if size += len(e.Body); size > historyBytes {
			return entries[i+1:], true, err
		}
	}
	return entries, more, err
}
