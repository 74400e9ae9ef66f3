package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"websockets/server/eventlog"
)

const (
	// scanBatch and scanBytes are about how much one request reads. A batch and its end
	// marker must fit into the queue of a read, or the NATS client drops a part: see connect.
	scanBatch = maxHeads
	scanBytes = 1 << 20
	// consumerIdle is when the server removes a consumer that its client has left.
	consumerIdle = time.Minute
)

// newest calls found with the newest record of every room that was appended to beyond
// seq, and returns up to which sequence it has looked. A room may come several times, its
// newest record last.
func (s *stream) newest(ctx context.Context, state streamState, seq uint64, found func(eventlog.Record)) (uint64, error) {
	if state.LastSeq < seq { // the stream has lost its end, or is another one
		seq = 0
	}
	if state.LastSeq == seq {
		return seq, nil
	}
	if state.Rooms <= maxHeads {
		reached, err := s.newestOfFew(ctx, state, seq, found)
		if !errors.Is(err, errTooMany) {
			return reached, err
		}
	}
	if state.LastSeq-max(seq, state.FirstSeq) <= uint64(state.Rooms) {
		return s.scan(ctx, state.LastSeq, seq, found)
	}
	// There are more records to read than rooms.
	return s.newestOfAll(ctx, state.LastSeq, seq, found)
}

// allRooms is the subject that matches every room of the stream.
func (s *stream) allRooms() string { return s.names.room(s.number, "*") }

// newestOfFew gets the newest records with one request. The error wraps errTooMany if
// JetStream does not respond to that many rooms.
func (s *stream) newestOfFew(ctx context.Context, state streamState, seq uint64, found func(eventlog.Record)) (uint64, error) {
	r, err := s.getMany(ctx, directGet{Seq: seq + 1, LastOf: []string{s.allRooms()}})
	if err != nil {
		return seq, err
	}
	for _, e := range r.entries {
		found(e.Record)
	}
	if r.upTo == 0 && s.settings.Load().Replicas == 1 { // nothing: retention has removed it
		r.upTo = state.LastSeq
	}
	return max(seq, r.upTo), nil
}

// scan reads the records from seq to last. On a cluster it may end early, with the
// replica that serves it.
func (s *stream) scan(ctx context.Context, last, seq uint64, found func(eventlog.Record)) (uint64, error) {
	for seq < last {
		r, err := s.getMany(ctx, directGet{Seq: seq + 1, NextFor: s.allRooms(), Batch: scanBatch, MaxBytes: scanBytes})
		if err != nil {
			return seq, err
		}
		if len(r.entries) == 0 {
			if s.settings.Load().Replicas == 1 { // retention has removed it
				return last, nil
			}
			return seq, nil
		}
		for _, e := range r.entries {
			found(e.Record)
			seq = e.Seq
		}
	}
	return seq, nil
}

// newestOfAll reads the newest record of every room in the order of the stream, so it
// reads each block of the store at most once. It ends at the stream's last record, or at
// that of the replica that serves it.
func (s *stream) newestOfAll(ctx context.Context, last, seq uint64, found func(eventlog.Record)) (reached uint64, err error) {
	created, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	consumer, err := s.js.CreateConsumer(created, s.name, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, FilterSubject: s.allRooms(),
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: consumerIdle,
	})
	if err != nil {
		return seq, fmt.Errorf("%w: reading the rooms of %s: %w", ErrUnavailable, s.name, err)
	}
	defer func() {
		ended, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptTimeout)
		defer cancel()
		_ = s.js.DeleteConsumer(ended, s.name, consumer.CachedInfo().Name)
	}()
	reached = seq
	for pending := consumer.CachedInfo().NumPending; pending > 0 && reached < last; {
		pending, err = fetchRooms(ctx, consumer, int(min(scanBatch, pending)), func(record eventlog.Record) {
			reached = max(reached, record.Seq)
			found(record)
		})
		if err != nil {
			return seq, fmt.Errorf("%w: reading the rooms of %s: %w", ErrUnavailable, s.name, err)
		}
	}
	return reached, nil
}

// fetchRooms calls found with the next records of a consumer, at most limit, and returns
// how many follow.
func fetchRooms(ctx context.Context, consumer jetstream.Consumer, limit int, found func(eventlog.Record)) (pending uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	batch, err := consumer.Fetch(limit, jetstream.FetchContext(ctx))
	if err != nil {
		return 0, err
	}
	read := 0
	for m := range batch.Messages() {
		meta, err := m.Metadata()
		if err != nil {
			return 0, err
		}
		found(eventlog.Record{Room: roomOf(m.Subject()), Seq: meta.Sequence.Stream, Body: m.Data()})
		pending = meta.NumPending
		read++
	}
	err = batch.Error()
	if err == nil && read == 0 {
		err = errors.New("no reply")
	}
	return pending, err
}
