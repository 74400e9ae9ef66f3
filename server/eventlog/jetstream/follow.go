package jetstream

import (
	"context"
	"runtime"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"websockets/server/eventlog"
)

const (
	// feedBuffer is how many records may wait for a shard's follower. When it is full
	// the NATS client drops records, which are read from the stream later.
	feedBuffer = 4096
	// signalBuffer is how many signals may wait; more are lost.
	signalBuffer = 4096
	// maxGather bounds the records that are delivered at once.
	maxGather = 1024
	// gatherRounds is how often the follower yields and gathers again before it
	// delivers. Delivering twenty messages at once costs each member of a room one
	// write instead of twenty.
	gatherRounds = 4
)

// follower receives what a shard's stream republishes for the rooms that have a
// subscription. One goroutine, shard.follow, reads the feed, so a room's records stay
// in order.
type follower struct {
	conn    *nats.Conn
	feed    chan *nats.Msg
	signals chan *nats.Msg
	lossy   chan struct{} // has a value when the feed may have lost records
}

func (f *follower) open(conn *nats.Conn) {
	f.conn = conn
	f.feed = make(chan *nats.Msg, feedBuffer)
	f.signals = make(chan *nats.Msg, signalBuffer)
	f.lossy = make(chan struct{}, 1)
}

// noteLoss notes that the feed may have lost records. It may be called from any
// goroutine and does not block.
func (f *follower) noteLoss() {
	select {
	case f.lossy <- struct{}{}:
	default:
	}
}

// entry is a record with what the store says about it.
type entry struct {
	eventlog.Record
	prev    uint64 // the room's sequence before it, 0 if there was none; in the feed only
	pending int    // how many of the room's records follow; with directGet.Batch only
	key     string // what it was appended with; not in the feed
	stored  string // when the store has taken it, RFC 3339; not in the feed
}

// follow delivers the feed's records until ctx ends.
func (s *shard) follow(ctx context.Context) {
	// Not made with its capacity, which would put 64 KiB on this stack: the runtime starts
	// goroutines with the average stack, and every connection has one.
	var batch []entry
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.follower.lossy:
			s.distrustFeed()
			continue
		case m := <-s.follower.feed:
			batch = appendEntry(batch[:0], m)
		}
		for range gatherRounds {
			batch = s.follower.gather(batch)
			runtime.Gosched()
		}
		s.deliver(s.follower.gather(batch))
		clear(batch)
	}
}

// deliver hands each record to its room's subscription, and flushes each
// subscription once.
func (s *shard) deliver(batch []entry) {
	var buf [16]*subscription // usually enough, and not allocated
	touched := buf[:0]
	s.mu.RLock()
	for _, e := range batch {
		sub := s.subs[e.Room]
		if sub != nil && sub.deliver(e) && !sub.touched {
			sub.touched = true
			touched = append(touched, sub)
		}
	}
	s.mu.RUnlock()
	for _, sub := range touched {
		sub.touched = false
		sub.flush()
	}
}

// gather adds the records that are waiting.
func (f *follower) gather(batch []entry) []entry {
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

// appendEntry adds a republished message. One without the headers is left out; the
// next one's prev shows that it is missing.
func appendEntry(batch []entry, m *nats.Msg) []entry {
	seq, err := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return batch
	}
	prev, err := strconv.ParseUint(m.Header.Get(jetstream.LastSequenceHeader), 10, 64)
	if err != nil {
		return batch
	}
	return append(batch, entry{Record: eventlog.Record{Room: roomOf(m.Subject), Seq: seq, Body: m.Data}, prev: prev})
}

// roomOf returns the room of a subject, its last token.
func roomOf(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }
