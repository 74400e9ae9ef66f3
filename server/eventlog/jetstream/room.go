package jetstream

import (
	"context"
	"fmt"
	"math"

	"websockets/server/eventlog"
)

// roomReader reads one room from its shard's stream. Its methods may be called from
// any goroutine, and their errors wrap ErrUnavailable. A request takes readTimeout at
// most; a method may make several.
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

// head returns the room's newest record; its Seq is 0 if there is none.
func (r roomReader) head(ctx context.Context) (eventlog.Record, error) {
	return r.stream.getOne(ctx, directGet{LastFor: r.subject})
}

// at returns the room's record with this sequence; its Seq is 0 if there is none.
func (r roomReader) at(ctx context.Context, seq uint64) (eventlog.Record, error) {
	if seq == 0 {
		return eventlog.Record{}, nil
	}
	record, err := r.stream.getOne(ctx, directGet{Seq: seq})
	if err != nil || record.Room == r.name {
		return record, err
	}
	return eventlog.Record{}, nil
}

// next returns the room's first record beyond seq; its Seq is 0 if there is none.
// On a cluster it may be newer than what the replica has that served a page.
func (r roomReader) next(ctx context.Context, seq uint64) (eventlog.Record, error) {
	if seq == math.MaxUint64 {
		return eventlog.Record{}, nil
	}
	return r.stream.getOne(ctx, directGet{Seq: seq + 1, NextFor: r.subject})
}

// locate is Log.Locate.
func (r roomReader) locate(ctx context.Context, seq uint64) (place eventlog.Place, err error) {
	place.Record, err = r.at(ctx, seq)
	if err != nil || place.Record.Seq != 0 {
		return place, err
	}
	state, err := r.stream.state(ctx)
	if err != nil {
		return place, err
	}
	// Again, because the record may have been stored before the state was read.
	place.Record, err = r.at(ctx, seq)
	if err != nil || place.Record.Seq != 0 {
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
// beyond seq. The room must have no record at seq: while it has one, retention has
// removed nothing beyond it.
func (r roomReader) mayHaveRemoved(ctx context.Context, seq uint64) (bool, error) {
	state, err := r.stream.state(ctx)
	if err != nil || state.FirstSeq > 1 && state.FirstSeq-1 > seq {
		return err == nil, err
	}
	least := r.stream.settings.Load().LeastRoomMessages // after state has read them
	if least == 0 {
		return false, nil
	}
	kept, err := r.kept(ctx)
	return kept >= least, err
}

// kept returns how many messages the room has, from the stream's leader.
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
	if len(run.records) > 0 {
		last = run.records[len(run.records)-1].Seq
	}
	if r.stream.settings.Load().Replicas > 1 && !page.More { // the replica may lag behind the leader
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
	// After the page has been read: while the room has a record at seq, retention has
	// removed nothing beyond it.
	at, err := r.at(ctx, seq)
	if err == nil && at.Seq == 0 {
		page.Gone, err = r.mayHaveRemoved(ctx, seq)
	}
	return page, err
}

// run is a part of a room without a gap inside.
type run struct {
	records []eventlog.Record
	gap     bool // records before the first cannot be read
	more    bool // the room has records beyond the last
}

// readRun reads the records beyond seq up to the first that cannot be read. On a
// cluster it may end early, with the replica that serves the request.
func (r roomReader) readRun(ctx context.Context, seq uint64, limit, maxBytes int) (run, error) {
	if seq == math.MaxUint64 { // seq + 1 would be 0, the start
		return run{}, nil
	}
	response, err := r.stream.getMany(ctx, directGet{Seq: seq + 1, NextFor: r.subject, Batch: limit, MaxBytes: maxBytes})
	if err != nil {
		return run{}, err
	}
	return r.untilGap(ctx, seq, response)
}

// count returns how many records the room has beyond seq.
func (r roomReader) count(ctx context.Context, seq uint64) (int, error) {
	if seq == math.MaxUint64 {
		return 0, nil
	}
	first, err := r.stream.getMany(ctx, directGet{Seq: seq + 1, NextFor: r.subject, Batch: 1})
	return len(first.entries) + first.pending, err
}
