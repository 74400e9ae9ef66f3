package jetstream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

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

func sumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:8])
}

func (s *shard) markKey() string { return fmt.Sprintf("mark.%d", s.stream.number) }

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
