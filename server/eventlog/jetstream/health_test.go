package jetstream_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"websockets/server/eventlog/jetstream"
	"websockets/server/servertest"
)

// NATS does not wrap all of the system's errors, and says of each in the same words that
// it has given up writing.
func TestWriteFailuresOfAnyCause(t *testing.T) {
	for _, code := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.EIO, syscall.ENOSPC, syscall.EROFS, syscall.ENOTDIR} {
		cause := &fs.PathError{Op: "open", Path: "/data/1.blk", Err: code}
		for _, failure := range []error{cause, fmt.Errorf("Error creating msg block file: %v", cause)} {
			err := jetstream.FailureAfter("Filestore [ROOMS_0] Critical write error: %v", failure)
			if !errors.Is(err, jetstream.ErrUnavailable) || !strings.Contains(err.Error(), code.Error()) || strings.Contains(err.Error(), "/data") {
				t.Errorf("after %q: got %v, want that the store cannot write, why, and no path", failure, err)
			}
		}
	}
	for format, v := range map[string]any{
		"Filestore [ROOMS_0] Critical write error: %v":                           errors.New("something else"),
		"JetStream stream '$G > ROOMS_0' critical write error: %v":               errors.New("something else"),
		"JetStream failed to store a msg on stream '$G > ROOMS_0': something %v": "else",
	} {
		if err := jetstream.FailureAfter(format, v); !errors.Is(err, jetstream.ErrUnavailable) {
			t.Errorf("after %q: got %v, want that the store cannot write", format, err)
		}
	}
	if err := jetstream.FailureAfter("Slow consumer: %v", readError(syscall.EMFILE)); err != nil {
		t.Errorf("after a line about something else: got %v, want nothing", err)
	}
}

func readError(code syscall.Errno) error {
	return &fs.PathError{Op: "read", Path: "/data/1.blk", Err: code}
}

// awaitFailed appends until Ready says why the store cannot be written, makes it writable
// again, and waits until Failed says so.
func awaitFailed(t *testing.T, l *jetstream.Log, repair func() error) {
	t.Helper()
	body := strings.Repeat("x", 10_000)
	n := 0
	servertest.Eventually(t, "the store to say that it cannot be written", func() bool {
		n++
		_ = l.Append(t.Context(), "x", fmt.Sprint(n), []byte(body), func(jetstream.Receipt, error) {})
		return l.Ready(t.Context()) != nil
	})
	err := l.Ready(t.Context())
	if !errors.Is(err, jetstream.ErrUnavailable) || !strings.Contains(err.Error(), "the store cannot write") || strings.Contains(err.Error(), "/") {
		t.Errorf("Ready: got %v, want that the store cannot write, and no path", err)
	}
	err = l.Append(t.Context(), "x", "last", []byte(body), func(jetstream.Receipt, error) {})
	if !errors.Is(err, jetstream.ErrUnavailable) {
		t.Errorf("Append: got %v, want ErrUnavailable", err)
	}
	err = repair()
	if err != nil {
		t.Fatal(err)
	}
	receive(t, l.Failed(), "the end of the failure")
}

// TestAStoreThatLosesItsFiles takes the folder of a stream's blocks away. Whether or not
// each message is synced, the store says that it cannot be written.
func TestAStoreThatLosesItsFiles(t *testing.T) {
	t.Parallel()
	for name, syncAlways := range map[string]bool{"always": true, "interval": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l := open(t, dir, smallBlocks(1), func(o *jetstream.Options) { o.SyncAlways = syncAlways })
			put(t, l, "x", "first", "first")
			blocks := filepath.Join(dir, "jetstream", "$G", "streams", "websockets_ROOMS_0", "msgs")
			err := os.Rename(blocks, blocks+"-away")
			if err != nil {
				t.Fatal(err)
			}
			err = os.WriteFile(blocks, []byte("no folder"), 0o600)
			if err != nil {
				t.Fatal(err)
			}
			awaitFailed(t, l, func() error { return errors.Join(os.Remove(blocks), os.Rename(blocks+"-away", blocks)) })
		})
	}
}

// TestAStreamThatIsMoved: NATS goes on writing to files that are open, but they would not be
// found again.
func TestAStreamThatIsMoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	put(t, l, "x", "first", "first")
	streams := filepath.Join(dir, "jetstream", "$G", "streams")
	err := os.Rename(streams, streams+"-away")
	if err != nil {
		t.Fatal(err)
	}
	awaitFailed(t, l, func() error { return os.Rename(streams+"-away", streams) })
}

// TestAFolderThatIsMoved: what is written to a folder that was moved or replaced would not
// be found again.
func TestAFolderThatIsMoved(t *testing.T) {
	t.Parallel()
	for name, another := range map[string]bool{"moved": false, "replaced": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			l := open(t, dir)
			put(t, l, "x", "first", "first")
			err := os.Rename(dir, dir+"-away")
			if err != nil {
				t.Fatal(err)
			}
			if another {
				err = errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "lock"), nil, 0o600))
				if err != nil {
					t.Fatal(err)
				}
			}
			awaitFailed(t, l, func() error { return errors.Join(os.RemoveAll(dir), os.Rename(dir+"-away", dir)) })
		})
	}
}
