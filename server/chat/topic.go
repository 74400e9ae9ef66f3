package chat

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"websockets/server/eventlog"
	"websockets/server/topics"
	"websockets/shared"
)

// setTopic appends a change of topic to the room's log. Members on every server get
// it from there, in order with the messages. The reader waits until it is done: a
// client has only one such change in flight.
func (m *Manager) setTopic(ctx context.Context, r request, p shared.SetTopicPayload) error {
	here := r.find(p.Room)
	if here == nil {
		return notMember(p.Room)
	}
	if err := r.checkNewRoom(here); err != nil {
		return err
	}
	if !r.beginSend() {
		return tryAgain("an earlier message could not be stored: send again from that one on")
	}
	topic := shared.TopicPayload{
		ID: r.id, Room: here.room.name, User: r.user, From: r.displayName(),
		Topic: p.Topic, Sent: time.Now().UTC().Truncate(time.Millisecond),
	}
	if topic.ID == "" {
		topic.ID = rand.Text()
	}
	stored, err := m.storeTopic(ctx, topic)
	var refused *shared.Error
	r.sends.end(err != nil && !errors.As(err, &refused))
	if err != nil {
		r.out.Release()
		return r.unavailable(err)
	}
	r.ack(here.room.name, stored.Seq, stored.Sent)
	return nil
}

// storeTopic appends a change of topic and files it. The same id again with the same
// topic is the same change.
func (m *Manager) storeTopic(ctx context.Context, topic shared.TopicPayload) (stored shared.TopicPayload, err error) {
	m.appends.begin() // until the change is filed
	defer m.appends.end()
	err = m.topics.Announce(ctx, topic.Room)
	if err != nil {
		return topic, err
	}
	receipt, err := m.appends.appendAndWait(ctx, topic.Room, topic.User, topic.ID, shared.TopicChanged.Frame("", topic))
	if err != nil {
		return topic, err // it stays announced: to find that nothing was appended costs little
	}
	topic.Seq = receipt.Seq
	if !receipt.Duplicate {
		return topic, m.topics.File(ctx, topic)
	}
	place, err := m.log.Locate(ctx, topic.Room, receipt.Seq)
	if err != nil {
		return topic, err
	}
	first, isTopic := topics.Of(place.Record)
	if !isTopic || first.Topic != topic.Topic {
		return topic, idReused(topic.ID)
	}
	return first, m.topics.File(ctx, first)
}

// noteRecord keeps the room's topic current. The log calls it with every record.
func (r *room) noteRecord(record eventlog.Record) {
	topic, ok := topics.Of(record)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.topic = &topic
}

// noteSkipped notes that a change of topic may have been missed.
func (r *room) noteSkipped() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.topicGeneration++
}

// currentTopic returns the last change of the room's topic, nil if there was none. It reads the log's
// values if the topic is not known, once for all who ask.
func (r *room) currentTopic(ctx context.Context) (*shared.TopicPayload, error) {
	topic, known := r.knownTopic()
	if known {
		return topic, nil
	}
	loaded := r.topicLoad.DoChan("", func() (any, error) { return nil, r.loadTopic() })
	select {
	case result := <-loaded:
		topic, _ = r.knownTopic()
		return topic, result.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *room) knownTopic() (topic *shared.TopicPayload, known bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.topic, r.topicLoaded == r.topicGeneration
}

func (r *room) loadTopic() error {
	r.mu.RLock()
	skips := r.topicGeneration
	r.mu.RUnlock()
	state, err := r.rooms.topics.Load(r.rooms.ctx, r.name)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.topic == nil || state.Topic != nil && state.Topic.Seq > r.topic.Seq {
		r.topic = state.Topic
	}
	r.topicLoaded = skips
	return nil
}
