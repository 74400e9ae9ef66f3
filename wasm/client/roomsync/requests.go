package roomsync

import (
	"time"

	"websockets/shared"
)

// pendingRequest is a join, a change, a leave or a backfill that waits for its
// answer.
type pendingRequest struct {
	room    *Room
	sentAt  time.Time
	isLeave bool
	// after is where a join or a change asks to resume.
	after *shared.Cursor
	// leaves is the room that a change leaves, leavesPhase its phase before.
	leaves      *Room
	leavesPhase Phase
	// historyBefore is the sequence before which a backfill asks for history, 0 in other
	// requests.
	historyBefore uint64
}

// requests are those that wait for their answers, by the event's id. Reading nil is
// fine.
type requests map[string]*pendingRequest

// take removes a request and returns it, nil if there is none with this id.
func (q requests) take(id string) *pendingRequest {
	request := q[id]
	delete(q, id)
	return request
}

// include reports whether there is a request to join or leave the room.
func (q requests) include(r *Room) bool {
	for _, request := range q {
		if request.room == r && request.historyBefore == 0 {
			return true
		}
	}
	return false
}

// oldest returns when the oldest request was sent, or zero.
func (q requests) oldest() (oldest time.Time) {
	for _, request := range q {
		if oldest.IsZero() || request.sentAt.Before(oldest) {
			oldest = request.sentAt
		}
	}
	return oldest
}
