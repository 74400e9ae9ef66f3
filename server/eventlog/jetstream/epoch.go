package jetstream

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"websockets/server/eventlog"
	"websockets/server/eventlog/jetstream/filestore"
)

// An epoch names one life of a shard's log, in which a sequence means one message
// for ever. A log that lost messages that had been acknowledged would give their
// sequences to others; so it gets a new epoch, and clients that knew the old one
// are told to start over instead of being shown another timeline under their
// cursors. Only the check at start changes an epoch.

func (s *shard) setEpoch(epoch []byte) {
	name := string(epoch)
	s.epoch.Store(&name)
}

func (s *shard) epochKey() string { return fmt.Sprintf("epoch.%d", s.stream.number) }

// openEpoch finds out whether the shard's log is the one it was, and gives it a
// new epoch if not.
func (s *shard) openEpoch(ctx context.Context, damage []filestore.Span) error {
	if _, err := s.values.getOrCreate(ctx, s.epochKey(), randomEpoch); err != nil {
		return err
	}
	entry, err := s.values.getStored(ctx, s.epochKey())
	if err != nil {
		return fmt.Errorf("%w: reading the epoch: %w", ErrUnavailable, err)
	}
	s.setEpoch(entry.Value())
	losses, err := s.losses(ctx, damage)
	if err != nil {
		return err
	}
	if s.opts.NewEpoch {
		losses = append(losses, "it was asked to by --new-epoch")
	}
	if len(losses) == 0 {
		return nil
	}
	fresh := randomEpoch()
	if _, err := s.values.kv.Update(ctx, s.epochKey(), fresh, entry.Revision()); err != nil {
		return fmt.Errorf("changing the epoch of %s, which %s: %w (another server may have done so: start again)", s.stream.name, strings.Join(losses, "; "), err)
	}
	s.opts.Logger.Error("the log is not the one it was: its clients start over", "stream", s.stream.name,
		"why", strings.Join(losses, "; "), "epoch", string(fresh), "before", *s.epoch.Load())
	s.setEpoch(fresh)
	return s.writeMark(ctx)
}

// losses says, for people, what is gone from the shard's log that retention does
// not explain: what was found in its blocks, and where it is not what the mark
// says it was.
func (s *shard) losses(ctx context.Context, damage []filestore.Span) (losses []string, err error) {
	lose := func(format string, v ...any) { losses = append(losses, fmt.Sprintf(format, v...)) }
	state, err := s.stream.state(ctx)
	if err != nil {
		return nil, err
	}
	entry, err := s.values.kv.Get(ctx, s.markKey())
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound) && state.LastSeq == 0:
		return losses, s.writeMark(ctx)
	case errors.Is(err, jetstream.ErrKeyNotFound):
		lose("lost the mark that says what was in it")
		return losses, nil
	case err != nil:
		return nil, fmt.Errorf("%w: reading the mark: %w", ErrUnavailable, err)
	}
	var m mark
	if err := json.Unmarshal(entry.Value(), &m); err != nil {
		lose("has a mark that cannot be read")
		return losses, nil
	}
	s.marked = &m
	end := state.LastSeq
	for _, gone := range damage {
		if gone.Last == 0 && m.Seq >= gone.First {
			gone.Last = m.Seq
		}
		lose("lost %v", gone)
		end = max(end, gone.Last)
	}
	if end < m.Seq {
		lose("lost %v at its end", filestore.Span{First: end + 1, Last: m.Seq})
	} else if m.Seq >= state.FirstSeq && m.Seq <= state.LastSeq && m.Sum != "" {
		at, err := s.stream.one(ctx, directGet{Seq: m.Seq})
		switch {
		case err != nil:
			return nil, err
		case at.Seq == 0 && !m.Limited && losses == nil:
			lose("lost %v", filestore.Span{First: m.Seq, Last: m.Seq})
		case at.Seq != 0 && sumOf(at.Body) != m.Sum:
			lose("has another message %d than it had", m.Seq)
		}
	}
	full := s.maxBytes > 0 && int64(state.Bytes) > s.maxBytes*8/10
	if state.FirstSeq > max(1, m.First) && !m.Aged && !m.Limited && !full {
		lose("lost %v at its beginning", filestore.Span{First: max(1, m.First), Last: state.FirstSeq - 1})
	}
	if losses == nil && state.NumDeleted > m.Deleted && !m.Limited {
		state, err := s.stream.state(ctx, `{"deleted_details":true}`)
		if err != nil {
			return nil, err
		}
		for _, gone := range spans(state.Deleted) {
			lose("lost %v", gone)
		}
	}
	if losses == nil && state.Lost != nil {
		lose("has %d messages that cannot be read", len(state.Lost.Msgs))
	}
	return losses, nil
}

// spans makes ranges of sequences that are in order.
func spans(seqs []uint64) (ranges []filestore.Span) {
	for _, seq := range seqs {
		if n := len(ranges); n > 0 && ranges[n-1].Last+1 == seq {
			ranges[n-1].Last = seq
		} else {
			ranges = append(ranges, filestore.Span{First: seq, Last: seq})
		}
	}
	return ranges
}

// watchEpochs resets the subscriptions of a shard when another server has given it a
// new epoch.
func (l *Log) watchEpochs() error {
	watcher, err := l.values[eventlog.Server].kv.Watch(l.ctx, "epoch.*", jetstream.UpdatesOnly())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	l.wg.Go(func() {
		defer func() { _ = watcher.Stop() }()
		for {
			select {
			case <-l.ctx.Done():
				return
			case update := <-watcher.Updates():
				if update == nil {
					continue
				}
				for _, s := range l.shards {
					if update.Key() == s.epochKey() {
						s.adoptEpoch(update.Value())
					}
				}
			}
		}
	})
	return nil
}

// adoptEpoch resets the shard's subscriptions if its epoch is another one now.
func (s *shard) adoptEpoch(epoch []byte) {
	if string(epoch) == *s.epoch.Load() {
		return
	}
	s.setEpoch(epoch)
	for _, sub := range s.subscriptions() {
		sub.reset(string(epoch))
	}
}

// randomEpoch names a new life of a log. Epochs of stores that are older have other
// forms; they are only compared.
func randomEpoch() []byte { return []byte(rand.Text()) }
