package jetstream

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"websockets/server/eventlog"
	"websockets/server/eventlog/dedupe"
)

// An append is checked twice. JetStream remembers the keys of the last two minutes, in
// its own order and for all servers, so of two appends at the same time it stores one.
// It keeps each key as a string, which is too much memory for a longer time.
//
// Before that, the append is looked up in a table of the shard's newest keys. The table
// learns of the server's own appends when they are acknowledged, and reads the stream
// for those of other servers and of appends whose reply was lost. So it lags behind the
// stream, but an append is only accepted while it lags by less than JetStream's window:
// what the table does not have yet, JetStream still has.
//
// The table is filled from the stream when the log is opened. Only a message that is in
// the stream, with the same key, makes an append a duplicate.

const (
	// duplicateWindow is how long JetStream remembers a key.
	duplicateWindow = 2 * time.Minute
	// maxKeysLag is how far the table may lag behind the stream. The rest of JetStream's
	// window is for the time that an append takes to get there.
	maxKeysLag = duplicateWindow / 2
	// keysPerRead is how many messages are read at once. The NATS client drops messages
	// of a response that exceeds its queue.
	keysPerRead = 2*maxHeads - 1
	// manyKeys is how many messages are read without their bodies, and how many at once.
	manyKeys = 2000
	// keyBytesPerRead bounds their bodies, which come with the keys.
	keyBytesPerRead = 1 << 20
)

// keysInterval is how often the table is completed.
func (o *Options) keysInterval() time.Duration { return o.duplicates / 60 }

// recentKeys is the table of a shard's newest keys. Its methods may be called from any
// goroutine, and do not block.
type recentKeys struct {
	capacity uint64          // how many of the newest sequences the table covers
	loaded   chan struct{}   // closed when the table was completed for the first time
	stopped  <-chan struct{} // closed when the log is

	mu       sync.Mutex // guards what follows
	table    *dedupe.Table
	complete uint64    // the table has every message up to here that it has place for
	checked  time.Time // and every message that was stored before; not monotonic
}

func newRecentKeys(bytes int64, stopped <-chan struct{}) *recentKeys {
	return &recentKeys{
		capacity: dedupe.Capacity(bytes), loaded: make(chan struct{}), stopped: stopped, table: dedupe.New(bytes),
	}
}

// add adds the key of a message.
func (k *recentKeys) add(seq uint64, key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.table.Add(seq, key)
	if seq == k.complete+1 {
		k.complete = seq
	}
}

// addStored adds the key of a message that was read from the stream.
func (k *recentKeys) addStored(seq uint64, key string) {
	if key == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.table.Add(seq, key)
}

// find returns where a message with this key may be, newest first, and when the table
// was last complete.
func (k *recentKeys) find(key string) (seqs []uint64, checked time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.table.Find(key), k.checked
}

// completeTo returns up to where the table is complete.
func (k *recentKeys) completeTo() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.complete
}

// setComplete says that the table has every message up to last, which was the last one of
// the stream at a time.
func (k *recentKeys) setComplete(last uint64, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.complete, k.checked = max(k.complete, last), at
	select {
	case <-k.loaded:
	default:
		close(k.loaded)
	}
}

// reset forgets everything: the stream is another one.
func (k *recentKeys) reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.table.Reset()
	k.complete = 0
}

// findStored returns where the stream has a message with this key. It fails if that
// cannot be told. It blocks while the table is filled for the first time, for slotTimeout
// at most, and while a message is read that may be the one.
func (s *shard) findStored(ctx context.Context, key string) (receipt Receipt, isStored bool, err error) {
	err = s.keys.awaitLoaded(ctx)
	if err != nil {
		return receipt, false, err
	}
	seqs, checked := s.keys.find(key)
	for _, seq := range seqs {
		e, err := s.stream.getEntry(ctx, directGet{Seq: seq})
		if err != nil {
			return receipt, false, err
		}
		if e.key == key && s.isRecent(e) {
			return Receipt{Seq: seq, Duplicate: true}, true, nil
		}
	}
	lag := time.Now().Round(0).Sub(checked)
	if lag < 0 || lag > maxKeysLag {
		return receipt, false, fmt.Errorf("%w: the stream was not compared with the keys for %v", ErrUnavailable, lag)
	}
	return receipt, false, nil
}

// isRecent reports whether a message was stored within eventlog.DedupeWindow.
func (s *shard) isRecent(e entry) bool {
	stored, err := time.Parse(time.RFC3339Nano, e.stored)
	return err == nil && s.opts.now().Sub(stored) <= eventlog.DedupeWindow
}

func (k *recentKeys) awaitLoaded(ctx context.Context) error {
	select {
	case <-k.loaded:
		return nil
	default: // without the cost of a timer
	}
	timeout := time.NewTimer(slotTimeout)
	defer timeout.Stop()
	select {
	case <-k.loaded:
		return nil
	case <-timeout.C:
		return fmt.Errorf("%w: the keys of stored messages are still being read", ErrUnavailable)
	case <-k.stopped:
		return fmt.Errorf("%w: it is closed", ErrUnavailable)
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
}

// followKeys completes the table until ctx ends.
func (s *shard) followKeys(ctx context.Context) {
	ticker := time.NewTicker(s.opts.keysInterval())
	defer ticker.Stop()
	for {
		err := s.readKeys(ctx)
		if err != nil && ctx.Err() == nil {
			s.opts.Logger.Debug("reading the keys of stored messages failed", "stream", s.stream.name, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// readKeys adds the keys of messages that the table does not have.
func (s *shard) readKeys(ctx context.Context) error {
	began := time.Now().Round(0) // a monotonic clock stands still while the machine sleeps
	complete := s.keys.completeTo()
	last, err := s.stream.getEntry(ctx, directGet{LastFor: s.stream.allRooms()})
	if err != nil {
		return err
	}
	if last.Seq < complete { // removed by retention, or another log
		s.keys.reset()
		complete = 0
	}
	if complete == 0 {
		complete, err = s.beforeRecent(ctx, last)
		if err != nil {
			return err
		}
	}
	if last.Seq > s.keys.capacity {
		complete = max(complete, last.Seq-s.keys.capacity)
	}
	if last.Seq-min(complete, last.Seq) > manyKeys {
		complete = s.readManyKeys(ctx, complete, last.Seq)
	}
	for complete < last.Seq {
		complete, err = s.readKeysBeyond(ctx, complete, last.Seq)
		if err != nil {
			return err
		}
	}
	s.keys.setComplete(last.Seq, began)
	return nil
}

// beforeRecent returns a sequence up to which all messages are older than
// eventlog.DedupeWindow. last is the last message of the stream.
func (s *shard) beforeRecent(ctx context.Context, last entry) (uint64, error) {
	if last.Seq == 0 || !s.isRecent(last) {
		return last.Seq, nil
	}
	since := s.opts.now().Add(-eventlog.DedupeWindow)
	first, err := s.stream.getMany(ctx, directGet{Since: &since, Batch: 1})
	if err != nil || len(first.entries) == 0 { // a replica that lags behind
		return 0, err
	}
	return first.entries[0].Seq - 1, nil
}

// readManyKeys adds the keys of messages beyond seq, and returns up to where: about last,
// or where the replica that serves them ends, or where it has failed. They come without
// bodies, which takes half of the time of readKeysBeyond.
func (s *shard) readManyKeys(ctx context.Context, seq, last uint64) (reached uint64) {
	consumer, err := s.stream.js.OrderedConsumer(ctx, s.stream.name, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: seq + 1, HeadersOnly: true,
	})
	if err != nil {
		return seq
	}
	for more := true; more && seq < last && ctx.Err() == nil; {
		part, err := consumer.FetchNoWait(manyKeys)
		if err != nil {
			return seq
		}
		more = false
		next := uint64(1) // each fetch is a consumer of its own, which numbers what it sends
		for m := range part.Messages() {
			meta, err := m.Metadata()
			if err != nil || meta.Sequence.Consumer != next {
				return seq
			}
			next++
			seq, more = meta.Sequence.Stream, true
			s.keys.addStored(seq, m.Headers().Get(jetstream.MsgIDHeader))
		}
		if part.Error() != nil {
			return seq
		}
	}
	return seq
}

// readKeysBeyond adds the keys of a part of the stream and returns up to where. On a
// cluster the replica that serves it may lag behind; the stream's leader knows whether
// there is more.
func (s *shard) readKeysBeyond(ctx context.Context, seq, last uint64) (reached uint64, err error) {
	part, err := s.stream.getMany(ctx, directGet{Seq: seq + 1, Batch: keysPerRead, MaxBytes: keyBytesPerRead})
	if err != nil {
		return seq, err
	}
	for _, e := range part.entries {
		s.keys.addStored(e.Seq, e.key)
	}
	n := len(part.entries)
	switch {
	case n > 0:
		return part.entries[n-1].Seq, nil // perhaps beyond last
	case s.stream.settings.Load().Replicas == 1:
		return last, nil
	}
	next, err := s.stream.getEntry(ctx, directGet{Seq: seq + 1, NextFor: s.stream.allRooms()})
	if err != nil || next.Seq == 0 {
		return last, err
	}
	s.keys.addStored(next.Seq, next.key)
	return next.Seq, nil
}
