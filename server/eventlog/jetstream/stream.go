package jetstream

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"websockets/server/eventlog"
	"websockets/shared"
)

const (
	// maxReads is how many reads may be in flight at once, each of at most one page.
	maxReads = 16
	// readTimeout bounds a read.
	readTimeout = 10 * time.Second
	// attemptTimeout is how long a request may take before it is sent again: a leader
	// that was elected meanwhile never received it.
	attemptTimeout = 2 * time.Second
	// attemptPause is the time before a request is sent again that nobody could answer.
	attemptPause = 200 * time.Millisecond
	// maxHeads is how many rooms stream.heads takes. JetStream responds with about twice
	// as many.
	maxHeads = 500
)

// stream reads the JetStream stream of one shard. Its methods may be called from any
// goroutine, and their errors wrap ErrUnavailable. One that sends requests blocks for
// readTimeout at most.
type stream struct {
	number int // the shard's
	name   string
	names  names
	opts   *Options   // the log's
	conn   *nats.Conn // the log's, for requests
	js     jetstream.JetStream
	reads  chan struct{} // the log's: a slot for each read in flight, which bounds memory
	gaps   sync.Map      // gaps that have been logged, by the sequence that follows

	settings atomic.Pointer[settings] // the stream's, when its state was last read
}

// subject is where the room's messages are stored. A valid name has no character with
// a meaning in subjects; any other is refused.
func (s *stream) subject(room string) (string, error) {
	err := shared.ValidateRoom(room)
	if err != nil {
		return "", err
	}
	return s.names.room(s.number, room), nil
}

// streamState is what a stream holds.
type streamState struct {
	FirstSeq   uint64           `json:"first_seq"`
	Rooms      int              `json:"num_subjects"`
	LastSeq    uint64           `json:"last_seq"`
	Messages   uint64           `json:"messages"`
	Bytes      uint64           `json:"bytes"`
	FirstTime  time.Time        `json:"first_ts"`
	NumDeleted int              `json:"num_deleted"`
	Deleted    []uint64         `json:"deleted"`  // only with deleted_details
	Subjects   map[string]int64 `json:"subjects"` // message counts; only with subjects_filter
	Lost       *struct {
		Msgs []uint64 `json:"msgs"`
	} `json:"lost"`
}

// state returns the state of the stream from its leader, and notes its settings. The
// library's own type leaves out what the store knows to be lost.
func (s *stream) state(ctx context.Context, options ...string) (streamState, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var reply *nats.Msg
	err := s.opts.retry(ctx, func(ctx context.Context) (err error) {
		reply, err = s.conn.RequestWithContext(ctx, "$JS.API.STREAM.INFO."+s.name, []byte(strings.Join(options, "")))
		return err
	})
	if err != nil {
		return streamState{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	var info struct {
		Error  *jetstream.APIError
		State  streamState
		Config streamConfig
	}
	err = json.Unmarshal(reply.Data, &info)
	if err != nil {
		return streamState{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if info.Error != nil {
		return streamState{}, fmt.Errorf("%w: %w", ErrUnavailable, info.Error)
	}
	s.observe(info.Config.settings())
	return info.State, nil
}

// lastSeq returns the stream's last sequence.
func (s *stream) lastSeq(ctx context.Context) (uint64, error) {
	state, err := s.state(ctx)
	return state.LastSeq, err
}

// heads returns the newest records of those rooms that were appended to beyond seq;
// there may be maxHeads rooms at most. On a cluster a replica may lag behind:
// isCurrent says that none of the rooms has another record up to last, a sequence
// that the stream is known to have.
func (s *stream) heads(ctx context.Context, rooms []string, seq, last uint64) (heads []eventlog.Record, isCurrent bool, err error) {
	get := directGet{Seq: seq + 1}
	for _, room := range rooms {
		subject, err := s.subject(room)
		if err != nil {
			return nil, false, err
		}
		get.LastOf = append(get.LastOf, subject)
	}
	r, err := s.getMany(ctx, get)
	// A response without entries does not say how far the replica has got.
	isCurrent = err == nil && (r.upTo >= last || s.settings.Load().Replicas == 1)
	return recordsOf(r.entries), isCurrent, err
}

func recordsOf(entries []entry) []eventlog.Record {
	records := make([]eventlog.Record, len(entries))
	for i, e := range entries {
		records[i] = e.Record
	}
	return records
}
