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
	// feedBuffer is how many records wait for a shard's follower. What arrives when
	// it is full is dropped by the NATS client, and read from the stream later.
	feedBuffer = 4096
	// signalBuffer is how many signals wait. What arrives when it is full is lost.
	signalBuffer = 4096
	// maxGather bounds what is handed on at once.
	maxGather = 1024
	// gatherRounds is how often the follower lets other goroutines run and looks
	// again before it hands on what it has: waking the members of a room once for
	// twenty messages costs them one write instead of twenty.
	gatherRounds = 4
)

// follower receives what a shard's stream republishes for the rooms that have a
// subscription. One goroutine takes it from there, so records of a room stay in
// order.
type follower struct {
	conn    *nats.Conn
	feed    chan *nats.Msg
	signals chan *nats.Msg
	notice  chan struct{} // the feed may have lost something
}

func (f *follower) open(conn *nats.Conn) {
	f.conn = conn
	f.feed = make(chan *nats.Msg, feedBuffer)
	f.signals = make(chan *nats.Msg, signalBuffer)
	f.notice = make(chan struct{}, 1)
}

// lost notes, from any goroutine and without blocking, that the feed may have
// lost something.
func (f *follower) lost() {
	select {
	case f.notice <- struct{}{}:
	default:
	}
}

// entry is a record with what only the store tells of it.
type entry struct {
	eventlog.Record
	prev    uint64 // the room's sequence before it, 0 if there was none; in the feed only
	pending int    // how many of the room's records follow, as the store counts; with directGet.Batch only
}

// follow delivers what the feed brings until ctx ends.
func (s *shard) follow(ctx context.Context) {
	// Not made with its capacity, which would put 64 KiB on this stack: the runtime starts
	// goroutines with the average stack, and every connection has one.
	var batch []entry
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.follower.notice:
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
	var few [16]*subscription
	touched := few[:0]
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

// gather adds what is waiting.
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

// appendEntry adds a republished message. One that does not look like one is
// left out: the next one's prev tells that it is missing.
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

// roomOf returns the last part of a subject.
func roomOf(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }
