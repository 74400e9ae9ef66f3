package jetstream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// checkpointInterval is how often a checkpoint is stored, if it has changed.
const checkpointInterval = time.Second

// checkpoint is how far a shard's stream has come. It is stored beside the log, and
// compared with the stream when the log is opened again.
type checkpoint struct {
	// Seq is the stream's last sequence, which may have been acknowledged. Sum is of
	// that message's body, empty if the stream did not have the message any more.
	Seq uint64 `json:"seq"`
	Sum string `json:"sum"`
	// First is the stream's first sequence, and Deleted how many sequences between
	// First and Seq had no message.
	First   uint64 `json:"first"`
	Deleted int    `json:"deleted,omitempty"`
	// Limited means that a limit of messages per room may have removed messages anywhere
	// in the stream, Aged that a limit of age, or of messages in all, may have removed the
	// oldest. Both stay set.
	Limited bool `json:"limited,omitempty"`
	Aged    bool `json:"aged,omitempty"`
}

func sumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:8])
}

// checkpointKey is where the checkpoint is stored.
func (s *shard) checkpointKey() string { return fmt.Sprintf("mark.%d", s.stream.number) }

// keepCheckpoint stores checkpoints until ctx ends or the store fails.
func (s *shard) keepCheckpoint(ctx context.Context) {
	ticker := time.NewTicker(checkpointInterval)
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
		err := s.storeCheckpoint(ctx)
		if err != nil && ctx.Err() == nil && s.health.err() == nil {
			s.opts.Logger.Warn("storing a checkpoint failed", "stream", s.stream.name, "err", err)
		}
	}
}

// storeLastCheckpoint stores a checkpoint when the log is closed.
func (s *shard) storeLastCheckpoint(ctx context.Context) {
	if s.health.err() != nil {
		return
	}
	err := s.storeCheckpoint(ctx)
	if err != nil {
		s.opts.Logger.Warn("storing the last checkpoint failed", "stream", s.stream.name, "err", err)
	}
}

// storeCheckpoint stores how far the stream is now, unless that is stored already.
func (s *shard) storeCheckpoint(ctx context.Context) error {
	state, err := s.stream.state(ctx)
	if err != nil {
		return err
	}
	settings := s.stream.settings.Load()
	c := checkpoint{
		Seq: state.LastSeq, First: state.FirstSeq, Deleted: state.NumDeleted,
		Limited: settings.LeastRoomMessages > 0, Aged: settings.removesOldest(),
	}
	if c.Seq > 0 {
		last, err := s.stream.getOne(ctx, directGet{Seq: c.Seq})
		if err != nil {
			return err
		}
		if last.Seq != 0 {
			c.Sum = sumOf(last.Body)
		}
	}
	if s.stored != nil {
		c.Limited, c.Aged = c.Limited || s.stored.Limited, c.Aged || s.stored.Aged
		if c == *s.stored {
			return nil
		}
	}
	value, _ := json.Marshal(c) // cannot fail: numbers, strings and booleans
	_, err = s.values.kv.Put(ctx, s.checkpointKey(), value)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	s.stored = &c
	return nil
}
