package jetstream

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// feedBuffer is how many entries wait for a shard's follower; what comes when
	// it is full is dropped by the NATS client and read from the stream later.
	feedBuffer = 4096
	// maxGather bounds what is handed on at once.
	maxGather = 1024
	// gatherRounds is how often the follower lets others run and looks again
	// before it hands on what it has: waking the members of a room once for twenty
	// messages costs them one write instead of twenty.
	gatherRounds = 4
)

// follower takes what a shard's stream republishes, for the rooms that are
// followed, and hands it on in batches. Its goroutine is the only one that
// calls deliver for the shard.
type follower struct {
	conn   *nats.Conn
	feed   chan *nats.Msg
	notice chan struct{} // the feed may have lost something

	signals chan *nats.Msg
}

func (f *follower) open(conn *nats.Conn) {
	f.conn = conn
	f.feed = make(chan *nats.Msg, feedBuffer)
	f.notice = make(chan struct{}, 1)
	f.signals = make(chan *nats.Msg, signalBuffer)
}

// lost notes, from any goroutine and without blocking, that the feed may have
// lost something.
func (f *follower) lost() {
	select {
	case f.notice <- struct{}{}:
	default:
	}
}

// Feed takes what the log brings. Each function is called by one goroutine a
// shard and delays what comes after it.
type Feed struct {
	// Deliver takes what the shard's stream has stored, in order within a room.
	Deliver func([]Entry)
	// Lost is called when something of the shard may have been missed.
	Lost func(shard int)
	// Epoch is called when another server has given a shard a new epoch: sequences
	// known so far mean nothing any more.
	Epoch func(shard int)
	// Signal takes what servers have signalled about a room, this one included.
	Signal func(room string, data []byte)
}

// Run starts a follower for each shard and returns at once; Close ends them.
func (l *Log) Run(feed Feed) error {
	if err := l.watchEpochs(feed.Epoch); err != nil {
		return err
	}
	for _, s := range l.shards {
		l.wg.Go(func() { l.keepMark(s) })
		l.wg.Go(func() { s.follower.run(l.ctx, s.number, feed.Deliver, feed.Lost) })
		if l.Shared() {
			l.wg.Go(func() { s.follower.runSignals(l.ctx, feed.Signal) })
		}
	}
	return nil
}

func (f *follower) run(ctx context.Context, number int, deliver func([]Entry), lost func(int)) {
	batch := make([]Entry, 0, maxGather)
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.notice:
			lost(number)
			continue
		case m := <-f.feed:
			batch = appendEntry(batch[:0], m)
		}
		for range gatherRounds {
			batch = f.gather(batch)
			runtime.Gosched()
		}
		deliver(f.gather(batch))
		clear(batch)
	}
}

// gather adds what is waiting.
func (f *follower) gather(batch []Entry) []Entry {
	for len(batch) < maxGather {
		select {
		case m := <-f.feed:
			batch = appendEntry(batch, m)
		default:
			return batch
		}
	}
	return batch
}

// appendEntry adds a republished message. One that does not look like one is
// left out: the next one's Prev tells that it is missing.
func appendEntry(batch []Entry, m *nats.Msg) []Entry {
	seq, err := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return batch
	}
	prev, err := strconv.ParseUint(m.Header.Get(jetstream.LastSequenceHeader), 10, 64)
	if err != nil {
		return batch
	}
	return append(batch, Entry{Room: roomOf(m.Subject), Seq: seq, Prev: prev, Body: m.Data})
}

// roomOf returns the last part of a subject.
func roomOf(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }

// Follow makes the room part of its shard's feed and returns its newest entry:
// what is stored after it is delivered, possibly beginning before Follow returns.
// If the room has none, the entry has no Body and its Seq is one that lies before
// whatever the room will get. Call unfollow when the room is not
// needed any more. A room must not be followed twice at a time.
func (l *Log) Follow(ctx context.Context, room string) (head Entry, unfollow func(), err error) {
	s := l.shardOf(room)
	if _, err := s.subject(room); err != nil {
		return Entry{}, nil, err
	}
	sub, err := s.follower.conn.ChanSubscribe(s.feedSubject(room), s.follower.feed)
	if err != nil {
		return Entry{}, nil, fmt.Errorf("%w: following %s: %w", ErrUnavailable, room, err)
	}
	signals, err := l.followSignals(s, room)
	if err != nil {
		_ = sub.Unsubscribe()
		return Entry{}, nil, fmt.Errorf("%w: following %s: %w", ErrUnavailable, room, err)
	}
	unfollow = func() {
		_ = sub.Unsubscribe()
		if signals != nil {
			_ = signals.Unsubscribe()
		}
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	// The flush makes sure that the subscription is in force before the head is
	// read: nothing can fall between the two.
	if err := s.follower.conn.FlushWithContext(ctx); err != nil {
		unfollow()
		return Entry{}, nil, fmt.Errorf("%w: following %s: %w", ErrUnavailable, room, err)
	}
	last, err := l.LastSeq(ctx, s.number) // before the head: up to here it knows all
	if err == nil {
		head, err = l.Head(ctx, room)
	}
	if err != nil {
		unfollow()
		return Entry{}, nil, err
	}
	if head.Seq == 0 {
		head.Seq = last
	}
	return head, unfollow, nil
}
