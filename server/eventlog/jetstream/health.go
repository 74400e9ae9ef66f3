package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// If the embedded store has failed to write once, because its disk is full or it could not
// open a file, it is not written again until it is opened again: its memory and its disk
// may differ. It can still be read. Appends are refused at once. When the disk can be written again,
// Failed says so, and the process ends and is started again.

const (
	// probeInterval is how often probeBytes are written to a disk that has failed.
	probeInterval = time.Second
	probeBytes    = 1 << 20
	// readyTimeout bounds Ready.
	readyTimeout = 2 * time.Second
)

// Ready implements eventlog.Store. It requests the state of every stream.
func (l *Log) Ready(ctx context.Context) error {
	err := l.health.err()
	if err != nil {
		return err
	}
	if l.opts.shared() && !l.conn.IsConnected() {
		return fmt.Errorf("%w: disconnected from NATS", ErrUnavailable)
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for _, s := range l.shards {
		_, err := s.stream.state(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", s.stream.name, err)
		}
	}
	return nil
}

// Failed implements eventlog.Store. It receives the error when the disk can be written
// again.
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
	code := errnoOf(*failure)
	if code == 0 {
		return fmt.Errorf("%w: the store cannot write: the server's log says why", ErrUnavailable)
	}
	return fmt.Errorf("%w: the store cannot write: %w", ErrUnavailable, code)
}

// report passes an error of the store to watchStore. It does not block.
func (h *health) report(err error) {
	select {
	case h.failures <- err:
	default: // one is enough
	}
}

// diskErrors mean that the disk cannot be written.
var diskErrors = []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EACCES, syscall.EPERM}

// writeFailures are in the lines with which NATS gives up writing a stream, whatever the
// cause. It then neither stores nor answers.
var writeFailures = []string{"ritical write error", "failed to store a msg"}

// causes are the errors of the system that errnoOf recognizes by their text: NATS formats
// some of them.
var causes = append([]syscall.Errno{
	syscall.EMFILE, syscall.ENFILE, syscall.EIO, syscall.ENOENT, syscall.ENOTDIR, syscall.EFBIG, syscall.ENOMEM,
}, diskErrors...)

// errnoOf returns the system's error in a failure, 0 if there is none.
func errnoOf(failure error) (code syscall.Errno) {
	if errors.As(failure, &code) {
		return code
	}
	for _, cause := range causes {
		if strings.HasSuffix(failure.Error(), cause.Error()) {
			return cause
		}
	}
	return 0
}

// writeFailure returns an error if a line of NATS's log says that it has given up writing.
func writeFailure(text string) error {
	for _, part := range writeFailures {
		if strings.Contains(text, part) {
			return errors.New(text)
		}
	}
	return nil
}

// diskError returns the first of a log line's values that is one of diskErrors.
func diskError(values []any) error {
	for _, v := range values {
		var code syscall.Errno
		err, ok := v.(error)
		if ok && errors.As(err, &code) && slices.Contains(diskErrors, code) {
			return err
		}
	}
	return nil
}

// watchStore waits for the store to fail. Then it fails the appends in flight, and
// probes the disk until it can be written again.
func (l *Log) watchStore() {
	failure := l.awaitFailure()
	if failure == nil {
		return
	}
	l.health.failure.Store(&failure)
	l.opts.Logger.Error("the message log cannot be written: new messages are refused, stored ones can be read", "err", failure)
	for _, s := range l.shards {
		s.appender.fail(l.health.err())
	}
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	for {
		err := probe(l.opts.Dir)
		if err == nil {
			l.failed <- fmt.Errorf("the message log could not be written (%w) and can be again: restart to use it", failure)
			return
		}
		select {
		case <-l.ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// awaitFailure returns why the store cannot be written any more, nil if the log is closed
// before.
func (l *Log) awaitFailure() error {
	folders, err := fs.Glob(os.DirFS(l.opts.Dir), "jetstream/*/streams/*/msgs")
	if err != nil {
		return err
	}
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return nil
		case failure := <-l.health.failures:
			return failure
		case <-ticker.C:
		}
		err := cmp.Or(l.checkFolder(), l.checkStreams(folders))
		if err != nil {
			return err
		}
	}
}

// checkStreams returns an error if one of the folders of the streams' files is gone, which
// NATS does not notice while it has them open.
func (l *Log) checkStreams(folders []string) error {
	for _, folder := range folders {
		_, err := os.Stat(filepath.Join(l.opts.Dir, folder))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("a folder of the store is gone: %w", err)
		}
	}
	return nil
}

// checkFolder returns an error if the data folder was moved or removed. Its open files
// would still be written, and lost.
func (l *Log) checkFolder() error {
	held, err := l.lock.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(l.lock.Name())
	if err != nil {
		return fmt.Errorf("the data folder is gone: %w", err)
	}
	if !os.SameFile(held, there) {
		return errors.New("the data folder was replaced by another")
	}
	return nil
}

// probe writes to the disk, and returns the error if it cannot be written.
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
