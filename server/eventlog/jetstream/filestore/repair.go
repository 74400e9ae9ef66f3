package filestore

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/minio/highwayhash"
)

// Span is a range of sequences. Last 0 means that its end is not known.
type Span struct{ First, Last uint64 }

func (s Span) String() string {
	switch {
	case s.Last == 0:
		return fmt.Sprintf("the messages from %d on, as far as they were in one block", s.First)
	case s.First == s.Last:
		return fmt.Sprintf("the message %d", s.First)
	default:
		return fmt.Sprintf("the messages %d to %d", s.First, s.Last)
	}
}

// errForeign means that a stream's files are in an unknown format.
var errForeign = errors.New("unknown format")

// repairer repairs the files of a store. Its methods may be called from any goroutine,
// for different streams.
type repairer struct {
	copies string // the folder for copies of files as they were
	suffix string // of the names of the copies
	log    *slog.Logger
}

// Repair repairs the store in dir and returns the sequences that are lost, by stream. A
// file is copied to dir/damaged before it is changed; without a copy it is not changed.
//
// A stream in an unknown format is not changed either. It is copied, because NATS may
// truncate what it cannot read.
func Repair(dir string, log *slog.Logger) (map[string][]Span, error) {
	folders, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "*"))
	if err != nil {
		return nil, err
	}
	r := repairer{
		copies: filepath.Join(dir, "damaged"),
		suffix: ".before-repair-" + time.Now().UTC().Format("20060102T150405.000Z"),
		log:    log,
	}
	var wg sync.WaitGroup
	var mu sync.Mutex // guards what follows
	var failed, notCopied error
	var foreign []string
	lost := map[string][]Span{}
	for _, folder := range folders {
		wg.Go(func() {
			stream := filepath.Base(folder)
			spans, err := r.repairStream(folder, stream)
			var copyErr error
			if errors.Is(err, errForeign) {
				copyErr = r.copyBlocks(filepath.Join(folder, "msgs"), stream)
			}
			mu.Lock()
			defer mu.Unlock()
			if len(spans) > 0 {
				lost[stream] = spans
			}
			switch {
			case errors.Is(err, errForeign):
				foreign, notCopied = append(foreign, stream), errors.Join(notCopied, copyErr)
			case err != nil:
				failed = errors.Join(failed, fmt.Errorf("stream %s: %w", stream, err))
			}
		})
	}
	wg.Wait()
	slices.Sort(foreign)
	switch {
	case notCopied != nil:
		log.Error("unknown store format: these streams are neither checked nor repaired, and could not be copied", "streams", foreign, "err", notCopied)
	case len(foreign) > 0:
		log.Error("unknown store format: these streams are neither checked nor repaired; delete the copies when you do not need them any more", "streams", foreign, "copies", r.copies)
	}
	for _, stream := range slices.Sorted(maps.Keys(lost)) {
		if !strings.HasPrefix(stream, "KV_") {
			continue
		}
		for _, gone := range lost[stream] {
			log.Error("the store lost values", "stream", stream, "lost", gone.String())
		}
	}
	return lost, failed
}

// repairStream repairs one stream. It returns errForeign, and changes nothing, if the
// files are in an unknown format.
func (r repairer) repairStream(folder, stream string) (lost []Span, err error) {
	msgs := filepath.Join(folder, "msgs")
	err = checkFormat(msgs, stream)
	if err != nil {
		return nil, err
	}
	settings, err := damagedSettings(folder, stream)
	if err != nil {
		return nil, err
	}
	lost, err = r.repairBlocks(msgs, stream)
	if err != nil {
		return lost, err
	}
	r.removeSettings(stream, settings)
	return lost, nil
}

// checkFormat returns errForeign if there are blocks and none is in the known format.
func checkFormat(folder, stream string) error {
	numbers, err := blockNumbers(folder)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		b, err := readBlock(folder, stream, n)
		if err != nil {
			return err
		}
		if b.isKnown() {
			return nil
		}
	}
	if len(numbers) > 0 {
		return errForeign
	}
	return nil
}

// damagedSettings returns the files of a stream's settings if they do not match their
// checksum, and nil if they do.
func damagedSettings(folder, stream string) (files []string, err error) {
	meta, sum := filepath.Join(folder, "meta.inf"), filepath.Join(folder, "meta.sum")
	settings, err := os.ReadFile(meta)
	var want []byte
	if err == nil {
		want, err = os.ReadFile(sum)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []string{meta, sum}, nil
	case err != nil:
		return nil, err
	case len(want) > hex.EncodedLen(highwayhash.Size64):
		return nil, errForeign
	}
	h := newHash(stream)
	h.Write(settings)
	if hex.EncodeToString(h.Sum(nil)) == string(want) {
		return nil, nil
	}
	return []string{meta, sum}, nil
}

// removeSettings removes a stream's damaged settings, with which NATS would ignore the
// stream. Without them the stream is created again, and keeps its messages.
func (r repairer) removeSettings(stream string, files []string) {
	if len(files) == 0 {
		return
	}
	for _, file := range files {
		err := r.keepCopy(file, stream)
		if err == nil {
			err = os.Remove(file)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.notRepaired(file, err)
			return
		}
	}
	r.log.Error("the settings of a stream are damaged: created them again, with all messages kept", "stream", stream)
}

// repairBlocks repairs one stream's blocks, oldest first, and removes their index, which
// NATS then builds again. The index stays if a block cannot be repaired: with it NATS
// skips a damaged record, without it NATS would truncate the block.
func (r repairer) repairBlocks(folder, stream string) (lost []Span, err error) {
	numbers, err := blockNumbers(folder)
	if err != nil {
		return nil, err
	}
	var seq uint64 // the last that was read
	allRepaired := true
	for i, n := range numbers {
		b, err := readBlock(folder, stream, n)
		if err != nil {
			return lost, err
		}
		b.seq, b.newest = seq, i == len(numbers)-1
		spans, changed := b.repair()
		seq = b.seq
		if len(lost) > 0 {
			last := &lost[len(lost)-1]
			if last.Last == 0 && b.first > last.First {
				last.Last = b.first - 1 // the block before was damaged to its end
			}
		}
		lost = append(lost, spans...)
		if !changed {
			continue
		}
		path := blockPath(folder, n)
		err = r.replace(path, stream, b.data)
		if err != nil {
			r.notRepaired(path, err)
			allRepaired = false
		}
	}
	if !allRepaired {
		return lost, nil
	}
	err = os.Remove(filepath.Join(folder, "index.db"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return lost, err
	}
	return lost, nil
}

// blockNumbers returns the numbers of a stream's blocks, oldest first.
func blockNumbers(folder string) (numbers []int, err error) {
	files, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, f := range files {
		name, isBlock := strings.CutSuffix(f.Name(), ".blk")
		n, err := strconv.Atoi(name)
		if isBlock && err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func blockPath(folder string, n int) string { return filepath.Join(folder, fmt.Sprintf("%d.blk", n)) }

func readBlock(folder, stream string, n int) (*block, error) {
	data, err := os.ReadFile(blockPath(folder, n))
	return &block{data: data, hash: newHash(fmt.Sprintf("%s-%d", stream, n))}, err
}

// replace replaces a file's content, after copying the file.
func (r repairer) replace(path, stream string, content []byte) error {
	err := r.keepCopy(path, stream)
	if err != nil {
		return err
	}
	repaired := path + ".repaired"
	err = writeSynced(repaired, content)
	if err == nil {
		err = os.Rename(repaired, path)
	}
	return errors.Join(err, syncFolder(filepath.Dir(path)))
}

func (r repairer) notRepaired(path string, err error) {
	r.log.Error("a damaged file of the store could not be copied and repaired: left it as it is", "file", path, "err", err)
}

// keepCopy copies a file before it is changed, and logs that.
func (r repairer) keepCopy(path, stream string) error {
	kept, err := r.copyAside(path, stream)
	if err == nil {
		r.log.Warn("copied a damaged file of the store before repairing it: delete the copy when you do not need it any more", "file", path, "copy", kept)
	}
	return err
}

// copyBlocks copies all blocks of a stream, or none.
func (r repairer) copyBlocks(folder, stream string) error {
	numbers, err := blockNumbers(folder)
	if err != nil {
		return err
	}
	var copies []string
	for _, n := range numbers {
		kept, err := r.copyAside(blockPath(folder, n), stream)
		if err != nil {
			for _, made := range copies {
				err = errors.Join(err, os.Remove(made)) // the server needs the space
			}
			return err
		}
		if strings.HasSuffix(kept, r.suffix) {
			copies = append(copies, kept)
		}
	}
	return nil
}

// copyAside copies a stream's file and returns the copy's path. If an older copy has
// the same content, it returns that one's.
func (r repairer) copyAside(path, stream string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	name := filepath.Join(r.copies, stream+"-"+filepath.Base(path))
	older, err := filepath.Glob(name + ".before-repair-*")
	if err != nil {
		return "", err
	}
	for _, kept := range older {
		data, err := os.ReadFile(kept)
		if err == nil && bytes.Equal(data, content) {
			return kept, nil
		}
	}
	err = os.MkdirAll(r.copies, 0o700)
	if err != nil {
		return "", err
	}
	name += r.suffix
	err = errors.Join(writeSynced(name, content), syncFolder(r.copies), syncFolder(filepath.Dir(r.copies)))
	if err != nil {
		return "", err
	}
	return name, nil
}

// writeSynced writes a file and syncs it. It removes the file if that fails.
func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		_ = os.Remove(path)
	}
	return err
}

func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
