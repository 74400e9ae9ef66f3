package chat

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"websockets/server/topics"
	"websockets/shared"
)

// setTopic appends a change of topic to the room's log. Members on every server get it
// from there, in order with the messages. The reader waits until it is stored, so a
// client has only one change in flight.
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

// storeTopic appends a change of topic and files it. The same id with the same topic
// again is the same change; with another topic the error is a *shared.Error id_reused.
func (m *Manager) storeTopic(ctx context.Context, topic shared.TopicPayload) (stored shared.TopicPayload, err error) {
	m.appends.begin() // until the change is filed
	defer m.appends.end()
	err = m.topics.Announce(ctx, topic.Room)
	if err != nil {
		return topic, err
	}
	receipt, err := m.appends.appendAndWait(ctx, topic.Room, topic.User, topic.ID, shared.TopicChanged.Frame("", topic))
	if err != nil {
		return topic, err // it stays announced, which costs the next Load a short scan
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
