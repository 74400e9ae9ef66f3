package filestore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"github.com/minio/highwayhash"
)

// Before NATS opens its store, the checksum of every record is verified. NATS itself
// does not do that. After an orderly stop it trusts its index: it reads a damaged record
// only when a client asks for it, and then silently skips it. Without an index it
// truncates a block at the first damaged record, with thousands of good ones.
//
// So damaged records are erased here, in the way NATS erases a deleted message. Then
// the index is removed, so that NATS builds it again from the blocks. Both together take
// about two seconds of one core for a GB. The sequences that are lost are known.
//
// This is NATS's own format, which it keeps for its older stores. Tests write blocks
// with the built-in version of NATS and damage them. A record is
//
//	length(4) sequence(8) time(8) subject length(2) subject [header length(4) header] message checksum(8)
//
// in little endian. The highest bit of the length means that there is a header.

const (
	recordHead = 4 + 8 + 8 + 2
	recordSum  = 8
	minRecord  = recordHead + recordSum
	maxRecord  = 32 << 20

	hasHeader = 1 << 31 // flag of a length

	// Flags of a sequence, and the mask without them.
	tombstone = 1 << 62 // the record notes that another message was deleted
	erased    = 1 << 63 // the record's message was deleted
	seqMask   = 1<<62 - 1
)

// newHash returns the checksum that NATS uses for a block or stream with this name.
func newHash(name string) *highwayhash.Digest64 {
	key := sha256.Sum256([]byte(name))
	h, _ := highwayhash.NewDigest64(key[:]) // fails for a key of another length
	return h
}

// block is one file of a stream's messages.
type block struct {
	data   []byte
	hash   *highwayhash.Digest64
	newest bool
	first  uint64 // the first sequence that was read in it
	seq    uint64 // the last sequence that was read, in this block or an earlier one
}

// isKnown reports whether the block is in the format above: it may begin with a record,
// or has a good one further on.
func (b *block) isKnown() bool {
	const most = 1 << 20 // bytes; our records are shorter
	start := b.length(0)
	if minRecord <= start && start <= most || len(bytes.Trim(b.data, "\x00")) == 0 {
		return true
	}
	part := block{data: b.data[:min(len(b.data), most)], hash: b.hash}
	next, _ := part.resync(0)
	return next < len(part.data)
}

// repair erases what cannot be read. It returns the sequences that are lost, and whether
// it has changed the data.
func (b *block) repair() (lost []Span, changed bool) {
	for at := 0; at < len(b.data); {
		length, seq, ok := b.record(at)
		if ok {
			b.note(seq)
			at += length
			continue
		}
		next, following := b.resync(at + minRecord)
		if next == len(b.data) && b.newest && b.isTruncated(at) {
			break // a write that a crash interrupted: not acknowledged, or the checkpoint knows it
		}
		gone := Span{First: b.seq + 1}
		if following > b.seq+1 {
			gone.Last = following - 1
		} else if b.newest && next == len(b.data) && at+b.length(at) == next {
			gone.Last = gone.First // the very last record
		}
		if following != b.seq+1 { // otherwise it is a tombstone
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

// note notes the sequence of a good record.
func (b *block) note(seq uint64) {
	if seq&tombstone != 0 || seq&seqMask == 0 {
		return
	}
	seq &= seqMask
	if b.first == 0 {
		b.first = seq
	}
	b.seq = max(b.seq, seq)
}

// length returns the length of the record at an offset, which may be damaged.
func (b *block) length(at int) int {
	if len(b.data)-at < recordHead {
		return minRecord
	}
	return int(binary.LittleEndian.Uint32(b.data[at:]) &^ hasHeader)
}

// isTruncated reports whether the data end within the record at an offset, or before
// any of it was written.
func (b *block) isTruncated(at int) bool {
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
	if rest > subject { // the checksum does not cover the header's length
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

// resync finds the next good record from an offset on, and the sequence of the next
// message; 0 if the block has no more.
func (b *block) resync(from int) (next int, following uint64) {
	next = len(b.data)
	for at := from; at < len(b.data); {
		length, seq, ok := b.record(at)
		switch {
		case !ok:
			at++
		case seq&tombstone == 0:
			return min(next, at), seq & seqMask
		default:
			next = min(next, at)
			at += length
		}
	}
	return next, 0
}

// erase overwrites a range as NATS overwrites a deleted message.
func (b *block) erase(from, to int, seq uint64) {
	r := b.data[from:to]
	clear(r)
	binary.LittleEndian.PutUint32(r, uint32(len(r)))
	binary.LittleEndian.PutUint64(r[4:], seq|erased)
	b.hash.Reset()
	b.hash.Write(r[4:20])
	b.hash.Write(r[recordHead : len(r)-recordSum])
	b.hash.Sum(r[:len(r)-recordSum])
	b.note(seq)
}
