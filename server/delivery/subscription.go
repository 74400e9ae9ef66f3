package delivery

import (
	"websockets/server/timeline"
	"websockets/server/wsframe"
	"websockets/shared"
)

// Source is what a room's subscriptions share. It must not be modified while there are
// any.
type Source struct {
	Room     string
	Timeline *timeline.Timeline
	// Truncated returns the event for a client at a place of the room beyond which
	// records are or may be gone. It is called without locks and must not block.
	Truncated func(at shared.Cursor, gone shared.Truncated) []byte
}

// Subscription is a client's place in a room's timeline.
type Subscription struct {
	conn     *Conn
	source   *Source
	position // owned by the connection's writer once Subscribe was called
}

// position is how far a client has come in a room.
type position struct {
	seq     uint64            // everything up to here is written, or in the batch in hand
	target  uint64            // at or beyond it the client has what it missed
	syncing bool              // synced is still to be written
	gone    *shared.Truncated // the last range that the client was told is gone
}

// NewSubscription returns a subscription of the connection that begins after seq, and
// is synced at the timeline's present head. gone is what the client has been told is
// gone there, nil if nothing is. What the timeline gets after this call has to
// schedule the subscription. Pass it to Subscribe, and do not copy it any more then.
func (c *Conn) NewSubscription(source *Source, seq uint64, gone *shared.Truncated) Subscription {
	return Subscription{conn: c, source: source, position: position{
		seq: seq, target: source.Timeline.Head(), syncing: true, gone: gone,
	}}
}

// cursor returns a cursor of the place, without an id.
func (s *Subscription) cursor() shared.Cursor {
	return shared.Cursor{Epoch: s.source.Timeline.Epoch(), Seq: s.seq}
}

// hasCaughtUp reports whether synced is to be written now.
func (s *Subscription) hasCaughtUp() bool { return s.syncing && s.seq >= s.target }

// knows reports whether the client has been told that this range is gone.
func (s *Subscription) knows(gone shared.Truncated) bool {
	return s.gone != nil && s.gone.After == gone.After && (s.gone.First == 0 || gone.First <= s.gone.First)
}

// syncedFrame returns the synced event for the cursor that the client has reached.
func (s *Subscription) syncedFrame(at shared.Cursor) []byte {
	return wsframe.NewText(shared.Synced.Frame("", shared.SyncedPayload{Room: s.source.Room, Cursor: at}))
}

// truncatedFrame returns the event that tells the client what is gone.
func (s *Subscription) truncatedFrame(gone shared.Truncated) []byte {
	return wsframe.NewText(s.source.Truncated(s.cursor(), gone))
}
