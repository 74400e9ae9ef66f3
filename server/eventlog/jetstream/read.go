package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
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

// Head returns the room's newest entry; its Seq is 0 if there is none.
func (l *Log) Head(ctx context.Context, room string) (Entry, error) {
	s := l.shardOf(room)
	subject, err := s.subject(room)
	if err != nil {
		return Entry{}, err
	}
	return l.one(ctx, s, directGet{LastFor: subject})
}

// At returns the room's entry with exactly this sequence; its Seq is 0 if there
// is none.
func (l *Log) At(ctx context.Context, room string, seq uint64) (Entry, error) {
	if seq == 0 {
		return Entry{}, nil
	}
	e, err := l.one(ctx, l.shardOf(room), directGet{Seq: seq})
	if err != nil || e.Room == room {
		return e, err
	}
	return Entry{}, nil
}

// Next returns the room's first entry beyond seq; its Seq is 0 if there is none.
// On a cluster After may not see yet what Next does.
func (l *Log) Next(ctx context.Context, room string, seq uint64) (Entry, error) {
	s := l.shardOf(room)
	subject, err := s.subject(room)
	if err != nil {
		return Entry{}, err
	}
	return l.one(ctx, s, directGet{Seq: seq + 1, NextFor: subject})
}

// Removed reports whether retention may have removed messages of the room beyond
// seq. It is for a seq at which the room has no message (any more): while the
// message at seq is there, nothing beyond it has been removed.
func (l *Log) Removed(ctx context.Context, room string, seq uint64) (bool, error) {
	state, err := l.state(ctx, l.shardOf(room))
	if err != nil || state.FirstSeq > seq+1 {
		return err == nil, err
	}
	if l.opts.MaxRoomMessages == 0 {
		return false, nil
	}
	kept, err := l.kept(ctx, room)
	return kept >= l.opts.MaxRoomMessages, err
}

// kept asks the stream's leader how many messages the room has.
func (l *Log) kept(ctx context.Context, room string) (int64, error) {
	s := l.shardOf(room)
	subject, err := s.subject(room)
	if err != nil {
		return 0, err
	}
	state, err := l.state(ctx, s, fmt.Sprintf(`{"subjects_filter":%q}`, subject))
	return state.Subjects[subject], err
}

// After returns the room's entries beyond seq, oldest first: at most limit, and
// about maxBytes. None means that there are none now, or on a cluster that the
// replica which answered does not have them yet: Next knows.
func (l *Log) After(ctx context.Context, room string, seq uint64, limit, maxBytes int) ([]Entry, error) {
	s := l.shardOf(room)
	subject, err := s.subject(room)
	if err != nil {
		return nil, err
	}
	if seq == math.MaxUint64 { // seq + 1 would be the start
		return nil, nil
	}
	page, err := l.direct(ctx, s, directGet{Seq: seq + 1, NextFor: subject, Batch: limit, MaxBytes: maxBytes})
	if err != nil {
		return nil, err
	}
	return l.withoutGaps(ctx, s, subject, seq, page)
}

// Count returns how many entries the room has beyond seq.
func (l *Log) Count(ctx context.Context, room string, seq uint64) (int, error) {
	s := l.shardOf(room)
	subject, err := s.subject(room)
	if err != nil {
		return 0, err
	}
	if seq == math.MaxUint64 {
		return 0, nil
	}
	return l.countBeyond(ctx, s, subject, seq)
}

// Back returns the sequence from which on the room has n entries below before,
// or all of them if it has fewer: After(room, start, …) begins with the first.
// more says that there are older ones. before 0 means the end.
//
// The log is indexed by sequence, not by room, so this widens a window below
// before until it holds enough and then halves it; each look is one request.
func (l *Log) Back(ctx context.Context, room string, before uint64, n int) (start uint64, more bool, err error) {
	total, err := l.Count(ctx, room, 0)
	if err != nil {
		return 0, false, err
	}
	head, err := l.Head(ctx, room)
	if err != nil {
		return 0, false, err
	}
	if before == 0 || before > head.Seq { // beyond the end there is nothing to look through
		before = head.Seq + 1
	}
	newer, err := l.Count(ctx, room, before-1)
	if err != nil {
		return 0, false, err
	}
	if total-newer <= n {
		return 0, false, nil
	}
	// In (start, before) lie at least n, in (tooFew, before) fewer.
	start, tooFew := uint64(0), before-1
	for width := uint64(n); width < before-1; width *= 4 {
		at := before - 1 - width
		count, err := l.Count(ctx, room, at)
		if err != nil {
			return 0, false, err
		}
		if count-newer >= n {
			start = at
			break
		}
		tooFew = at
	}
	for start+1 < tooFew {
		middle := start + (tooFew-start)/2
		count, err := l.Count(ctx, room, middle)
		switch {
		case err != nil:
			return 0, false, err
		case count-newer == n:
			return middle, true, nil
		case count-newer > n:
			start = middle
		default:
			tooFew = middle
		}
	}
	return start, true, nil
}

// LastSeq returns the last sequence of a shard's stream.
func (l *Log) LastSeq(ctx context.Context, number int) (uint64, error) {
	state, err := l.state(ctx, l.shards[number])
	return state.LastSeq, err
}

// state asks the stream's leader. The library's own type leaves out what the
// store itself says is lost.
func (l *Log) state(ctx context.Context, s *shard, request ...string) (streamState, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var m *nats.Msg
	err := persist(ctx, func(ctx context.Context) (err error) {
		m, err = l.conn.RequestWithContext(ctx, "$JS.API.STREAM.INFO."+s.stream, []byte(strings.Join(request, "")))
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

// Newest returns the newest entry of each of the shard's rooms that were last
// written to beyond seq, oldest first, and the sequence up to which it looked. If
// the shard has more rooms than the store answers for at once, about a thousand,
// these are only the rooms of the last few hundred messages.
func (l *Log) Newest(ctx context.Context, number int, seq uint64) ([]Entry, uint64, error) {
	const window = 500
	last, err := l.LastSeq(ctx, number)
	if err != nil || last <= seq {
		return nil, seq, err
	}
	s := l.shards[number]
	all := fmt.Sprintf("room.%d.*", number)
	p, err := l.direct(ctx, s, directGet{Seq: seq + 1, LastOf: []string{all}})
	switch {
	case errors.Is(err, errTooMany):
		if last > window {
			seq = max(seq, last-window)
		}
		p, err = l.direct(ctx, s, directGet{Seq: seq + 1, NextFor: all, Batch: window})
		p.upTo = last
	case p.upTo == 0 && l.opts.Replicas == 1: // there is nothing: what was is gone
		p.upTo = last
	}
	return p.entries, max(seq, p.upTo), err
}

// errTooMany is the store's refusal to answer for so many rooms at once.
var errTooMany = errors.New("too many rooms to answer for at once")

// Heads returns the newest entries of those of the rooms, all of one shard, that
// were written to beyond seq. MaxHeads rooms are the most. On a cluster a replica
// may not have the last ones yet: sure says that no room has another one up to
// last, which is what LastSeq has told before.
func (l *Log) Heads(ctx context.Context, number int, rooms []string, seq, last uint64) (heads []Entry, sure bool, err error) {
	s := l.shards[number]
	get := directGet{Seq: seq + 1}
	for _, room := range rooms {
		subject, err := s.subject(room)
		if err != nil {
			return nil, false, err
		}
		get.LastOf = append(get.LastOf, subject)
	}
	page, err := l.direct(ctx, s, get)
	// An answer without entries does not say how far the replica has got.
	sure = err == nil && (page.upTo >= last || l.opts.Replicas == 1)
	return page.entries, sure, err
}

// MaxHeads is how many rooms Heads takes.
const MaxHeads = 500
