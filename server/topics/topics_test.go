package topics

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"websockets/server/eventlog"
	"websockets/server/eventlog/memlog"
	"websockets/shared"
)

// change appends a change of topic, as a server does that has announced it.
func change(t *testing.T, log eventlog.Log, id, text string) shared.TopicPayload {
	t.Helper()
	topic := shared.TopicPayload{ID: id, Room: "x", User: "u7", From: "Zoë", Topic: text}
	err := log.Append(t.Context(), "x", id, shared.TopicChanged.Frame("", topic), func(r eventlog.Receipt, _ error) { topic.Seq = r.Seq })
	if err != nil {
		t.Fatal(err)
	}
	return topic
}

func say(t *testing.T, log eventlog.Log, id string) {
	t.Helper()
	err := log.Append(t.Context(), "x", id, shared.Message{ID: id, Room: "x", Message: "hi"}.Encode(), func(eventlog.Receipt, error) {})
	if err != nil {
		t.Fatal(err)
	}
}

func mustLoad(t *testing.T, s *Store) State {
	t.Helper()
	state, err := s.Load(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestLastFiledTopicIsCurrent(t *testing.T) {
	t.Parallel()
	log := memlog.Open(memlog.Options{})
	s := New(log)
	if state := mustLoad(t, s); state.Topic != nil || state.OthersAfter(0) != 0 {
		t.Errorf("a room without a topic: got %+v, want nothing", state)
	}
	must(t, s.Announce(t.Context(), "x"))
	must(t, s.Announce(t.Context(), "x"))
	first := change(t, log, "1", "one")
	say(t, log, "m")
	second := change(t, log, "2", "two")
	must(t, s.File(t.Context(), second)) // two servers file in any order
	must(t, s.File(t.Context(), first))
	state := mustLoad(t, s)
	if state.Topic == nil || state.Topic.Topic != "two" || state.Announced != 0 {
		t.Errorf("state: got %+v, want the topic two and nothing announced", state)
	}
	for seq, want := range map[uint64]int{0: 2, first.Seq: 1, first.Seq + 1: 1, second.Seq: 0} {
		if got := state.OthersAfter(seq); got != want {
			t.Errorf("OthersAfter(%d): got %d, want %d", seq, got, want)
		}
	}
}

// If a server dies between appending a change and filing it, the next Load finds the
// change in the log.
func TestUnfiledChangesAreFound(t *testing.T) {
	t.Parallel()
	log := memlog.Open(memlog.Options{})
	s := New(log)
	say(t, log, "before")
	must(t, s.Announce(t.Context(), "x"))
	lost := change(t, log, "1", "not filed")
	for i := range 2500 { // more than are read at once
		say(t, log, fmt.Sprint("after ", i))
	}
	state := mustLoad(t, s)
	if state.Topic == nil || state.Topic.Topic != "not filed" || state.Topic.Seq != lost.Seq || !slices.Equal(state.Others, []uint64{lost.Seq}) {
		t.Errorf("state: got %+v, want what was not filed, at %d", state, lost.Seq)
	}
	kept, err := s.Read(t.Context(), "x")
	if err != nil || kept.Announced != 0 || kept.Topic == nil {
		t.Errorf("afterwards: got %+v, %v, want it filed", kept, err)
	}
	must(t, s.File(t.Context(), lost)) // it was not dead, but slow
	if state := mustLoad(t, s); len(state.Others) != 1 || state.Announced != 0 {
		t.Errorf("filed twice: got %+v, want it once", state)
	}
}

func TestStateIsBounded(t *testing.T) {
	t.Parallel()
	log := memlog.Open(memlog.Options{})
	s := New(log)
	for i := range 3 * maxOthers {
		must(t, s.File(t.Context(), change(t, log, fmt.Sprint(i), fmt.Sprint(i))))
	}
	state := mustLoad(t, s)
	if len(state.Others) != maxOthers || state.Topic.Topic != fmt.Sprint(3*maxOthers-1) {
		t.Errorf("state: got %d sequences and topic %s, want %d and the last", len(state.Others), state.Topic.Topic, maxOthers)
	}
}

// In another epoch the topic is kept, but its sequence means nothing.
func TestNewEpochKeepsOnlyTheTopic(t *testing.T) {
	t.Parallel()
	log := memlog.Open(memlog.Options{})
	must(t, New(log).File(t.Context(), change(t, log, "1", "kept")))
	other := New(otherEpoch{log})
	state, err := other.Load(context.Background(), "x")
	if err != nil || state.Topic == nil || state.Topic.Topic != "kept" || state.Topic.Seq != 0 || len(state.Others) != 0 {
		t.Errorf("state: got %+v, %v, want the topic without a place", state, err)
	}
	must(t, other.File(t.Context(), shared.TopicPayload{Seq: 1, Room: "x", Topic: "newer"}))
	state, err = other.Load(context.Background(), "x")
	if err != nil || state.Topic.Topic != "newer" {
		t.Errorf("state: got %+v, %v, want the newer topic", state, err)
	}
}

type otherEpoch struct{ eventlog.Log }

func (otherEpoch) Epoch(string) string { return "another" }
