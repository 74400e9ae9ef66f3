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
	// maxOthers is how many records that are no messages are remembered. Unread
	// messages are counted up to shared.MaxUnread, so a reader that is further behind
	// has more than are counted, whatever the records are.
	maxOthers = shared.MaxUnread + 1
	// scanRecords is how many records are read at once to look for unfiled ones.
	scanRecords = 1000
)

// Store reads and writes the rooms' states. Its methods may be called from any
// goroutine; their errors wrap eventlog.ErrUnavailable.
type Store struct {
	log   eventlog.Log
	rooms eventlog.Values
}

// New returns the Store beside a log.
func New(log eventlog.Log) *Store {
	return &Store{log: log, rooms: log.Values(eventlog.Rooms)}
}

// State is what is kept of a room.
type State struct {
	// Epoch names the log that sequences count in.
	Epoch string `json:"epoch"`
	// Topic is the room's newest topic_changed, nil if there was none.
	Topic *shared.TopicPayload `json:"topic,omitempty"`
	// Others are the sequences of the room's newest records that are no messages, in
	// order.
	Others []uint64 `json:"others,omitempty"`
	// Announced is how many changes may have been appended beyond Since and not been
	// filed.
	Announced int    `json:"announced,omitempty"`
	Since     uint64 `json:"since,omitempty"`
}

// OthersAfter returns how many records beyond seq are no messages.
func (s State) OthersAfter(seq uint64) int {
	i, found := slices.BinarySearch(s.Others, seq)
	if found {
		i++
	}
	return len(s.Others) - i
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
		state.settle()
	})
	return err
}

// Load returns a room's state, after filing what a server that died has left
// unfiled.
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

// Read returns a room's state as it is filed. It costs one request.
func (s *Store) Read(ctx context.Context, room string) (State, error) {
	value, err := s.rooms.Get(ctx, room, stateKey)
	if err != nil {
		return State{}, err
	}
	return decode(value, s.log.Epoch(room)), nil
}

// decode reads a state. Of another epoch's only the topic counts.
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
func (s *State) file(topic shared.TopicPayload) {
	if s.Topic == nil || topic.Seq > s.Topic.Seq {
		s.Topic = &topic
	}
	i, known := slices.BinarySearch(s.Others, topic.Seq)
	if known {
		return
	}
	s.Others = slices.Insert(s.Others, i, topic.Seq)
	s.Others = s.Others[max(0, len(s.Others)-maxOthers):]
}

func (s *State) settle() {
	s.Announced = max(0, s.Announced-1)
	if s.Announced == 0 {
		s.Since = 0
	}
}

// scan returns the changes of topic that a room's log has beyond seq.
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

// Of returns the change of topic that a record is, or reports false if it is
// something else.
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
