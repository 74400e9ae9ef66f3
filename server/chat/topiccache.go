package chat

import (
	"context"
	"sync"

	"golang.org/x/sync/singleflight"

	"websockets/server/eventlog"
	"websockets/server/topics"
	"websockets/shared"
)

// topicCache knows the topic of an open room: from the records that the log delivers,
// and from the store when it may have missed one. Its methods may be called from any
// goroutine.
type topicCache struct {
	ctx   context.Context // of reading the store, whoever waits for it
	store *topics.Store
	room  string
	loads singleflight.Group

	mu         sync.Mutex           // guards what follows
	last       *shared.TopicPayload // the last change that is known; nil if none is
	generation int                  // grows when a change may have been missed; starts at 1
	loaded     int                  // the generation that was loaded last
}

// note takes in a record of the room. It never waits.
func (t *topicCache) note(record eventlog.Record) {
	topic, ok := topics.Of(record)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = &topic
}

// invalidate notes that a change may have been missed. It never waits.
func (t *topicCache) invalidate() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.generation++
}

// current returns the last change of the room's topic, nil if there was none. If the
// cache is not valid, it reads the store, once for all who wait for that.
func (t *topicCache) current(ctx context.Context) (*shared.TopicPayload, error) {
	topic, valid := t.cached()
	if valid {
		return topic, nil
	}
	loaded := t.loads.DoChan("", func() (any, error) { return nil, t.load() })
	select {
	case result := <-loaded:
		topic, _ = t.cached()
		return topic, result.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (t *topicCache) cached() (topic *shared.TopicPayload, valid bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last, t.loaded == t.generation
}

func (t *topicCache) load() error {
	t.mu.Lock()
	generation := t.generation
	t.mu.Unlock()
	state, err := t.store.Load(t.ctx, t.room)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil || state.Topic != nil && state.Topic.Seq > t.last.Seq {
		t.last = state.Topic
	}
	t.loaded = generation
	return nil
}
