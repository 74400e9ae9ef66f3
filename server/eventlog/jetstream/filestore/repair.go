package filestore

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
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

// Span is a range of sequences that is gone; Last 0 means that its end is not
// known.
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

// errForeign says that a stream's files are in a format that is not known here.
var errForeign = errors.New("unknown format")

// repairer repairs the files of a store that nobody has open. It has no state of
// its own: streams are repaired concurrently.
type repairer struct {
	copies string // the folder for copies of files as they were
	suffix string // of the names of the copies
	log    *slog.Logger
}

// Repair looks through the store in dir, which nobody has open, takes out
// what cannot be read, and returns it by stream. A file is copied to dir/damaged
// before it is changed; without a copy it stays as it is. A stream in an unknown
// format is copied too, because NATS may cut off what it cannot read, and is not
// changed here.
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
	var mu sync.Mutex
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
		log.Error("unknown store format: these streams are neither checked nor repaired; delete the copies when they are not needed any more", "streams", foreign, "copies", r.copies)
	}
	for _, stream := range []string{"KV_server", "KV_users"} {
		for _, gone := range lost[stream] {
			log.Error("the store lost values: those that were not written again since are made anew or gone", "stream", stream, "lost", gone.String())
		}
	}
	return lost, failed
}

// repairStream looks through one stream's files. It changes nothing if they are in
// an unknown format.
func (r repairer) repairStream(folder, stream string) (lost []Span, err error) {
	msgs := filepath.Join(folder, "msgs")
	if err := checkFormat(msgs, stream); err != nil {
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

// checkFormat returns errForeign if there are blocks and none of them is in the
// format that is known here.
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
		if b.known() {
			return nil
		}
	}
	if len(numbers) > 0 {
		return errForeign
	}
	return nil
}

// damagedSettings returns the files of a stream's settings if they do not fit
// their checksum.
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

// removeSettings removes a stream's damaged settings: NATS would leave the whole
// stream out, every time. Without them the stream is created again, with our
// settings and over the messages that are there.
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
	r.log.Error("the settings of a stream are damaged and made anew: its messages stay", "stream", stream)
}

// repairBlocks looks through one stream's blocks, oldest first, and removes NATS's
// index of them, which NATS makes again from the blocks. The index stays if a block
// cannot be repaired: with it NATS steps over a bad record, without it NATS would
// cut the block off there.
func (r repairer) repairBlocks(folder, stream string) (lost []Span, err error) {
	numbers, err := blockNumbers(folder)
	if err != nil {
		return nil, err
	}
	var seq uint64 // of the last record that could be read
	whole := true
	for i, n := range numbers {
		b, err := readBlock(folder, stream, n)
		if err != nil {
			return lost, err
		}
		b.seq, b.newest = seq, i == len(numbers)-1
		spans, changed := b.repair()
		if seq = b.seq; len(lost) > 0 && lost[len(lost)-1].Last == 0 && b.first > lost[len(lost)-1].First {
			lost[len(lost)-1].Last = b.first - 1 // the block before was bad to its end
		}
		lost = append(lost, spans...)
		if !changed {
			continue
		}
		path := blockPath(folder, n)
		if err := r.replace(path, stream, b.data); err != nil {
			r.notRepaired(path, err)
			whole = false
		}
	}
	if !whole {
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
		if name, ok := strings.CutSuffix(f.Name(), ".blk"); ok {
			if n, err := strconv.Atoi(name); err == nil {
				numbers = append(numbers, n)
			}
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

// replace gives a file other content, after it was copied.
func (r repairer) replace(path, stream string, content []byte) error {
	if err := r.keepCopy(path, stream); err != nil {
		return err
	}
	repaired := path + ".repaired"
	err := writeSynced(repaired, content)
	if err == nil {
		err = os.Rename(repaired, path)
	}
	return errors.Join(err, syncFolder(filepath.Dir(path)))
}

func (r repairer) notRepaired(path string, err error) {
	r.log.Error("a damaged file of the store could not be copied and repaired: it stays as it is", "file", path, "err", err)
}

// keepCopy copies a file before it is changed, and says so.
func (r repairer) keepCopy(path, stream string) error {
	kept, err := r.copyAside(path, stream)
	if err == nil {
		r.log.Warn("copied a damaged file of the store before repairing it: delete the copy when it is not needed any more", "file", path, "copy", kept)
	}
	return err
}

// copyBlocks copies all blocks of a stream, or makes no copy.
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
				err = errors.Join(err, os.Remove(made)) // the server needs the room
			}
			return err
		}
		if strings.HasSuffix(kept, r.suffix) {
			copies = append(copies, kept)
		}
	}
	return nil
}

// copyAside copies a file of a stream and returns the copy's name. Of several
// copies with the same content only the first is kept.
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
	if err := os.MkdirAll(r.copies, 0o700); err != nil {
		return "", err
	}
	name += r.suffix
	err = errors.Join(writeSynced(name, content), syncFolder(r.copies), syncFolder(filepath.Dir(r.copies)))
	if err != nil {
		return "", err
	}
	return name, nil
}

// writeSynced writes a file and leaves nothing of it if that fails.
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
		return nil // it cannot
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
