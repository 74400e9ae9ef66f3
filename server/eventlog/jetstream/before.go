package jetstream

import (
	"context"
	"fmt"
	"slices"

	"websockets/server/eventlog"
)

// maxAttempts is how often a page is read if the replicas that serve it disagree.
const maxAttempts = 5

// before is Log.Before.
//
// On a cluster each request may be served by another replica, and one that lags behind
// counts less than the others. So a page is returned only if the stream's leader has
// nothing between it and before. Otherwise it is read again, and in the end that is an
// error: a page never has a hole.
func (r roomReader) before(ctx context.Context, before uint64, limit, maxBytes int) (eventlog.Page, error) {
	if before == 0 {
		head, err := r.head(ctx)
		if err != nil || head.Seq == 0 {
			return eventlog.Page{}, err
		}
		before = head.Seq + 1
	}
	for range maxAttempts {
		page, last, err := r.pageBefore(ctx, before, limit)
		if err != nil {
			return eventlog.Page{}, err
		}
		if r.stream.settings.Load().Replicas > 1 {
			next, err := r.next(ctx, last)
			if err != nil {
				return eventlog.Page{}, err
			}
			reaches := next.Seq == 0 || next.Seq >= before
			if !reaches || len(page.Records) == 0 && page.More {
				continue
			}
		}
		return newestOf(page, maxBytes), nil
	}
	return eventlog.Page{}, fmt.Errorf("%w: the replicas of %s disagree", ErrUnavailable, r.name)
}

// back returns a sequence beyond which the room has n records below before, or all of
// them if there are fewer. more means that there are older ones. before 0 means the
// end.
//
// The stream is indexed by sequence, not by room. So back widens a window below before
// until it holds enough records, and then searches it by halving; each step is one
// request.
func (r roomReader) back(ctx context.Context, before uint64, n int) (start uint64, more bool, err error) {
	total, err := r.count(ctx, 0)
	if err != nil {
		return 0, false, err
	}
	head, err := r.head(ctx)
	if err != nil {
		return 0, false, err
	}
	if before == 0 || before > head.Seq { // there is nothing beyond the head to search
		before = head.Seq + 1
	}
	newer, err := r.count(ctx, before-1)
	if err != nil {
		return 0, false, err
	}
	if total-newer <= n {
		return 0, false, nil
	}
	// (start, before) has at least n records, (tooFew, before) has fewer.
	start, tooFew := uint64(0), before-1
	for width := uint64(n); width < before-1; width *= 4 {
		at := before - 1 - width
		count, err := r.count(ctx, at)
		if err != nil {
			return 0, false, err
		}
		if count-newer >= n {
			start = at
			break
		}
		tooFew = at
	}
	for start+1 < tooFew {
		middle := start + (tooFew-start)/2
		count, err := r.count(ctx, middle)
		switch {
		case err != nil:
			return 0, false, err
		case count-newer == n:
			return middle, true, nil
		case count-newer > n:
			start = middle
		default:
			tooFew = middle
		}
	}
	return start, true, nil
}

// pageBefore returns the last limit records below before, as far as the replicas have
// them, and the sequence of the last one.
func (r roomReader) pageBefore(ctx context.Context, before uint64, limit int) (page eventlog.Page, last uint64, err error) {
	last, page.More, err = r.back(ctx, before, limit)
	if err != nil {
		return page, 0, err
	}
	for len(page.Records) < limit {
		run, err := r.readRun(ctx, last, limit-len(page.Records), 0)
		if err != nil {
			return page, 0, err
		}
		found := slices.DeleteFunc(run.records, func(found eventlog.Record) bool { return found.Seq >= before })
		if len(found) == 0 {
			break
		}
		page.Gone = page.Gone || run.gap
		page.Records = append(page.Records, found...)
		last = found[len(found)-1].Seq
	}
	return page, last, nil
}

// newestOf drops the oldest records if there are more than maxBytes; 0 means no bound.
func newestOf(page eventlog.Page, maxBytes int) eventlog.Page {
	size := 0
	for i, r := range slices.Backward(page.Records) {
		size += len(r.Body)
		if maxBytes > 0 && size > maxBytes && i < len(page.Records)-1 {
			page.Records, page.More = page.Records[i+1:], true
			break
		}
	}
	return page
}
