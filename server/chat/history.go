package chat

import (
	"context"

	"websockets/server/eventlog"
	"websockets/server/timeline"
	"websockets/shared"
)

// historyBytes is about the largest size of a page of history.
const historyBytes = 256 << 10

// loadHistory answers with a page of history of a room that the client is in.
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

// History returns the page of a room's history that load_history asks for. The payload's
// room is ignored. Errors wrap eventlog.ErrUnavailable.
func (m *Manager) History(ctx context.Context, room string, p shared.LoadHistoryPayload) (page shared.HistoryPayload, err error) {
	limit := p.Limit
	if limit == 0 {
		limit = shared.JoinBacklog
	}
	page.Room, page.Messages = room, []shared.Message{}
	for {
		found, err := m.readPage(ctx, room, p, limit)
		if err != nil {
			return page, err
		}
		for _, record := range found.Records {
			if !timeline.IsMessage(record.Body) {
				continue
			}
			message, err := timeline.Message(record)
			if err != nil {
				m.logger.Error("a record of the log is not a message", "room", room, "seq", record.Seq, "err", err)
				continue
			}
			page.Messages = append(page.Messages, message)
		}
		page.More = found.More
		n := len(found.Records)
		if len(page.Messages) > 0 || !page.More || n == 0 {
			return page, nil
		}
		// All records are other events, and a page without messages would mean the end of
		// history. Read on.
		if p.After != 0 {
			p.After = found.Records[n-1].Seq
		} else {
			p.Before = found.Records[0].Seq
		}
	}
}

func (m *Manager) readPage(ctx context.Context, room string, p shared.LoadHistoryPayload, limit int) (eventlog.Page, error) {
	if p.After != 0 {
		return m.log.After(ctx, room, p.After, limit, historyBytes)
	}
	return m.log.Before(ctx, room, p.Before, limit, historyBytes)
}
