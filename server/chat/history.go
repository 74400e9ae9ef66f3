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
	read, err := m.readHistory(ctx, here.room.name, historyQuery{seq: max(p.Before, p.After), forward: p.After != 0, limit: p.Limit})
	if err != nil {
		return r.unavailable(err)
	}
	r.answer(shared.History.Frame(r.id, read.page))
	return nil
}

// historyQuery says which page of history is wanted.
type historyQuery struct {
	seq     uint64 // where the page begins or ends; not part of it. Backward, 0 means the end
	forward bool   // the messages beyond seq, else those before it
	limit   int    // 0 means shared.JoinBacklog
}

// historyRead is a page of history, and the part of the log that it was taken from.
type historyRead struct {
	page        shared.HistoryPayload
	first, last eventlog.Record   // their Seq is 0 if there are none
	gone        *shared.Truncated // the first range that is missing, or may be
}

// readHistory reads a page of a room's history. Errors wrap eventlog.ErrUnavailable.
func (m *Manager) readHistory(ctx context.Context, room string, q historyQuery) (read historyRead, err error) {
	if q.limit == 0 {
		q.limit = shared.JoinBacklog
	}
	read.page.Room, read.page.Messages = room, []shared.Message{}
	for {
		found, err := m.readRecords(ctx, room, q)
		if err != nil {
			return read, err
		}
		read.add(found, q)
		for _, record := range found.Records {
			if !timeline.IsMessage(record.Body) {
				continue
			}
			message, err := timeline.Message(record)
			if err != nil {
				m.logger.Error("a record of the log is not a message", "room", room, "seq", record.Seq, "err", err)
				continue
			}
			read.page.Messages = append(read.page.Messages, message)
		}
		n := len(found.Records)
		if len(read.page.Messages) > 0 || !read.page.More || n == 0 {
			return read, nil
		}
		// All records are other events, and a page without messages would mean the end of
		// history. Read on.
		if q.forward {
			q.seq = found.Records[n-1].Seq
		} else {
			q.seq = found.Records[0].Seq
		}
	}
}

func (m *Manager) readRecords(ctx context.Context, room string, q historyQuery) (eventlog.Page, error) {
	if q.forward {
		return m.log.After(ctx, room, q.seq, q.limit, historyBytes)
	}
	return m.log.Before(ctx, room, q.seq, q.limit, historyBytes)
}

// add notes what was found in the log.
func (read *historyRead) add(found eventlog.Page, q historyQuery) {
	read.page.More = found.More
	n := len(found.Records)
	if n > 0 && (read.first.Seq == 0 || !q.forward) {
		read.first = found.Records[0]
	}
	if n > 0 && (read.last.Seq == 0 || q.forward) {
		read.last = found.Records[n-1]
	}
	if !found.Gone || read.gone != nil {
		return
	}
	read.gone = &shared.Truncated{}
	if q.forward {
		read.gone.After = q.seq
	}
	if n > 0 {
		read.gone.First = found.Records[0].Seq
	}
}
