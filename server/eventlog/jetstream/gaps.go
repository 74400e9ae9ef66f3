package jetstream

import (
	"context"
	"sort"

	"websockets/server/eventlog"
)

// JetStream silently skips a message that it cannot read, but counts it. Damage that
// is there when the store is opened has been repaired (package filestore). This finds
// what is damaged later, and damage on external servers.

// maxCounts is how often a range is counted if the room grows meanwhile.
const maxCounts = 3

// untilGap compares the records beyond seq with what the store counts there. If there
// should be more, it returns the records up to the gap; if they begin with the gap, it
// returns the first one. That costs another request, unless nothing can be missing.
//
// Replicas are not checked: one that lags behind counts less, and each repairs what it
// cannot read from the others.
func (r roomReader) untilGap(ctx context.Context, seq uint64, read response) (run, error) {
	n := len(read.entries)
	all := run{records: recordsOf(read.entries), more: read.pending > 0}
	if r.stream.settings.Load().Replicas > 1 || isContiguous(seq, all.records) || read.entries[0].pending == n-1 { // as many as there are
		return all, nil
	}
	missing := func(i int) (bool, error) {
		count, err := r.countBetween(ctx, seq, read.entries[i].Seq, read.entries[0].pending+1, i+1)
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
	_, logged := r.stream.gaps.LoadOrStore(first.Seq, true)
	if !logged {
		r.stream.opts.Logger.Error("messages cannot be read: they are left out, and members are told", "stream", r.stream.name,
			"room", r.name, "after", seq, "before", first.Seq)
	}
	return run{records: all.records[:1], gap: true, more: all.more || n > 1}, nil
}

// isContiguous reports whether the records have the sequences that follow seq without
// a hole, so that nothing can be missing.
func isContiguous(seq uint64, records []eventlog.Record) bool {
	return len(records) == 0 || records[len(records)-1].Seq == seq+uint64(len(records))
}

// countBetween returns how many records the store counts beyond from and up to to.
// beyond is how many it counted beyond from when they were read. If the result is not
// the expected one, the room may have grown since, so it counts again.
func (r roomReader) countBetween(ctx context.Context, from, to uint64, beyond, expected int) (int, error) {
	for try := 1; ; try++ {
		rest, err := r.count(ctx, to)
		if err != nil || beyond-rest == expected {
			return expected, err
		}
		if try == maxCounts {
			return beyond - rest, nil
		}
		again, err := r.count(ctx, from)
		if err != nil || again == beyond {
			return beyond - rest, err
		}
		beyond = again
	}
}
