package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"websockets/server/eventlog"
	"websockets/shared"
)

const (
	// maxReads are under way at once, each of at most one page.
	maxReads = 16
	// readTimeout ends a read that the store does not answer.
	readTimeout = 10 * time.Second
	// askAgain is how long an answer may take before the question is put again: the
	// leader that a cluster has chosen meanwhile never heard it.
	askAgain = 2 * time.Second
)

// stream reads the JetStream stream of one shard. Its methods may be called from any
// goroutine.
type stream struct {
	number int // of the shard
	name   string
	opts   *Options      // the log's
	conn   *nats.Conn    // the log's, for requests
	reads  chan struct{} // the log's: a slot for each read in flight bounds their memory
	gaps   sync.Map      // those that are logged: the sequence after the gap to true
}

// subject is where the room's messages are stored. A room's name has no letter
// that means something in a subject, so it stands for itself; anything else is
// refused here, whoever was to check it before.
func (s *stream) subject(room string) (string, error) {
	if err := shared.ValidateRoom(room); err != nil {
		return "", err
	}
	return "room." + strconv.Itoa(s.number) + "." + room, nil
}

// feedSubject is where the stream republishes what it has stored.
func (s *stream) feedSubject(room string) string {
	return "feed." + strconv.Itoa(s.number) + "." + room
}

// signalSubject is where servers talk to each other about a room.
func (s *stream) signalSubject(room string) string {
	return "signal." + strconv.Itoa(s.number) + "." + room
}

// lastSeq returns the last sequence of the shard's stream.
func (s *stream) lastSeq(ctx context.Context) (uint64, error) {
	state, err := s.state(ctx)
	return state.LastSeq, err
}

// state asks the stream's leader. The library's own type leaves out what the
// store itself says is lost.
func (s *stream) state(ctx context.Context, request ...string) (streamState, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var m *nats.Msg
	err := persist(ctx, func(ctx context.Context) (err error) {
		m, err = s.conn.RequestWithContext(ctx, "$JS.API.STREAM.INFO."+s.name, []byte(strings.Join(request, "")))
		return err
	})
	if err != nil {
		return streamState{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	var answer struct {
		Error *jetstream.APIError
		State streamState
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return streamState{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if answer.Error != nil {
		return streamState{}, fmt.Errorf("%w: %w", ErrUnavailable, answer.Error)
	}
	return answer.State, nil
}

// streamState is what a stream holds.
type streamState struct {
	FirstSeq   uint64   `json:"first_seq"`
	LastSeq    uint64   `json:"last_seq"`
	Bytes      uint64   `json:"bytes"`
	NumDeleted int      `json:"num_deleted"`
	Deleted    []uint64 `json:"deleted"` // only with deleted_details
	// Subjects are message counts; only with subjects_filter.
	Subjects map[string]int64 `json:"subjects"`
	Lost     *struct {
		Msgs []uint64 `json:"msgs"`
	} `json:"lost"`
}

// newest returns the newest record of each of the shard's rooms that were last
// written to beyond seq, oldest first, and the sequence up to which it looked. If
// the shard has more rooms than the store answers for at once, about a thousand,
// these are only the rooms of the last few hundred records.
func (s *stream) newest(ctx context.Context, seq uint64) ([]eventlog.Record, uint64, error) {
	const window = 500
	last, err := s.lastSeq(ctx)
	if err != nil || last <= seq {
		return nil, seq, err
	}
	all := fmt.Sprintf("room.%d.*", s.number)
	p, err := s.direct(ctx, directGet{Seq: seq + 1, LastOf: []string{all}})
	switch {
	case errors.Is(err, errTooMany):
		if last > window {
			seq = max(seq, last-window)
		}
		p, err = s.direct(ctx, directGet{Seq: seq + 1, NextFor: all, Batch: window})
		p.upTo = last
	case p.upTo == 0 && s.opts.Replicas == 1: // there is nothing: what was is gone
		p.upTo = last
	}
	return recordsOf(p.entries), max(seq, p.upTo), err
}

// errTooMany is the store's refusal to answer for so many rooms at once.
var errTooMany = errors.New("too many rooms to answer for at once")

// heads returns the newest records of those of the rooms, all of one shard, that
// were written to beyond seq. maxHeads rooms are the most. On a cluster a replica
// may lag behind: current says that no room has another one up to last, which
// lastSeq returned before.
func (s *stream) heads(ctx context.Context, rooms []string, seq, last uint64) (heads []eventlog.Record, current bool, err error) {
	get := directGet{Seq: seq + 1}
	for _, room := range rooms {
		subject, err := s.subject(room)
		if err != nil {
			return nil, false, err
		}
		get.LastOf = append(get.LastOf, subject)
	}
	p, err := s.direct(ctx, get)
	// An answer without entries does not say how far the replica has got.
	current = err == nil && (p.upTo >= last || s.opts.Replicas == 1)
	return recordsOf(p.entries), current, err
}

// maxHeads is how many rooms heads takes.
const maxHeads = 500

func recordsOf(entries []entry) []eventlog.Record {
	records := make([]eventlog.Record, len(entries))
	for i, e := range entries {
		records[i] = e.Record
	}
	return records
}
