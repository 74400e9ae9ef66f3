package filestore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

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

// known reports whether this is the format that is read here: what begins the block
// may be a record, or there is a good one further on.
func (b *block) known() bool {
	const most = 1 << 20 // bytes of a record: none of ours is longer
	start := b.length(0)
	if minRecord <= start && start <= most || len(bytes.Trim(b.data, "\x00")) == 0 {
		return true
	}
	part := block{data: b.data[:min(len(b.data), most)], hash: b.hash}
	next, _ := part.resync(0)
	return next < len(part.data)
}

// repair puts an erased record over what cannot be read. It returns what that was,
// and whether it has changed the data.
func (b *block) repair() (lost []Span, changed bool) {
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
		gone := Span{First: b.seq + 1}
		if following > b.seq+1 {
			gone.Last = following - 1
		} else if b.newest && next == len(b.data) && at+b.length(at) == next {
			gone.Last = gone.First // the very last record
		}
		if following != b.seq+1 { // else what is bad is not a message but the note of a deletion
			lost = append(lost, gone)
		}
		if next-at >= minRecord {
			changed = true
			b.erase(at, next, max(gone.First, gone.Last))
		}
		at = next
	}
	return lost, changed
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
