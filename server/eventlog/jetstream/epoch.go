package jetstream

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"websockets/server/eventlog"
)

// An epoch names one life of a shard's log, in which a sequence means one message
// for ever. A log that lost messages that had been acknowledged would give their
// sequences to others; so it gets a new epoch, and clients that knew the old one
// are told to start over instead of being shown another timeline under their
// cursors. Only the check at start changes an epoch.

// markEvery is how often the place that the log has reached is written down.
const markEvery = time.Second

// mark is a place that a shard's log has reached, written down beside it.
type mark struct {
	// Seq is the log's last sequence, which was acknowledged; Sum says which message
	// that was, if it was there.
	Seq uint64 `json:"seq"`
	Sum string `json:"sum"`
	// First is the first sequence that the log had then, and Deleted how many
	// between the first and the last it did not have.
	First   uint64 `json:"first"`
	Deleted int    `json:"deleted,omitempty"`
	// Limited says that messages may have been removed from inside the log, by
	// --max-room-messages, and Aged that they may have been by --max-age.
	Limited bool `json:"limited,omitempty"`
	Aged    bool `json:"aged,omitempty"`
}

func (s *shard) setEpoch(epoch []byte) {
	name := string(epoch)
	s.epoch.Store(&name)
}

func sumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:8])
}

func (s *shard) epochKey() string { return fmt.Sprintf("epoch.%d", s.stream.number) }
func (s *shard) markKey() string  { return fmt.Sprintf("mark.%d", s.stream.number) }

// openEpoch finds out whether the shard's log is the one it was, and gives it a
// new epoch if not.
func (s *shard) openEpoch(ctx context.Context, damage []span) error {
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
func (s *shard) losses(ctx context.Context, damage []span) (losses []string, err error) {
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
		if gone.last == 0 && m.Seq >= gone.first {
			gone.last = m.Seq
		}
		lose("lost %v", gone)
		end = max(end, gone.last)
	}
	if end < m.Seq {
		lose("lost %v at its end", span{end + 1, m.Seq})
	} else if m.Seq >= state.FirstSeq && m.Seq <= state.LastSeq && m.Sum != "" {
		at, err := s.stream.one(ctx, directGet{Seq: m.Seq})
		switch {
		case err != nil:
			return nil, err
		case at.Seq == 0 && !m.Limited && losses == nil:
			lose("lost %v", span{m.Seq, m.Seq})
		case at.Seq != 0 && sumOf(at.Body) != m.Sum:
			lose("has another message %d than it had", m.Seq)
		}
	}
	full := s.maxBytes > 0 && int64(state.Bytes) > s.maxBytes*8/10
	if state.FirstSeq > max(1, m.First) && !m.Aged && !m.Limited && !full {
		lose("lost %v at its beginning", span{max(1, m.First), state.FirstSeq - 1})
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
func spans(seqs []uint64) (ranges []span) {
	for _, seq := range seqs {
		if n := len(ranges); n > 0 && ranges[n-1].last+1 == seq {
			ranges[n-1].last = seq
		} else {
			ranges = append(ranges, span{seq, seq})
		}
	}
	return ranges
}

// keepMark writes the mark down once in markEvery, if it has moved, until ctx
// ends.
func (s *shard) keepMark(ctx context.Context) {
	ticker := time.NewTicker(markEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if s.health.err() != nil {
			return
		}
		if err := s.writeMark(ctx); err != nil && ctx.Err() == nil && s.health.err() == nil {
			s.opts.Logger.Warn("writing down where the log is", "stream", s.stream.name, "err", err)
		}
	}
}

// lastMark writes the mark down for the last time.
func (s *shard) lastMark(ctx context.Context) {
	if s.health.err() != nil {
		return
	}
	if err := s.writeMark(ctx); err != nil {
		s.opts.Logger.Warn("writing down where the log is", "stream", s.stream.name, "err", err)
	}
}

// writeMark writes down the last place that the log has reached, if that has
// moved.
func (s *shard) writeMark(ctx context.Context) error {
	state, err := s.stream.state(ctx)
	if err != nil {
		return err
	}
	m := mark{Seq: state.LastSeq, First: state.FirstSeq, Deleted: state.NumDeleted, Limited: s.opts.MaxRoomMessages > 0, Aged: s.opts.MaxAge > 0}
	if state.LastSeq > 0 {
		last, err := s.stream.one(ctx, directGet{Seq: state.LastSeq})
		if err != nil {
			return err
		}
		if last.Seq != 0 {
			m.Sum = sumOf(last.Body)
		}
	}
	if s.marked != nil {
		m.Limited, m.Aged = m.Limited || s.marked.Limited, m.Aged || s.marked.Aged
		if m == *s.marked {
			return nil
		}
	}
	value, _ := json.Marshal(m) // numbers and strings
	if _, err := s.values.kv.Put(ctx, s.markKey(), value); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	s.marked = &m
	return nil
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
