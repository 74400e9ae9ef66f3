package jetstream

import (
	"context"
	"fmt"
	"slices"
)

// maxDisagree is how often a page is read again whose parts do not fit together.
const maxDisagree = 5

// Before returns the room's last limit entries below before, oldest first, and
// says whether there are older ones. before 0 means the end.
//
// On a cluster each look of Back may be answered by another replica, and one that
// lags counts less than the others. So the page is taken only if the stream's
// leader knows of nothing between it and before: else it is read again, and in the
// end it is an error, never a page with a hole.
func (l *Log) Before(ctx context.Context, room string, before uint64, limit int) ([]Entry, bool, error) {
	if before == 0 {
		head, err := l.Head(ctx, room)
		if err != nil || head.Seq == 0 {
			return nil, false, err
		}
		before = head.Seq + 1
	}
	for range maxDisagree {
		last, more, err := l.Back(ctx, room, before, limit)
		if err != nil {
			return nil, false, err
		}
		entries, err := l.After(ctx, room, last, limit, 0)
		if err != nil {
			return nil, false, err
		}
		entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.Seq >= before })
		if len(entries) > 0 {
			last = entries[len(entries)-1].Seq
		}
		if l.opts.Replicas == 1 {
			return entries, more, nil
		}
		next, err := l.Next(ctx, room, last)
		if err != nil {
			return nil, false, err
		}
		reaches := next.Seq == 0 || next.Seq >= before
		if reaches && (len(entries) > 0 || !more) {
			return entries, more, nil
		}
	}
	return nil, false, fmt.Errorf("%w: its replicas do not agree about %s yet", ErrUnavailable, room)
}
