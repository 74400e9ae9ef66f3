package roomlog

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// span is a range of sequences that is gone; last 0 means that its end is not
// known.
type span struct{ first, last uint64 }

func (s span) String() string {
	switch {
	case s.last == 0:
		return fmt.Sprintf("the messages from %d on, as far as they were in one block", s.first)
	case s.first == s.last:
		return fmt.Sprintf("the message %d", s.first)
	default:
		return fmt.Sprintf("the messages %d to %d", s.first, s.last)
	}
}

// repairStore looks through the store in dir, which nobody has open, takes out
// what cannot be read, and returns it by stream. Copies of the blocks as they were
// are left in dir/damaged.
func repairStore(dir string, log *slog.Logger) (map[string][]span, error) {
	folders, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "*"))
	if err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	lost := map[string][]span{}
	for _, folder := range folders {
		wg.Go(func() {
			stream := filepath.Base(folder)
			spans, err := repairBlocks(filepath.Join(folder, "msgs"), stream, filepath.Join(dir, "damaged"))
			if err == nil {
				err = repairMeta(folder, stream, log)
			}
			mu.Lock()
			defer mu.Unlock()
			if len(spans) > 0 {
				lost[stream] = spans
			}
			failed = errors.Join(failed, err)
		})
	}
	wg.Wait()
	for _, stream := range []string{"KV_server", "KV_users"} {
		for _, gone := range lost[stream] {
			log.Error("the store lost values: those that were not written again since are made anew or gone", "stream", stream, "lost", gone.String())
		}
	}
	return lost, failed
}

// repairMeta removes a stream's settings if they are damaged: NATS would leave
// the whole stream out, every time. Without them the stream is created again, with
// our settings and over the messages that are there.
func repairMeta(folder, stream string, log *slog.Logger) error {
	meta, sum := filepath.Join(folder, "meta.inf"), filepath.Join(folder, "meta.sum")
	settings, err := os.ReadFile(meta)
	if err == nil {
		var want []byte
		if want, err = os.ReadFile(sum); err == nil {
			h := newHash(stream)
			h.Write(settings)
			if hex.EncodeToString(h.Sum(nil)) == string(want) {
				return nil
			}
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the store's settings of %s: %w", stream, err)
	}
	log.Error("the settings of a stream are damaged and made anew: its messages stay", "stream", stream)
	for _, file := range []string{meta, sum} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// repairBlocks looks through one stream's blocks, oldest first.
func repairBlocks(folder, stream, copies string) (lost []span, err error) {
	files, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the store's blocks of %s: %w", stream, err)
	}
	var numbers []int
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".blk"); ok {
			if n, err := strconv.Atoi(name); err == nil {
				numbers = append(numbers, n)
			}
		}
	}
	slices.Sort(numbers)
	if err := os.Remove(filepath.Join(folder, "index.db")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the store's index of %s: %w", stream, err)
	}
	var seq uint64 // of the last record that could be read
	for i, n := range numbers {
		path := filepath.Join(folder, fmt.Sprintf("%d.blk", n))
		data, err := os.ReadFile(path)
		if err != nil {
			return lost, fmt.Errorf("the store's blocks of %s: %w", stream, err)
		}
		b := block{data: data, seq: seq, newest: i == len(numbers)-1, hash: newHash(fmt.Sprintf("%s-%d", stream, n))}
		spans, was := b.repair()
		if seq = b.seq; len(lost) > 0 && lost[len(lost)-1].last == 0 && b.first > lost[len(lost)-1].first {
			lost[len(lost)-1].last = b.first - 1 // the block before was bad to its end
		}
		lost = append(lost, spans...)
		if was != nil {
			if err := replaceBlock(path, was, b.data, copies, fmt.Sprintf("%s-%d.blk", stream, n)); err != nil {
				return lost, err
			}
		}
	}
	return lost, nil
}

// replaceBlock keeps a copy of a block as it was and puts the repaired one into
// its place.
func replaceBlock(path string, was, is []byte, copies, name string) error {
	if err := os.MkdirAll(copies, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(copies, name), was, 0o600); err != nil {
		return fmt.Errorf("keeping a copy of a damaged block: %w", err)
	}
	if err := writeSynced(path+".repaired", is); err != nil {
		return fmt.Errorf("repairing a block: %w", err)
	}
	return os.Rename(path+".repaired", path)
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_SYNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
