package delivery

import (
	"bytes"

	"websockets/server/wsframe"
	"websockets/shared"
)

// batch is what one write takes. A driver owns it and uses it again.
type batch struct {
	items []writeItem
	bytes int
	more  bool // what follows the batch may be had without waiting
}

// writeItem is a part of a batch: a frame of the client's own, frames of a
// subscription, or the rest of a frame.
type writeItem struct {
	frames []byte
	own    *outgoing     // set for a frame of the client's own
	sub    *Subscription // set for frames of a subscription

	// Of a subscription.
	from   uint64            // its place before these frames
	synced bool              // the frame is a synced event
	gone   *shared.Truncated // the frame tells that this range is gone
}

func (b *batch) add(i writeItem) {
	b.items = append(b.items, i)
	b.bytes += len(i.frames)
}

// reset empties the batch and keeps none of its frames in memory.
func (b *batch) reset() {
	clear(b.items)
	*b = batch{items: b.items[:0]}
}

// frameAt returns where the frame begins and ends that has the n-th byte.
func (i *writeItem) frameAt(n int) (start, end int) {
	if i.sub == nil { // one frame, or the rest of one
		return 0, len(i.frames)
	}
	for end <= n {
		start = end
		end += wsframe.Length(i.frames[end:])
	}
	return start, end
}

// rest returns the bytes from n to end as an item of its own, which keeps nothing else
// in memory.
func (i *writeItem) rest(n, end int) *writeItem {
	rest := &writeItem{frames: bytes.Clone(i.frames[n:end])}
	if i.own != nil {
		own := *i.own
		own.frame, own.build = nil, nil
		rest.own = &own
	}
	return rest
}
