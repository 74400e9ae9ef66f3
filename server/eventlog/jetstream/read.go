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

// roomReader reads one room's records from its shard's stream. Its methods may be
// called from any goroutine; each fails with ErrUnavailable after readTimeout for
// each request it makes.
type roomReader struct {
	stream  *stream
	name    string
	subject string
}

// room returns a reader of the room. It fails if the name is invalid.
func (s *stream) room(name string) (roomReader, error) {
	subject, err := s.subject(name)
	return roomReader{stream: s, name: name, subject: subject}, err
}

func (l *Log) room(name string) (roomReader, error) { return l.shardOf(name).stream.room(name) }

// Head implements eventlog.Log.
func (l *Log) Head(ctx context.Context, room string) (eventlog.Record, error) {
	r, err := l.room(room)
	if err != nil {
		return eventlog.Record{}, err
	}
	return r.head(ctx)
}

// Locate implements eventlog.Log.
func (l *Log) Locate(ctx context.Context, room string, seq uint64) (eventlog.Place, error) {
	r, err := l.room(room)
	if err != nil {
		return eventlog.Place{}, err
	}
	return r.locate(ctx, seq)
}

// After implements eventlog.Log.
func (l *Log) After(ctx context.Context, room string, seq uint64, limit, maxBytes int) (eventlog.Page, error) {
	r, err := l.room(room)
	if err != nil {
		return eventlog.Page{}, err
	}
	return r.after(ctx, seq, limit, maxBytes)
}

// Before implements eventlog.Log.
func (l *Log) Before(ctx context.Context, room string, before uint64, limit, maxBytes int) (eventlog.Page, error) {
	r, err := l.room(room)
	if err != nil {
		return eventlog.Page{}, err
	}
	return r.before(ctx, before, limit, maxBytes)
}

// Count implements eventlog.Log.
func (l *Log) Count(ctx context.Context, room string, seq uint64) (int, error) {
	r, err := l.room(room)
	if err != nil {
		return 0, err
	}
	return r.count(ctx, seq)
}

// head returns the room's newest record; its Seq is 0 if there is none.
func (r roomReader) head(ctx context.Context) (eventlog.Record, error) {
	return r.stream.one(ctx, directGet{LastFor: r.subject})
}

// at returns the room's record with exactly this sequence; its Seq is 0 if there
// is none.
func (r roomReader) at(ctx context.Context, seq uint64) (eventlog.Record, error) {
	if seq == 0 {
		return eventlog.Record{}, nil
	}
	record, err := r.stream.one(ctx, directGet{Seq: seq})
	if err != nil || record.Room == r.name {
		return record, err
	}
	return eventlog.Record{}, nil
}

// next returns the room's first record beyond seq; its Seq is 0 if there is none.
// On a cluster a page may not have yet what next returns.
func (r roomReader) next(ctx context.Context, seq uint64) (eventlog.Record, error) {
	if seq == math.MaxUint64 {
		return eventlog.Record{}, nil
	}
	return r.stream.one(ctx, directGet{Seq: seq + 1, NextFor: r.subject})
}

// locate is Log.Locate.
func (r roomReader) locate(ctx context.Context, seq uint64) (place eventlog.Place, err error) {
	if place.Record, err = r.at(ctx, seq); err != nil || place.Record.Seq != 0 {
		return place, err
	}
	state, err := r.stream.state(ctx)
	if err != nil {
		return place, err
	}
	// Once more: what has been stored since then is beyond the end.
	if place.Record, err = r.at(ctx, seq); err != nil || place.Record.Seq != 0 {
		return place, err
	}
	if seq > state.LastSeq {
		place.State = eventlog.Beyond
		return place, nil
	}
	removed, err := r.mayHaveRemoved(ctx, seq)
	if err != nil {
		return place, err
	}
	if !removed && (seq == 0 || seq >= state.FirstSeq) {
		place.State = eventlog.Absent
		return place, nil
	}
	place.State = eventlog.Expired
	next, err := r.next(ctx, seq)
	place.First = next.Seq
	return place, err
}

// mayHaveRemoved reports whether retention may have removed records of the room
// beyond seq. It is for a seq at which the room has no record (any more): while the
// record at seq is there, nothing beyond it has been removed.
func (r roomReader) mayHaveRemoved(ctx context.Context, seq uint64) (bool, error) {
	state, err := r.stream.state(ctx)
	if err != nil || state.FirstSeq > 1 && state.FirstSeq-1 > seq {
		return err == nil, err
	}
	if r.stream.opts.MaxRoomMessages == 0 {
		return false, nil
	}
	kept, err := r.kept(ctx)
	return kept >= r.stream.opts.MaxRoomMessages, err
}

// kept asks the stream's leader how many messages the room has.
func (r roomReader) kept(ctx context.Context) (int64, error) {
	state, err := r.stream.state(ctx, fmt.Sprintf(`{"subjects_filter":%q}`, r.subject))
	return state.Subjects[r.subject], err
}

// after is Log.After.
func (r roomReader) after(ctx context.Context, seq uint64, limit, maxBytes int) (page eventlog.Page, err error) {
	run, err := r.readRun(ctx, seq, limit, maxBytes)
	if err != nil {
		return page, err
	}
	page = eventlog.Page{Records: run.records, More: run.more, Gone: run.gap}
	last := seq
	if n := len(run.records); n > 0 {
		last = run.records[n-1].Seq
	}
	if r.stream.opts.Replicas > 1 && !page.More { // the replica that answered may lag behind: the leader knows
		next, err := r.next(ctx, last)
		if err == nil && next.Seq != 0 && len(page.Records) == 0 {
			page.Records = append(page.Records, next)
			next, err = r.next(ctx, next.Seq)
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
	at, err := r.at(ctx, seq)
	if err == nil && at.Seq == 0 {
		page.Gone, err = r.mayHaveRemoved(ctx, seq)
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
func (r roomReader) readRun(ctx context.Context, seq uint64, limit, maxBytes int) (run, error) {
	if seq == math.MaxUint64 { // seq + 1 would be the start
		return run{}, nil
	}
	p, err := r.stream.direct(ctx, directGet{Seq: seq + 1, NextFor: r.subject, Batch: limit, MaxBytes: maxBytes})
	if err != nil {
		return run{}, err
	}
	return r.untilGap(ctx, seq, p)
}

// count returns how many records the room has beyond seq.
func (r roomReader) count(ctx context.Context, seq uint64) (int, error) {
	if seq == math.MaxUint64 {
		return 0, nil
	}
	p, err := r.stream.direct(ctx, directGet{Seq: seq + 1, NextFor: r.subject, Batch: 1})
	return len(p.entries) + p.pending, err
}

// back returns the sequence from which on the room has n records below before,
// or all of them if it has fewer: those beyond start begin with the first. more
// says that there are older ones. before 0 means the end.
//
// The log is indexed by sequence, not by room, so this widens a window below
// before until it holds enough and then halves it; each step is one request.
func (r roomReader) back(ctx context.Context, before uint64, n int) (start uint64, more bool, err error) {
	total, err := r.count(ctx, 0)
	if err != nil {
		return 0, false, err
	}
	head, err := r.head(ctx)
	if err != nil {
		return 0, false, err
	}
	if before == 0 || before > head.Seq { // beyond the end there is nothing to look through
		before = head.Seq + 1
	}
	newer, err := r.count(ctx, before-1)
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
		count, err := r.count(ctx, at)
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
		count, err := r.count(ctx, middle)
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
