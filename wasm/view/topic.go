package view

import "websockets/shared"

// TopicLine returns the line below a room's name.
func TopicLine(topic *shared.TopicPayload) string {
	if topic == nil {
		return "Add a topic"
	}
	return topic.Topic
}

// TopicBy says who set the topic and when.
func TopicBy(topic shared.TopicPayload, clock Clock) string {
	return "Set by " + isolate(topic.From) + ", " + isolate(clock.Moment(topic.Sent))
}
