package jetstream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
)

// The embedded store that could not write once, because the disk was full or may
// not be written, does not write again until it is opened anew: what it holds in
// memory may not be what is on disk. Until then it can be read. So sends are
// refused at once, and when the disk takes something again the log says that it
// has to be opened anew; whoever runs the process does so.

const (
	// probeEvery is how often a disk that failed is tried, with probeBytes.
	probeEvery = time.Second
	probeBytes = 1 << 20
	// readyTimeout is how long a shard has to answer that it is there.
	readyTimeout = 2 * time.Second
)

// Ready returns why the log does not take messages now, nil if it does. It asks
// the store and waits for its answer for readyTimeout at the most.
func (l *Log) Ready(ctx context.Context) error {
	if err := l.health.err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for _, s := range l.shards {
		if _, err := s.stream.state(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.stream.name, err)
		}
	}
	return nil
}

// Failed gets an error when the log has to be closed and opened anew to take
// messages again, and can be.
func (l *Log) Failed() <-chan error { return l.failed }

// health knows whether the embedded store can be written. Methods may be called from
// any goroutine.
type health struct {
	failures chan error            // to watchStore
	failure  atomic.Pointer[error] // why the store cannot be written; nil while it can
}

func newHealth() *health { return &health{failures: make(chan error, 1)} }

// err returns an error that wraps ErrUnavailable if the store has failed. It names
// no path, because HTTP clients see it too.
func (h *health) err() error {
	failure := h.failure.Load()
	if failure == nil {
		return nil
	}
	var code syscall.Errno
	errors.As(*failure, &code)
	return fmt.Errorf("%w: the store cannot write: %w", ErrUnavailable, code)
}

// report takes, without blocking, an error that the store has met.
func (h *health) report(err error) {
	select {
	case h.failures <- err:
	default: // one is enough
	}
}

// writeFailure returns the first of what the store logs that says that its disk
// cannot be written.
func writeFailure(logged []any) error {
	for _, v := range logged {
		var code syscall.Errno
		if err, ok := v.(error); ok && errors.As(err, &code) &&
			slices.Contains([]syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EACCES, syscall.EPERM}, code) {
			return err
		}
	}
	return nil
}

// watchStore waits for the store to fail. Then it fails what is under way, and
// tries the disk until that takes something again.
func (l *Log) watchStore() {
	var failure error
	select {
	case <-l.ctx.Done():
		return
	case failure = <-l.health.failures:
	}
	l.health.failure.Store(&failure)
	l.opts.Logger.Error("the message log cannot be written: messages are refused until it can, and can be read", "err", failure)
	for _, s := range l.shards {
		s.appender.fail(l.health.err())
	}
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for {
		if err := probe(l.opts.Dir); err == nil {
			l.failed <- fmt.Errorf("the message log could not be written (%w) and can be again: it has to be started anew", failure)
			return
		}
		select {
		case <-l.ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// probe reports whether the disk takes something.
func probe(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, "probe"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, probeBytes))
	err = errors.Join(err, f.Sync(), f.Close())
	_ = os.Remove(f.Name())
	return err
}
