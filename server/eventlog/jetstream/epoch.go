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

// An epoch names the period in which a shard's sequences keep their meaning: each
// means one message. A log that lost acknowledged messages would assign their
// sequences again, so it gets a new epoch. Clients of the old one start over instead
// of being shown another timeline under their cursors.
//
// Only opening the log changes an epoch. Other servers on the same log watch it.

func (s *shard) epochKey() string { return fmt.Sprintf("epoch.%d", s.stream.number) }

func (s *shard) setEpoch(epoch []byte) {
	name := string(epoch)
	s.epoch.Store(&name)
}

// randomEpoch returns a new epoch. Those of older stores have other forms; epochs are
// only ever compared.
func randomEpoch() []byte { return []byte(rand.Text()) }

// openEpoch reads the shard's epoch, and changes it if the stream has lost messages.
// damage is what filestore found.
func (s *shard) openEpoch(ctx context.Context, damage []filestore.Span) error {
	_, err := s.values.getOrCreate(ctx, s.epochKey(), randomEpoch)
	if err != nil {
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
		losses = append(losses, "was restored from a backup (--new-epoch)")
	}
	if len(losses) == 0 {
		return nil
	}
	why, epoch := strings.Join(losses, "; "), randomEpoch()
	_, err = s.values.kv.Update(ctx, s.epochKey(), epoch, entry.Revision())
	if err != nil {
		return fmt.Errorf("changing the epoch of %s, which %s: %w (another server may have done so: start again)", s.stream.name, why, err)
	}
	s.opts.Logger.Error("the log is not the one it was: its clients start over", "stream", s.stream.name,
		"why", why, "epoch", string(epoch), "before", *s.epoch.Load())
	s.setEpoch(epoch)
	return s.storeCheckpoint(ctx)
}

// losses describes, for the operator, what the stream has lost and retention does not
// explain. A new stream gets its first checkpoint.
func (s *shard) losses(ctx context.Context, damage []filestore.Span) ([]string, error) {
	state, err := s.stream.state(ctx)
	if err != nil {
		return nil, err
	}
	entry, err := s.values.get(ctx, s.checkpointKey())
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound) && state.LastSeq == 0:
		return nil, s.storeCheckpoint(ctx)
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return []string{"lost its checkpoint"}, nil
	case err != nil:
		return nil, fmt.Errorf("%w: reading the checkpoint: %w", ErrUnavailable, err)
	}
	var c checkpoint
	err = json.Unmarshal(entry.Value(), &c)
	if err != nil {
		return []string{"has a checkpoint that cannot be read"}, nil
	}
	s.stored = &c
	return s.lossesSince(ctx, c, state, damage)
}

// lossesSince compares the stream with its checkpoint.
func (s *shard) lossesSince(ctx context.Context, c checkpoint, state streamState, damage []filestore.Span) (losses []string, err error) {
	lose := func(format string, v ...any) { losses = append(losses, fmt.Sprintf(format, v...)) }
	settings := s.stream.settings.Load()
	c.Limited, c.Aged = c.Limited || settings.LeastRoomMessages > 0, c.Aged || settings.removesOldest()
	end := state.LastSeq
	for _, gone := range damage {
		if gone.Last == 0 && c.Seq >= gone.First {
			gone.Last = c.Seq
		}
		lose("lost %v", gone)
		end = max(end, gone.Last)
	}
	switch {
	case end < c.Seq:
		lose("lost %v at its end", filestore.Span{First: end + 1, Last: c.Seq})
	case state.FirstSeq <= c.Seq && c.Seq <= state.LastSeq && c.Sum != "":
		at, err := s.stream.getOne(ctx, directGet{Seq: c.Seq})
		switch {
		case err != nil:
			return nil, err
		case at.Seq == 0 && !c.Limited && losses == nil:
			lose("lost %v", filestore.Span{First: c.Seq, Last: c.Seq})
		case at.Seq != 0 && sumOf(at.Body) != c.Sum:
			lose("has another message %d than it had", c.Seq)
		}
	}
	isFull := settings.MaxBytes > 0 && int64(state.Bytes) > settings.MaxBytes*8/10 // so the oldest may have been removed
	if state.FirstSeq > max(1, c.First) && !c.Aged && !c.Limited && !isFull {
		lose("lost %v at its beginning", filestore.Span{First: max(1, c.First), Last: state.FirstSeq - 1})
	}
	if losses == nil && state.NumDeleted > c.Deleted && !c.Limited {
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

// spans joins sequences, which are in order, to ranges.
func spans(seqs []uint64) (ranges []filestore.Span) {
	for _, seq := range seqs {
		n := len(ranges)
		if n > 0 && ranges[n-1].Last+1 == seq {
			ranges[n-1].Last = seq
		} else {
			ranges = append(ranges, filestore.Span{First: seq, Last: seq})
		}
	}
	return ranges
}

// watchEpochs adopts epochs that other servers on the same log give to shards.
func (l *Log) watchEpochs() error {
	watcher, err := l.values[eventlog.Server].watch("epoch.*")
	if err != nil {
		return fmt.Errorf("%w: watching the epochs: %w", ErrUnavailable, err)
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

// adoptEpoch resets the shard's subscriptions if the epoch is a new one.
func (s *shard) adoptEpoch(epoch []byte) {
	if string(epoch) == *s.epoch.Load() {
		return
	}
	s.setEpoch(epoch)
	for _, sub := range s.subscriptions() {
		sub.reset(string(epoch))
	}
}
