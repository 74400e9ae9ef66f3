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

	"websockets/server/eventlog"
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

// Head implements eventlog.Log.
func (l *Log) Head(ctx context.Context, room string) (eventlog.Record, error) {
	s := l.shardOf(room)
	subject, err := s.stream.subject(room)
	if err != nil {
		return eventlog.Record{}, err
	}
	return s.stream.one(ctx, directGet{LastFor: subject})
}

// at returns the room's record with exactly this sequence; its Seq is 0 if there
// is none.
func (l *Log) at(ctx context.Context, room string, seq uint64) (eventlog.Record, error) {
	if seq == 0 {
		return eventlog.Record{}, nil
	}
	r, err := l.shardOf(room).stream.one(ctx, directGet{Seq: seq})
	if err != nil || r.Room == room {
		return r, err
	}
	return eventlog.Record{}, nil
}

// next returns the room's first record beyond seq; its Seq is 0 if there is none.
// On a cluster a page may not have yet what next returns.
func (l *Log) next(ctx context.Context, room string, seq uint64) (eventlog.Record, error) {
	s := l.shardOf(room)
	subject, err := s.stream.subject(room)
	if err != nil || seq == math.MaxUint64 {
		return eventlog.Record{}, err
	}
	return s.stream.one(ctx, directGet{Seq: seq + 1, NextFor: subject})
}

// Locate implements eventlog.Log.
func (l *Log) Locate(ctx context.Context, room string, seq uint64) (place eventlog.Place, err error) {
	s := l.shardOf(room)
	if _, err := s.stream.subject(room); err != nil {
		return place, err
	}
	if place.Record, err = l.at(ctx, room, seq); err != nil || place.Record.Seq != 0 {
		return place, err
	}
	state, err := s.stream.state(ctx)
	if err != nil {
		return place, err
	}
	// Once more: what has been stored since then is beyond the end.
	if place.Record, err = l.at(ctx, room, seq); err != nil || place.Record.Seq != 0 {
		return place, err
	}
	if seq > state.LastSeq {
		place.State = eventlog.Beyond
		return place, nil
	}
	removed, err := l.mayHaveRemoved(ctx, room, seq)
	if err != nil {
		return place, err
	}
	if !removed && (seq == 0 || seq >= state.FirstSeq) {
		place.State = eventlog.Absent
		return place, nil
	}
	place.State = eventlog.Expired
	next, err := l.next(ctx, room, seq)
	place.First = next.Seq
	return place, err
}

// mayHaveRemoved reports whether retention may have removed records of the room
// beyond seq. It is for a seq at which the room has no record (any more): while the
// record at seq is there, nothing beyond it has been removed.
func (l *Log) mayHaveRemoved(ctx context.Context, room string, seq uint64) (bool, error) {
	state, err := l.shardOf(room).stream.state(ctx)
	if err != nil || state.FirstSeq > 1 && state.FirstSeq-1 > seq {
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
	subject, err := s.stream.subject(room)
	if err != nil {
		return 0, err
	}
	state, err := s.stream.state(ctx, fmt.Sprintf(`{"subjects_filter":%q}`, subject))
	return state.Subjects[subject], err
}

// After implements eventlog.Log.
func (l *Log) After(ctx context.Context, room string, seq uint64, limit, maxBytes int) (page eventlog.Page, err error) {
	run, err := l.readRun(ctx, room, seq, limit, maxBytes)
	if err != nil {
		return page, err
	}
	page = eventlog.Page{Records: run.records, More: run.more, Gone: run.gap}
	last := seq
	if n := len(run.records); n > 0 {
		last = run.records[n-1].Seq
	}
	if l.opts.Replicas > 1 && !page.More { // the replica that answered may lag behind: the leader knows
		next, err := l.next(ctx, room, last)
		if err == nil && next.Seq != 0 && len(page.Records) == 0 {
			page.Records = append(page.Records, next)
			next, err = l.next(ctx, room, next.Seq)
		}
		if err != nil {
			return page, err
		}
		page.More = next.Seq != 0
	}
	if page.Gone || len(page.Records) > 0 && isContiguous(seq, page.Records) {
		return page, nil
	}
	// Asked after the page was read: while the record at seq is there, nothing beyond
	// it has been removed.
	at, err := l.at(ctx, room, seq)
	if err == nil && at.Seq == 0 {
		page.Gone, err = l.mayHaveRemoved(ctx, room, seq)
	}
	return page, err
}

// run is a part of a room that has no gap inside.
type run struct {
	records []eventlog.Record
	gap     bool // some before the first cannot be read
	more    bool // there are records beyond it
}

// readRun reads the records beyond seq up to the first that cannot be read. On a
// cluster it may end early, where the replica that answers ends.
func (l *Log) readRun(ctx context.Context, room string, seq uint64, limit, maxBytes int) (run, error) {
	s := l.shardOf(room)
	subject, err := s.stream.subject(room)
	if err != nil || seq == math.MaxUint64 { // seq + 1 would be the start
		return run{}, err
	}
	p, err := s.stream.direct(ctx, directGet{Seq: seq + 1, NextFor: subject, Batch: limit, MaxBytes: maxBytes})
	if err != nil {
		return run{}, err
	}
	return s.stream.untilGap(ctx, subject, seq, p)
}

// Count implements eventlog.Log.
func (l *Log) Count(ctx context.Context, room string, seq uint64) (int, error) {
	s := l.shardOf(room)
	subject, err := s.stream.subject(room)
	if err != nil {
		return 0, err
	}
	if seq == math.MaxUint64 {
		return 0, nil
	}
	return s.stream.countBeyond(ctx, subject, seq)
}

// back returns the sequence from which on the room has n records below before,
// or all of them if it has fewer: those beyond start begin with the first. more
// says that there are older ones. before 0 means the end.
//
// The log is indexed by sequence, not by room, so this widens a window below
// before until it holds enough and then halves it; each step is one request.
func (l *Log) back(ctx context.Context, room string, before uint64, n int) (start uint64, more bool, err error) {
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

// RecentRooms implements eventlog.Log. A mark is a sequence for each shard.
func (l *Log) RecentRooms(ctx context.Context, since eventlog.Mark) (recent []eventlog.Record, now eventlog.Mark, err error) {
	now = make(eventlog.Mark, len(l.shards))
	copy(now, since)
	for i, s := range l.shards {
		newest, reached, err := s.stream.newest(ctx, now[i])
		if err != nil {
			return nil, since, err
		}
		recent = append(recent, newest...)
		now[i] = reached
	}
	return recent, now, nil
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
