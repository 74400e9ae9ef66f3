package jetstream

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// When every message is synced to disk before it is acked, a stream stores as many
// a second as the disk syncs. So when many are written, those that come while
// others are under way wait, and go together as one atomic batch of JetStream,
// which is synced once. A message that is there already refuses its batch: then
// each goes by itself and has its own answer, so what counts as the same message
// is decided for each.

const (
	// minGroup is how many go each by itself, at most: a batch takes JetStream about
	// as long as that many syncs.
	minGroup = 8
	// maxGroup is half of what JetStream takes.
	maxGroup = 500
)

// group is what a shard's appender has to publish. appender.mu guards it.
type group struct {
	waiting []queued // not published yet
	out     int      // published and not settled
	batch   []queued // the one under way, until all of it is settled
}

// queued is an append that is to be published.
type queued struct {
	number       uint64
	subject, key string
	body         []byte
}

// enqueue publishes an append when it is its turn, in the order of the calls.
func (a *appender) enqueue(q queued) {
	a.mu.Lock()
	a.group.waiting = append(a.group.waiting, q)
	a.mu.Unlock()
	a.publishWaiting()
}

// publishWaiting publishes what waits, if it is its turn: a few while few are under
// way, all together when nothing is.
func (a *appender) publishWaiting() {
	a.publishing.Lock()
	defer a.publishing.Unlock()
	for {
		next := a.takeWaiting()
		switch {
		case len(next) == 0:
			return
		case len(next) > minGroup:
			a.publishBatch(next)
		default:
			a.publishEach(next)
		}
	}
}

// takeWaiting takes what may be published now.
func (a *appender) takeWaiting() (next []queued) {
	a.mu.Lock()
	defer a.mu.Unlock()
	g := &a.group
	for len(next) == 0 && len(g.waiting) > 0 {
		if g.batch != nil || g.out > 0 && g.out+len(g.waiting) > minGroup {
			return nil
		}
		n := min(len(g.waiting), maxGroup)
		for _, q := range g.waiting[:n] {
			if p, ok := a.pending[q.number]; ok { // else it was settled without: the log is gone
				p.out = true
				a.pending[q.number] = p
				next = append(next, q)
			}
		}
		g.out += len(next)
		if g.waiting = g.waiting[n:]; len(g.waiting) == 0 {
			g.waiting = nil
		}
	}
	if len(next) > minGroup {
		g.batch = next
	}
	return next
}

// publishEach publishes appends each by itself. a.publishing is held.
func (a *appender) publishEach(each []queued) {
	for _, q := range each {
		if err := a.publish(q, nats.Header{}, true); err != nil {
			a.settle(q.number, Receipt{}, fmt.Errorf("%w: %w", ErrUnavailable, err))
		}
	}
}

// publishBatch publishes appends as one, of which the last is answered.
// a.publishing is held.
func (a *appender) publishBatch(batch []queued) {
	a.batches++
	id := a.unique + strconv.FormatUint(a.batches, 36)
	for i, q := range batch {
		last := i == len(batch)-1
		header := nats.Header{"Nats-Batch-Id": {id}, "Nats-Batch-Sequence": {strconv.Itoa(i + 1)}}
		if last {
			header["Nats-Batch-Commit"] = []string{"1"}
		}
		if err := a.publish(q, header, last); err != nil { // without its end the batch is nothing
			for _, q := range batch {
				a.settle(q.number, Receipt{}, fmt.Errorf("%w: %w", ErrUnavailable, err))
			}
			return
		}
	}
}

// batchOf returns the batch under way if number is its last, and none for an
// answer that comes when all of it has been settled. If ends is set, it is under way
// no more.
func (a *appender) batchOf(number uint64, ends bool) []queued {
	a.mu.Lock()
	defer a.mu.Unlock()
	batch := a.group.batch
	if len(batch) == 0 || batch[len(batch)-1].number != number {
		return nil
	}
	if ends {
		a.group.batch = nil
	}
	return batch
}

// batchAnswered settles the batch under way, or reports false if the answer is to
// something else.
func (a *appender) batchAnswered(number uint64, m *nats.Msg) bool {
	batch := a.batchOf(number, false)
	if batch == nil {
		return false
	}
	var answer struct {
		Error *jetstream.APIError `json:"error"`
		Seq   uint64              `json:"seq"` // of the last; they lie side by side
		Count int                 `json:"count"`
	}
	err := json.Unmarshal(m.Data, &answer)
	if err != nil || answer.Error != nil || answer.Count != len(batch) || answer.Seq < uint64(len(batch)) {
		a.publishing.Lock()
		defer a.publishing.Unlock()
		a.publishEach(a.batchOf(number, true)) // before what waits: their order stays
		return true
	}
	batch = a.batchOf(number, true)
	first := answer.Seq - uint64(len(batch)) + 1
	for i, q := range batch {
		a.settle(q.number, Receipt{Seq: first + uint64(i)}, nil)
	}
	return true
}
