package jetstream

import (
	"context"
	"sort"

	"websockets/server/eventlog"
)

// The store steps over a message that it cannot read without a word, as if it had
// been deleted, but counts it all the same. What is damaged when the store is
// opened has been taken out by then (blocks.go); this is for what goes bad later,
// and for a store that is not ours.

// countTries is how often a range is counted again because the room grew
// meanwhile.
const countTries = 3

// untilGap compares a page of a room's records beyond seq with what the store counts
// there. If there should be more, it returns the page up to the gap, or if the page
// begins with it, the one record after it. That costs one more request, unless
// nothing can lie between the records.
//
// Replicas are not compared: one that lags behind another counts less, and each
// mends what it cannot read from the others.
func (r roomReader) untilGap(ctx context.Context, seq uint64, p page) (run, error) {
	n := len(p.entries)
	all := run{records: recordsOf(p.entries), more: p.pending > 0}
	if r.stream.opts.Replicas > 1 || isContiguous(seq, all.records) || p.entries[0].left == n-1 { // the last: all that there is
		return all, nil
	}
	missing := func(i int) (bool, error) {
		count, err := r.countBetween(ctx, seq, p.entries[i].Seq, p.entries[0].left+1, i+1)
		return count > i+1, err
	}
	gap, err := missing(n - 1)
	if err != nil || !gap {
		return all, err
	}
	i := sort.Search(n, func(i int) bool {
		if err != nil {
			return true
		}
		gap, err = missing(i)
		return gap
	})
	switch {
	case err != nil:
		return run{}, err
	case i > 0:
		return run{records: all.records[:min(i, n)], more: all.more || i < n}, nil
	}
	first := all.records[0]
	if _, logged := r.stream.gaps.LoadOrStore(first.Seq, true); !logged {
		r.stream.opts.Logger.Error("messages cannot be read: they are left out, and members are told", "stream", r.stream.name,
			"room", r.name, "after", seq, "before", first.Seq)
	}
	return run{records: all.records[:1], gap: true, more: all.more || n > 1}, nil
}

// isContiguous reports whether there is no sequence between seq and the first of the
// records, nor between them, so that nothing can be missing there.
func isContiguous(seq uint64, records []eventlog.Record) bool {
	return len(records) == 0 || records[len(records)-1].Seq == seq+uint64(len(records))
}

// countBetween returns how many records the store counts for the room beyond from
// and up to to. beyond is how many it had beyond from when the page was read. If
// that is not what is expected, the room may have grown since, and is counted again
// until it has not.
func (r roomReader) countBetween(ctx context.Context, from, to uint64, beyond, expected int) (int, error) {
	for try := 1; ; try++ {
		rest, err := r.count(ctx, to)
		if err != nil || beyond-rest == expected {
			return expected, err
		} else if try == countTries {
			return beyond - rest, nil
		}
		again, err := r.count(ctx, from)
		if err != nil || again == beyond {
			return beyond - rest, err
		}
		beyond = again
	}
}
