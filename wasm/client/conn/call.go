package conn

import (
	"context"

	"websockets/shared"
)

// MaxCalls is how many calls may wait for their answers.
const MaxCalls = 64

// Call sends a frame whose event has this id, and waits for the event that answers
// it. The error is ctx's; ErrDisconnected if there is no connection that is Ready,
// or if it ended before the answer; or ErrBusy.
func (s *Supervisor) Call(ctx context.Context, id string, frame []byte) (shared.Event, error) {
	answer, err := s.startCall(id, frame)
	if err != nil {
		return shared.Event{}, err
	}
	select {
	case e, ok := <-answer:
		if !ok {
			return e, ErrDisconnected
		}
		return e, nil
	case <-ctx.Done():
		s.mu.Lock()
		delete(s.calls, id) // a late answer finds nobody
		s.mu.Unlock()
		return shared.Event{}, ctx.Err()
	}
}

// startCall returns the channel that the answer comes through. It is closed when
// the connection ends first.
func (s *Supervisor) startCall(id string, frame []byte) (<-chan shared.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.ready:
		return nil, ErrDisconnected
	case len(s.calls) >= MaxCalls || !s.send(frame):
		return nil, ErrBusy
	}
	answer := make(chan shared.Event, 1)
	s.calls[id] = answer
	return answer, nil
}

// HasCall reports whether a call waits for the answer with this id.
func (s *Supervisor) HasCall(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[id] != nil
}

// Answer hands an event to the call that waits for it, if there is one.
func (s *Supervisor) Answer(e shared.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := s.calls[e.ID]
	if answer == nil {
		return
	}
	delete(s.calls, e.ID)
	answer <- e // has room for it
}
