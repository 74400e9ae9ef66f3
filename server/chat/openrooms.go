package chat

import (
	"context"
	"sync"

	"websockets/server/delivery"
	"websockets/server/eventlog"
	"websockets/server/timeline"
	"websockets/server/topics"
)

// openRooms owns the rooms that are in use on this server. The first acquire opens a
// room and the last release closes it. Methods may be called from any goroutine.
type openRooms struct {
	ctx    context.Context // of requests to the log for a room, which may serve many clients
	log    eventlog.Log
	topics *topics.Store
	pool   *delivery.Pool
	memory timeline.Memory // of all rooms' timelines

	mu     sync.Mutex // guards what follows, and room.refs
	byName map[string]*room
}

// acquire returns the room with this name, open. The caller has to release it.
func (o *openRooms) acquire(ctx context.Context, name string) (*room, error) {
	r, isNew, err := o.reserve(ctx, name)
	if err != nil {
		return nil, err
	}
	if isNew {
		r.openErr = r.open(o.ctx) // not the caller's context: others wait for this too
		close(r.ready)
		r.requestPresence()
	}
	select {
	case <-r.ready:
	case <-ctx.Done():
		o.release(r)
		return nil, ctx.Err()
	}
	if r.openErr != nil {
		o.release(r)
		return nil, r.openErr
	}
	return r, nil
}

// reserve returns the room with this name and counts a reference to it. If isNew is set,
// the caller has to open it. If the room is being closed, reserve waits for the end of
// that.
func (o *openRooms) reserve(ctx context.Context, name string) (r *room, isNew bool, err error) {
	for {
		o.mu.Lock()
		r = o.byName[name]
		if r == nil || r.refs > 0 {
			break
		}
		o.mu.Unlock()
		select {
		case <-r.closed:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
	defer o.mu.Unlock()
	isNew = r == nil
	if isNew {
		r = &room{
			rooms: o, name: name, log: o.log,
			topic: topicCache{ctx: o.ctx, store: o.topics, room: name, generation: 1},
			ready: make(chan struct{}), closed: make(chan struct{}),
		}
		o.byName[name] = r
	}
	r.refs++
	return r, isNew, nil
}

// release drops a reference to a room, and closes the room after the last one.
func (o *openRooms) release(r *room) {
	o.mu.Lock()
	r.refs--
	last := r.refs == 0
	o.mu.Unlock()
	if !last {
		return
	}
	<-r.ready
	if r.openErr == nil {
		r.sendFinalPresence()
		r.timeline.Close()
	}
	o.mu.Lock()
	delete(o.byName, r.name)
	o.mu.Unlock()
	close(r.closed)
}

// leave removes a client from a room and releases the room. lost means that the client's
// connection has ended, and that the user may come back.
func (o *openRooms) leave(m *member, lost bool) {
	m.room.leave(m, lost)
	o.release(m.room)
}

// list returns the rooms that are open.
func (o *openRooms) list() []*room {
	o.mu.Lock()
	defer o.mu.Unlock()
	opened := make([]*room, 0, len(o.byName))
	for _, r := range o.byName {
		select {
		case <-r.ready:
			opened = append(opened, r)
		default:
		}
	}
	return opened
}

// has reports whether a room is in use.
func (o *openRooms) has(name string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.byName[name] != nil
}
