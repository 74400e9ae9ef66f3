package topics

import (
	"context"
	"encoding/json"
	"slices"

	"websockets/server/eventlog"
	"websockets/server/timeline"
	"websockets/shared"
)

const (
	stateKey = "state"
	// maxOthers is how many records that are not messages are remembered. Unread messages
	// are counted up to shared.MaxUnread. The count is too high if more such records than
	// this follow a read mark.
	maxOthers = shared.MaxUnread + 1
	// scanRecords is how many records a scan reads at once.
	scanRecords = 1000
)

// Store stores the states of rooms. Its methods may be called from any goroutine; their
// errors wrap eventlog.ErrUnavailable.
type Store struct {
	log   eventlog.Log
	rooms eventlog.Values
}

// New returns the Store that lives beside a log.
func New(log eventlog.Log) *Store {
	return &Store{log: log, rooms: log.Values(eventlog.Rooms)}
}

// State is what is stored of a room.
type State struct {
	// Epoch is the epoch of the sequences.
	Epoch string `json:"epoch"`
	// Topic is the room's newest topic_changed, nil if there was none.
	Topic *shared.TopicPayload `json:"topic,omitempty"`
	// Others are the sequences of the room's newest records that are not messages, in
	// order.
	Others []uint64 `json:"others,omitempty"`
	// Announced is how many changes may be in the log after Since that are not filed.
	Announced int    `json:"announced,omitempty"`
	Since     uint64 `json:"since,omitempty"`
}

// OthersAfter returns how many records after seq are not messages.
func (st State) OthersAfter(seq uint64) int {
	i, found := slices.BinarySearch(st.Others, seq)
	if found {
		i++
	}
	return len(st.Others) - i
}

// Announce notes that a change is about to be appended to a room's log.
func (s *Store) Announce(ctx context.Context, room string) error {
	head, err := s.log.Head(ctx, room)
	if err != nil {
		return err
	}
	_, err = s.update(ctx, room, func(state *State) {
		if state.Announced == 0 {
			state.Since = head.Seq
		}
		state.Announced++
	})
	return err
}

// File files a change that was announced and is in the log.
func (s *Store) File(ctx context.Context, topic shared.TopicPayload) error {
	_, err := s.update(ctx, topic.Room, func(state *State) {
		state.file(topic)
		state.endAnnouncement()
	})
	return err
}

// Load returns a room's state. If changes are announced, it files those that are in the
// log first: a server may have died before it filed them.
func (s *Store) Load(ctx context.Context, room string) (State, error) {
	state, err := s.Read(ctx, room)
	if err != nil || state.Announced == 0 {
		return state, err
	}
	found, err := s.scan(ctx, room, state.Since)
	if err != nil {
		return state, err
	}
	return s.update(ctx, room, func(state *State) {
		for _, topic := range found {
			state.file(topic)
		}
		state.Announced, state.Since = 0, 0
	})
}

// Read returns a room's state as it is stored. It costs one request.
func (s *Store) Read(ctx context.Context, room string) (State, error) {
	value, err := s.rooms.Get(ctx, room, stateKey)
	if err != nil {
		return State{}, err
	}
	return decode(value, s.log.Epoch(room)), nil
}

// decode decodes a state. Of a state of another epoch, only the topic is kept.
func decode(value []byte, epoch string) State {
	var state State
	if json.Unmarshal(value, &state) != nil {
		return State{Epoch: epoch}
	}
	if state.Epoch != epoch {
		state = State{Epoch: epoch, Topic: state.Topic}
		if state.Topic != nil {
			state.Topic.Seq = 0
		}
	}
	return state
}

func (s *Store) update(ctx context.Context, room string, change func(*State)) (state State, err error) {
	_, err = s.rooms.Update(ctx, room, stateKey, func(old []byte) ([]byte, bool) {
		state = decode(old, s.log.Epoch(room))
		change(&state)
		value, err := json.Marshal(state)
		return value, err == nil
	})
	return state, err
}

// file adds a change that is in the log.
func (st *State) file(topic shared.TopicPayload) {
	if st.Topic == nil || topic.Seq > st.Topic.Seq {
		st.Topic = &topic
	}
	i, found := slices.BinarySearch(st.Others, topic.Seq)
	if found {
		return
	}
	st.Others = slices.Insert(st.Others, i, topic.Seq)
	st.Others = st.Others[max(0, len(st.Others)-maxOthers):]
}

func (st *State) endAnnouncement() {
	st.Announced = max(0, st.Announced-1)
	if st.Announced == 0 {
		st.Since = 0
	}
}

// scan returns the changes of topic that a room's log has after seq.
func (s *Store) scan(ctx context.Context, room string, seq uint64) (found []shared.TopicPayload, err error) {
	for {
		page, err := s.log.After(ctx, room, seq, scanRecords, 0)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Records {
			if topic, ok := Of(r); ok {
				found = append(found, topic)
			}
			seq = r.Seq
		}
		if !page.More {
			return found, nil
		}
	}
}

// Of decodes a record that is a change of topic. It reports false for any other record.
func Of(r eventlog.Record) (topic shared.TopicPayload, ok bool) {
	if timeline.IsMessage(r.Body) {
		return topic, false
	}
	e, ok := timeline.Event(r)
	if !ok || e.Type != shared.TopicChanged.Name() {
		return topic, false
	}
	topic, err := shared.TopicChanged.Decode(e)
	topic.Seq = r.Seq
	return topic, err == nil
}
