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
	seq            uint64 // everything up to here is written, or in the batch in hand
	target         uint64 // at or beyond it the client has what it missed
	syncing        bool   // synced is still to be written
	truncationSent bool   // the client was told what is gone beyond seq
}

// NewSubscription returns a subscription of the connection that begins after seq, and
// is synced at the timeline's present head. truncationSent says that the client was
// told what is gone there. What the timeline gets after this call has to schedule the
// subscription. Pass it to Subscribe, and do not copy it any more then.
func (c *Conn) NewSubscription(source *Source, seq uint64, truncationSent bool) Subscription {
	return Subscription{conn: c, source: source, position: position{
		seq: seq, target: source.Timeline.Head(), syncing: true, truncationSent: truncationSent,
	}}
}

// cursor returns a cursor of the place, without an id.
func (s *Subscription) cursor() shared.Cursor {
	return shared.Cursor{Epoch: s.source.Timeline.Epoch(), Seq: s.seq}
}

// hasCaughtUp reports whether synced is to be written now.
func (s *Subscription) hasCaughtUp() bool { return s.syncing && s.seq >= s.target }

// syncedFrame returns the synced event for the cursor that the client has reached.
func (s *Subscription) syncedFrame(at shared.Cursor) []byte {
	return wsframe.NewText(shared.Synced.Frame("", shared.SyncedPayload{Room: s.source.Room, Cursor: at}))
}

// truncatedFrame returns the event that tells the client what is gone.
func (s *Subscription) truncatedFrame(gone shared.Truncated) []byte {
	return wsframe.NewText(s.source.Truncated(s.cursor(), gone))
}
