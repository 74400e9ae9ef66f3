package jetstream

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// If every message is synced to disk before it is acked, a stream stores only as many
// messages a second as the disk can sync. So when there are many, those that come
// while others are in flight wait in a queue. They are then published together as an
// atomic batch of JetStream, which is synced once.
//
// JetStream refuses a batch that has a duplicate. Its messages are then published one
// by one, and each has a reply of its own.

const (
	// maxSingles is how many messages are published one by one; more are published as
	// a batch. A batch takes JetStream about as long as that many syncs.
	maxSingles = 8
	// maxBatch is half of what JetStream takes.
	maxBatch = 500
)

// queue is what an appender has to publish. appender.mu guards it.
type queue struct {
	waiting   []message // not published yet
	published int       // published and not settled
	batch     []message // the batch in flight, until all of it is settled
}

// message is an append that is to be published.
type message struct {
	number       uint64
	subject, key string
	body         []byte
}

// enqueue publishes a message when it is its turn, in the order of the calls.
func (a *appender) enqueue(m message) {
	a.mu.Lock()
	a.queue.waiting = append(a.queue.waiting, m)
	a.mu.Unlock()
	a.publishQueued()
}

// publishQueued publishes waiting messages if it is their turn.
func (a *appender) publishQueued() {
	a.publishing.Lock()
	defer a.publishing.Unlock()
	for {
		next := a.nextQueued()
		switch {
		case len(next) == 0:
			return
		case len(next) > maxSingles:
			a.publishBatch(next)
		default:
			a.publishSingly(next)
		}
	}
}

// nextQueued takes the messages that may be published now: up to maxSingles in flight
// together, or a batch when nothing else is in flight.
func (a *appender) nextQueued() (next []message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := &a.queue
	for len(next) == 0 && len(q.waiting) > 0 {
		if q.batch != nil || q.published > 0 && q.published+len(q.waiting) > maxSingles {
			return nil
		}
		n := min(len(q.waiting), maxBatch)
		for _, m := range q.waiting[:n] {
			p, open := a.pending[m.number]
			if !open { // failed while it waited
				continue
			}
			p.published = true
			a.pending[m.number] = p
			next = append(next, m)
		}
		q.published += len(next)
		q.waiting = q.waiting[n:]
		if len(q.waiting) == 0 {
			q.waiting = nil // frees the array
		}
	}
	if len(next) > maxSingles {
		q.batch = next
	}
	return next
}

// publishSingly publishes messages that are replied to one by one. a.publishing is
// held.
func (a *appender) publishSingly(messages []message) {
	for _, m := range messages {
		err := a.publish(m, nats.Header{}, true)
		if err != nil {
			a.settle(m.number, Receipt{}, fmt.Errorf("%w: %w", ErrUnavailable, err))
		}
	}
}

// publishBatch publishes messages as a batch; the reply is to the last one.
// a.publishing is held.
func (a *appender) publishBatch(batch []message) {
	a.batches++
	id := a.batchIDs + strconv.FormatUint(a.batches, 36)
	for i, m := range batch {
		isLast := i == len(batch)-1
		header := nats.Header{"Nats-Batch-Id": {id}, "Nats-Batch-Sequence": {strconv.Itoa(i + 1)}}
		if isLast {
			header["Nats-Batch-Commit"] = []string{"1"}
		}
		err := a.publish(m, header, isLast)
		if err != nil { // JetStream drops a batch without its commit
			for _, m := range batch {
				a.settle(m.number, Receipt{}, fmt.Errorf("%w: %w", ErrUnavailable, err))
			}
			return
		}
	}
}

// batchEndingWith returns the batch in flight if number is its last message. It
// returns nil for a late reply, when all of the batch has been settled.
func (q *queue) batchEndingWith(number uint64) []message {
	if len(q.batch) == 0 || q.batch[len(q.batch)-1].number != number {
		return nil
	}
	return q.batch
}

// endBatch is batchEndingWith, after which no batch is in flight.
func (a *appender) endBatch(number uint64) []message {
	a.mu.Lock()
	defer a.mu.Unlock()
	batch := a.queue.batchEndingWith(number)
	if batch != nil {
		a.queue.batch = nil
	}
	return batch
}

// handleBatchReply settles the batch in flight. It reports false if the reply is to
// something else.
func (a *appender) handleBatchReply(number uint64, reply *nats.Msg) bool {
	a.mu.Lock()
	batch := a.queue.batchEndingWith(number)
	a.mu.Unlock()
	if batch == nil {
		return false
	}
	var ack struct {
		Error *jetstream.APIError `json:"error"`
		Seq   uint64              `json:"seq"` // of the last message; they have consecutive ones
		Count int                 `json:"count"`
	}
	err := json.Unmarshal(reply.Data, &ack)
	if err != nil || ack.Error != nil || ack.Count != len(batch) || ack.Seq < uint64(len(batch)) {
		a.publishing.Lock()
		defer a.publishing.Unlock()
		a.publishSingly(a.endBatch(number)) // before what waits, so the order stays
		return true
	}
	batch = a.endBatch(number)
	first := ack.Seq - uint64(len(batch)) + 1
	for i, m := range batch {
		a.settle(m.number, Receipt{Seq: first + uint64(i)}, nil)
	}
	return true
}
