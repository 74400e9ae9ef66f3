package dedupe

import (
	"hash/maphash"
	"math/bits"
)

const (
	// DefaultBytes is the memory that a log uses for its tables by default.
	DefaultBytes = 64 << 20
	// bytesPerKey is what a key takes: its hash, and two entries of the index, of which
	// one is empty.
	bytesPerKey = 16
	// smallest is the number of keys that a new table has memory for.
	smallest = 1 << 10
)

// Table knows the keys that were added with the newest sequences. Its memory grows with
// the number of keys up to a limit, and by half of that again while it grows. Then each
// new sequence displaces the oldest.
//
// The caller guards it with a lock. Add and Find do not block, but an Add that grows the
// table takes some 10 ns for each key.
type Table struct {
	limit uint64 // keys, a power of two
	seed  maphash.Seed

	first, last uint64   // the sequences that the table covers; last is 0 if there are none
	hashes      []uint64 // by sequence, modulo the length; 0 if there is no key
	index       []uint32 // a hash table of places in hashes, plus one; 0 is empty
	shift       int      // takes a hash to its place in index
}

// New returns an empty table that takes about so many bytes when it is full.
func New(bytes int64) *Table {
	t := &Table{limit: Capacity(bytes), seed: maphash.MakeSeed()}
	t.alloc(min(smallest, t.limit))
	return t
}

// Capacity returns for how many sequences a table of so many bytes has the keys: a power
// of two.
func Capacity(bytes int64) uint64 {
	return 1 << (bits.Len64(uint64(max(bytes, 2*bytesPerKey)/bytesPerKey)) - 1)
}

// Reset forgets all keys.
func (t *Table) Reset() {
	t.first, t.last = 0, 0
	t.alloc(min(smallest, t.limit))
}

// Add adds a key that the log has stored at seq. It does nothing if seq is older than
// what the table covers.
func (t *Table) Add(seq uint64, key string) {
	if t.last == 0 {
		t.first, t.last = seq, seq-1
	}
	if seq > t.last {
		t.advance(seq)
	}
	if seq < t.first && !t.extendBack(seq) {
		return
	}
	hash, at := t.hash(key), t.at(seq)
	switch t.hashes[at] {
	case hash:
		return
	case 0:
	default:
		t.unlink(at)
	}
	t.hashes[at] = hash
	t.link(at)
}

// Find returns where the log may have stored the key, newest first. The places are nil,
// and nothing is allocated, if it has not.
func (t *Table) Find(key string) (seqs []uint64) {
	if t.last == 0 {
		return nil
	}
	hash := t.hash(key)
	mask := uint64(len(t.index) - 1)
	for i := hash >> t.shift; t.index[i] != 0; i = (i + 1) & mask {
		at := uint64(t.index[i] - 1)
		if t.hashes[at] != hash {
			continue
		}
		seq := t.last - (t.last-at)&uint64(len(t.hashes)-1)
		seqs = insert(seqs, seq)
	}
	return seqs
}

// insert keeps seqs in falling order.
func insert(seqs []uint64, seq uint64) []uint64 {
	seqs = append(seqs, seq)
	for i := len(seqs) - 1; i > 0 && seqs[i] > seqs[i-1]; i-- {
		seqs[i], seqs[i-1] = seqs[i-1], seqs[i]
	}
	return seqs
}

// advance makes place for the sequences up to seq, and forgets those that are displaced.
func (t *Table) advance(seq uint64) {
	size := uint64(len(t.hashes))
	if seq-t.last >= t.limit { // none of the old ones stays
		clear(t.hashes)
		clear(t.index)
		t.first, t.last = seq, seq
		return
	}
	for seq-t.first >= size && size < t.limit {
		t.grow()
		size = uint64(len(t.hashes))
	}
	for next := t.last + 1; next <= seq; next++ {
		at := t.at(next)
		if t.hashes[at] != 0 {
			t.unlink(at)
			t.hashes[at] = 0
		}
	}
	t.last = seq
	if seq-t.first >= size {
		t.first = seq - size + 1
	}
}

// extendBack makes the table cover seq, which is below first, if there is place for it.
func (t *Table) extendBack(seq uint64) bool {
	if t.last-seq >= t.limit {
		return false
	}
	for t.last-seq >= uint64(len(t.hashes)) {
		t.grow()
	}
	t.first = seq
	return true
}

// grow doubles the memory.
func (t *Table) grow() {
	old := t.hashes
	t.alloc(2 * uint64(len(old)))
	for seq := t.first; seq <= t.last; seq++ {
		hash := old[seq&uint64(len(old)-1)]
		if hash == 0 {
			continue
		}
		at := t.at(seq)
		t.hashes[at] = hash
		t.link(at)
	}
}

func (t *Table) alloc(size uint64) {
	t.hashes = make([]uint64, size)
	t.index = make([]uint32, 2*size)
	t.shift = 64 - bits.TrailingZeros64(2*size)
}

// at returns the place of a sequence in hashes.
func (t *Table) at(seq uint64) uint64 { return seq & uint64(len(t.hashes)-1) }

// hash returns the key's hash, which is never 0.
func (t *Table) hash(key string) uint64 { return max(1, maphash.String(t.seed, key)) }

// link enters a place of hashes in the index.
func (t *Table) link(at uint64) {
	mask := uint64(len(t.index) - 1)
	i := t.hashes[at] >> t.shift
	for t.index[i] != 0 {
		i = (i + 1) & mask
	}
	t.index[i] = uint32(at) + 1
}

// unlink removes a place of hashes from the index, and moves back what lies behind it, so
// that a search never meets a hole.
func (t *Table) unlink(at uint64) {
	mask := uint64(len(t.index) - 1)
	hole := t.hashes[at] >> t.shift
	for t.index[hole] != uint32(at)+1 {
		hole = (hole + 1) & mask
	}
	for i := (hole + 1) & mask; t.index[i] != 0; i = (i + 1) & mask {
		home := t.hashes[t.index[i]-1] >> t.shift
		if (i-home)&mask >= (i-hole)&mask {
			t.index[hole] = t.index[i]
			hole = i
		}
	}
	t.index[hole] = 0
}
