package chat

import (
	"context"

	"websockets/server/eventlog"
	"websockets/server/timeline"
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
// payload's room counts for nothing. Errors wrap eventlog.ErrUnavailable.
func (m *Manager) History(ctx context.Context, room string, p shared.LoadHistoryPayload) (page shared.HistoryPayload, err error) {
	limit := p.Limit
	if limit == 0 {
		limit = shared.JoinBacklog
	}
	var found eventlog.Page
	if p.After != 0 {
		found, err = m.eventlog.After(ctx, room, p.After, limit, historyBytes)
	} else {
		found, err = m.eventlog.Before(ctx, room, p.Before, limit, historyBytes)
	}
	page.Room, page.More, page.Messages = room, found.More, make([]shared.Message, 0, len(found.Records))
	for _, record := range found.Records {
		message, err := timeline.Message(record)
		if err != nil {
			m.log.Error("a record of the log is not a message", "room", room, "seq", record.Seq, "err", err)
			continue
		}
		page.Messages = append(page.Messages, message)
	}
	return page, err
}
