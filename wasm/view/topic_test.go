package view

import (
	"testing"
	"time"

	"websockets/shared"
)

func TestTopic(t *testing.T) {
	t.Parallel()
	if got := TopicLine(nil); got != "Add a topic" {
		t.Errorf("no topic: got %q, want Add a topic", got)
	}
	topic := shared.TopicPayload{From: "Ann", Topic: "<b>Lunch</b>", Sent: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	if got := TopicLine(&topic); got != "<b>Lunch</b>" {
		t.Errorf("topic: got %q, want it as it is", got)
	}
	persian := shared.TopicPayload{From: "مریم", Sent: topic.Sent}
	local := Clock{Moment: func(time.Time) string { return "۲ ژانویه" }}
	if got, want := TopicBy(persian, local), "Set by \u2068مریم\u2069, \u2068۲ ژانویه\u2069"; got != want {
		t.Errorf("who set it, from right to left: got %q, want %q", got, want)
	}
	clock := Clock{Moment: func(t time.Time) string { return t.Format(time.DateOnly) }}
	if got, want := TopicBy(topic, clock), "Set by Ann, 2026-01-02"; got != want {
		t.Errorf("who set it: got %q, want %q", got, want)
	}
}
