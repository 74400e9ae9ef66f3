package delivery

import (
	"errors"
	"slices"

	"websockets/server/timeline"
)

// batchBytes is about how much one write takes: enough that system calls do not
// count, little enough that one client does not hold others up. A TLS connection
// cannot be used any more after an interrupted write: it holds what it has until the
// client takes it or is given up, so it takes less at once.
const (
	batchBytes       = 64 << 10
	batchBytesSecure = 16 << 10
)

// errCloseSent ends the writing: the close frame is out.
var errCloseSent = errors.New("the close frame is written")

// writer is the state machine of what is written to one connection. A driver calls
// next for a batch, writes as much of it as the client takes, and passes the number of
// bytes to sent. What next cannot have without waiting it names; fetch waits for it.
//
// There are two drivers: Pool.write, which never waits and hands over to writeMessages
// where something would, and writeMessages, which waits. One of them runs at a time,
// from schedule to goIdle or finish, and only it touches the fields and what the
// subscriptions have in position. Nothing else writes to the connection.
type writer struct {
	conn *Conn
	link *writer // in the pool's run queue, which owns it

	subs    []*Subscription
	turn    int        // which of subs was the last to be gathered
	window  readWindow // of the log, for subscriptions that are behind
	partial *writeItem // the rest of a frame of which a part may be out; nil if none is
}

// waiting is what next would have to wait for.
type waiting struct {
	reason waitReason
	sub    *Subscription // for waitForLog: which one is to be continued from the log
}

type waitReason int

const (
	waitForNothing waitReason = iota
	waitForSocket             // the client has not taken a whole frame
	waitForLog                // a subscription needs the log: a page of it, or a cursor
	waitForFrame              // the first of the queue has to be built
)

func (w *writer) batchBytes() int {
	if w.conn.secure {
		return batchBytesSecure
	}
	return batchBytes
}

// next adds to an empty batch what is to be written next and can be had without
// waiting, and returns what more would have to wait for. The batch gets
//
//   - the rest of a frame, alone; or
//   - what is queued, up to something that changes the subscriptions; or
//   - what is queued, and something of each subscription.
//
// What is in the batch counts as written until sent says otherwise.
func (w *writer) next(b *batch) waiting {
	if w.partial != nil {
		b.add(*w.partial)
		return waiting{reason: waitForSocket}
	}
	stop := w.gatherEgress(b)
	if stop.reason != waitForNothing || b.more {
		return stop
	}
	return w.gatherSubscriptions(b)
}

// gatherEgress adds what is queued. What changes the subscriptions ends the batch: they
// follow in the next one.
func (w *writer) gatherEgress(b *batch) waiting {
	own, build := w.conn.egress.take(w.batchBytes())
	for i := range own {
		w.addOwn(b, &own[i])
	}
	if build {
		return waiting{reason: waitForFrame}
	}
	return waiting{}
}

func (w *writer) addOwn(b *batch, out *outgoing) {
	if out.leave != nil {
		w.subs = slices.DeleteFunc(w.subs, func(s *Subscription) bool { return s == out.leave })
	}
	b.add(writeItem{frames: out.frame, own: out})
	b.more = b.more || out.changesSubscriptions()
}

// gatherSubscriptions adds something of each subscription. They take turns, so one
// that always has something does not hold the others up.
func (w *writer) gatherSubscriptions(b *batch) waiting {
	limit := b.bytes + w.batchBytes()
	for n := len(w.subs); n > 0 && b.bytes < limit; n-- {
		w.turn = (w.turn + 1) % len(w.subs)
		s := w.subs[w.turn]
		if !w.gatherSubscription(b, s) {
			return waiting{reason: waitForLog, sub: s}
		}
	}
	b.more = b.bytes >= w.batchBytes()
	return waiting{}
}

// gatherSubscription adds what the ring has beyond the client's place. It reports false
// if the log is needed.
func (w *writer) gatherSubscription(b *batch, s *Subscription) bool {
	if !gatherSynced(b, s) {
		return false
	}
	for gathered := 0; gathered < w.batchBytes(); {
		frames, last, behind := s.source.Timeline.After(s.seq)
		if behind {
			return false
		}
		if last == s.seq {
			break
		}
		gatherFrames(b, s, frames, last)
		gathered += len(frames)
	}
	return gatherSynced(b, s)
}

// gatherFrames adds frames that bring the client to last.
func gatherFrames(b *batch, s *Subscription, frames []byte, last uint64) {
	if len(frames) > 0 {
		b.add(writeItem{frames: frames, sub: s, from: s.seq})
	}
	s.seq = last
}

// gatherSynced adds the synced event if it is time for it. It reports false if the log
// has to be asked for the cursor.
func gatherSynced(b *batch, s *Subscription) bool {
	if !s.hasCaughtUp() {
		return true
	}
	cursor, cached := s.source.Timeline.CachedCursor(s.seq)
	if !cached {
		return false
	}
	b.add(writeItem{frames: s.syncedFrame(cursor), sub: s, from: s.seq, synced: true})
	s.syncing = false
	return true
}

// sent notes that n bytes of the batch are out: what they stand for is done, and what
// is not out is rolled back. Of that, only the rest of one frame is kept: the one that
// is partly out, or the first. It returns errCloseSent if the close frame is out.
func (w *writer) sent(b *batch, n int) error {
	whole := 0
	for whole < len(b.items) && n >= len(b.items[whole].frames) {
		n -= len(b.items[whole].frames)
		whole++
	}
	w.partial = nil
	err := w.complete(b.items[:whole])
	if err != nil || whole == len(b.items) {
		return err
	}
	w.keepPartial(&b.items[whole], n)
	w.rollback(b.items[whole+1:])
	return nil
}

// complete does what follows from items being out.
func (w *writer) complete(items []writeItem) (err error) {
	hadOwn, places := false, 0
	for i := range items {
		own := items[i].own
		if own == nil {
			continue
		}
		hadOwn = true
		if own.join != nil {
			w.subs = append(w.subs, own.join)
		}
		if own.reserved {
			places++
		}
		if own.last {
			err = errCloseSent
		}
	}
	if hadOwn {
		w.conn.egress.release(places)
	}
	return err
}

// keepPartial keeps the rest of the frame that has the n-th byte of an item. The
// subscription's place is behind that frame.
func (w *writer) keepPartial(item *writeItem, n int) {
	start, end := item.frameAt(n)
	w.partial = item.rest(n, end)
	if item.gone != nil {
		item.sub.gone = item.gone // what comes after it is read again, and may say the same
	}
	if end < len(item.frames) {
		item.sub.seq = timeline.FrameSeq(item.frames[start:end])
	}
}

// rollback takes items back of which nothing is out: frames of the client's own go to
// the head of the queue, and subscriptions are gathered again from the place before.
func (w *writer) rollback(items []writeItem) {
	var own []outgoing
	for i := range items {
		item := &items[i]
		switch {
		case item.own != nil:
			own = append(own, *item.own)
		case item.synced:
			item.sub.syncing = true
		default:
			item.sub.seq = min(item.sub.seq, item.from)
		}
	}
	w.conn.egress.requeue(own)
}

// fail ends the writing for good. Unless the close frame is out, the reader ends too.
func (w *writer) fail(err error) {
	if !errors.Is(err, errCloseSent) {
		_ = w.conn.net.Close()
	}
	w.conn.egress.finish()
}
