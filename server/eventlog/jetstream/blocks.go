package jetstream

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
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

	"github.com/minio/highwayhash"
)

// Before the embedded NATS opens its store, every record of it is read and its
// checksum compared. NATS itself would not: after an orderly stop it believes its
// index and meets a flipped bit only when somebody reads that message, and then
// steps over it without a word; without an index it cuts a block off at the first
// bad record, and with it thousands of messages that are well. So the bad ones are
// taken out here, as NATS takes out a message that is deleted, and the index goes,
// so that NATS knows what is there from nothing but the blocks. Both together take
// about two seconds of one core for a GB. What is lost is known by name.
//
// This is NATS's own format, which it keeps for its older stores; a test writes
// blocks with the version that is built in and reads them here. A record is
//
//	length(4) sequence(8) time(8) subject length(2) subject [header length(4) header] message checksum(8)
//
// in little endian; the length's highest bit says that there is a header.

const (
	recordHead = 4 + 8 + 8 + 2
	recordSum  = 8
	minRecord  = recordHead + recordSum
	maxRecord  = 32 << 20

	hasHeader  = 1 << 31 // of a length
	tombstone  = 1 << 62 // of a sequence: says that another message is deleted
	erased     = 1 << 63 // of a sequence: a record whose message is deleted
	onlyNumber = 1<<62 - 1
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

// newHash returns the checksum that NATS makes for what has this name.
func newHash(name string) *highwayhash.Digest64 {
	key := sha256.Sum256([]byte(name))
	h, _ := highwayhash.NewDigest64(key[:]) // fails for a key of another length
	return h
}

// block is one file of a stream's messages while it is looked through.
type block struct {
	data   []byte
	hash   *highwayhash.Digest64
	newest bool
	first  uint64 // the first sequence in it that could be read
	seq    uint64 // the last one, of this block or one before
}

// repair puts an erased record over what cannot be read. It returns what that was,
// and the data as it was if it has changed any of it.
func (b *block) repair() (lost []span, was []byte) {
	for at := 0; at < len(b.data); {
		length, seq, ok := b.record(at)
		if ok {
			b.passed(seq)
			at += length
			continue
		}
		next, following := b.resync(at + minRecord)
		if next == len(b.data) && b.newest && b.cutOff(at) {
			break // it was being written when the machine stopped: never acknowledged, or the mark knows
		}
		gone := span{first: b.seq + 1}
		if following > b.seq+1 {
			gone.last = following - 1
		} else if b.newest && next == len(b.data) && at+b.length(at) == next {
			gone.last = gone.first // the very last record
		}
		if following != b.seq+1 { // else what is bad is not a message but the note of a deletion
			lost = append(lost, gone)
		}
		if next-at >= minRecord {
			if was == nil {
				was = bytes.Clone(b.data)
			}
			b.erase(at, next, max(gone.first, gone.last))
		}
		at = next
	}
	return lost, was
}

func (b *block) passed(seq uint64) {
	if seq&tombstone != 0 || seq&onlyNumber == 0 {
		return
	}
	seq &= onlyNumber
	if b.first == 0 {
		b.first = seq
	}
	b.seq = max(b.seq, seq)
}

// length is what the record at an offset says its length is.
func (b *block) length(at int) int {
	if len(b.data)-at < recordHead {
		return minRecord
	}
	return int(binary.LittleEndian.Uint32(b.data[at:]) &^ hasHeader)
}

// cutOff reports whether the data end within the record at an offset, or before
// any of it was written.
func (b *block) cutOff(at int) bool {
	rest := b.data[at:]
	return at+b.length(at) > len(b.data) && b.length(at) <= maxRecord || len(bytes.Trim(rest, "\x00")) == 0
}

// record reads the record at an offset, if there is a good one.
func (b *block) record(at int) (length int, seq uint64, ok bool) {
	length = b.length(at)
	if length < minRecord || length > maxRecord || length > len(b.data)-at {
		return 0, 0, false
	}
	r := b.data[at : at+length]
	body, sum := r[recordHead:length-recordSum], r[length-recordSum:]
	subject := int(binary.LittleEndian.Uint16(r[recordHead-2:]))
	rest := subject
	if binary.LittleEndian.Uint32(r)&hasHeader != 0 {
		rest += 4
	}
	if rest > len(body) {
		return 0, 0, false
	}
	if rest > subject { // the header's length is not in the checksum
		h := body[rest:]
		n := binary.LittleEndian.Uint32(body[subject:])
		if uint64(n) > uint64(len(h)) || !bytes.HasPrefix(h, []byte("NATS/1.0\r\n")) || bytes.Index(h, []byte("\r\n\r\n"))+4 != int(n) {
			return 0, 0, false
		}
	}
	b.hash.Reset()
	b.hash.Write(r[4:20])
	b.hash.Write(body[:subject])
	b.hash.Write(body[rest:])
	var got [recordSum]byte
	if !bytes.Equal(b.hash.Sum(got[:0]), sum) {
		return 0, 0, false
	}
	return length, binary.LittleEndian.Uint64(r[4:]), true
}

// resync finds the next good record from an offset on, and the sequence of the
// first message from there on: 0 if this block has no more.
func (b *block) resync(from int) (next int, following uint64) {
	next = len(b.data)
	for at := from; at < len(b.data); {
		length, seq, ok := b.record(at)
		switch {
		case !ok:
			at++
		case seq&tombstone == 0:
			return min(next, at), seq & onlyNumber
		default:
			next = min(next, at)
			at += length
		}
	}
	return next, 0
}

// erase writes what NATS writes over a message that is deleted.
func (b *block) erase(from, to int, seq uint64) {
	r := b.data[from:to]
	clear(r)
	binary.LittleEndian.PutUint32(r, uint32(len(r)))
	binary.LittleEndian.PutUint64(r[4:], seq|erased)
	b.hash.Reset()
	b.hash.Write(r[4:20])
	b.hash.Write(r[recordHead : len(r)-recordSum])
	b.hash.Sum(r[:len(r)-recordSum])
	b.passed(seq)
}
