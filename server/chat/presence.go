package chat

import (
	"time"

	"websockets/server/presence"
	"websockets/server/wsframe"
	"websockets/shared"
)

// publishPresence tells the members here who joined and left since the last call, and
// the other servers who joined and left here. The tick loop calls it.
func (r *room) publishPresence(now time.Time) {
	r.mu.Lock()
	r.presence.Expire(now)
	event := r.presence.TakeChanges(r.name)
	update := r.presence.TakeUpdate()
	if r.log.Shared() && r.presence.FullSyncDue(r.name, now) {
		update = r.presence.FullUpdate()
	}
	r.mu.Unlock()
	if event != nil { // for the members here: each server tells its own
		r.offer(wsframe.NewText(shared.Presence.Frame("", *event)), nil)
	}
	if !update.IsEmpty() {
		r.signalPeers(peerMessage{Update: update})
	}
}

// requestPresence asks the other servers which users are in the room there.
func (r *room) requestPresence() {
	r.signalPeers(peerMessage{Update: presence.Update{Asks: true}})
}

// sendFullPresence tells the other servers which users are in the room here.
func (r *room) sendFullPresence() {
	r.mu.RLock()
	update := r.presence.FullUpdate()
	r.mu.RUnlock()
	r.signalPeers(peerMessage{Update: update})
}

// sendFinalPresence tells the other servers that no user is in the room here any more.
func (r *room) sendFinalPresence() {
	r.mu.RLock()
	update := r.presence.FinalUpdate()
	r.mu.RUnlock()
	r.signalPeers(peerMessage{Update: update})
}

// rename changes the name of a user, if they are in the room.
func (r *room) rename(user, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.presence.Rename(user, name)
}
