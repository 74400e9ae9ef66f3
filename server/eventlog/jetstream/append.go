package jetstream

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"websockets/server/eventlog"
)

// Bounds of what is on its way into one shard.
const (
	// maxAppends are under way at once; one more waits.
	maxAppends = 4096
	// appendHold is how long one waits for its turn before it fails. It is far
	// below DedupeWindow, so that a message that is sent again is still known.
	appendHold = 10 * time.Second
	// appendTimeout is how long the store may take; what it stores later counts as
	// not acknowledged, and sending again finds it.
	appendTimeout = 10 * time.Second
)

// Receipt is eventlog's.
type Receipt = eventlog.Receipt

// Append implements eventlog.Log. A record is durable when it is on disk if the
// store syncs always, else up to SyncInterval later.
func (l *Log) Append(ctx context.Context, room, key string, body []byte, done func(Receipt, error)) error {
	s := l.shardOf(room)
	subject, err := s.stream.subject(room)
	if err != nil {
		return err
	}
	if err := l.health.err(); err != nil {
		return err
	}
	return s.appender.append(ctx, s.subscriptionTo(room), queued{subject: subject, key: key, body: body}, done)
}

// appender publishes to one shard and matches the store's answers to what was
// published. It does without the client library's own asynchronous publisher,
// which costs a timer, a future and a pass through the JSON decoder for each.
type appender struct {
	conn   *nats.Conn
	prefix string        // of the subjects that answers come to; a number follows
	ack    []byte        // how the answer to a message that was stored begins
	slots  chan struct{} // one for each append under way

	grouped    bool       // every message is synced, so many go together; see group
	unique     string     // begins the ids of batches
	publishing sync.Mutex // held while something is published, if grouped; comes before mu
	batches    uint64     // so far; guarded by publishing

	mu      sync.Mutex
	group   group
	number  uint64 // of the last
	pending map[uint64]appending
	settled chan struct{} // closed when nothing is pending; nil if nobody waits
}

// appending is an append under way.
type appending struct {
	sub   *subscription // of the room, nil if it had none
	done  func(Receipt, error)
	since time.Time
	out   bool // it counts in group.out
}

func (a *appender) open(conn *nats.Conn, stream string) error {
	a.conn = conn
	a.unique = rand.Text()
	a.prefix = nats.InboxPrefix + a.unique + "."
	a.ack = fmt.Appendf(nil, `{"stream":%q,"seq":`, stream)
	a.slots = make(chan struct{}, maxAppends)
	a.pending = map[uint64]appending{}
	_, err := conn.Subscribe(a.prefix+"*", a.answered)
	return err
}

func (a *appender) append(ctx context.Context, sub *subscription, q queued, done func(Receipt, error)) error {
	select {
	case a.slots <- struct{}{}:
	default:
		hold := time.NewTimer(appendHold)
		defer hold.Stop()
		select {
		case a.slots <- struct{}{}:
		case <-hold.C:
			return fmt.Errorf("%w: it has more to write than it can", ErrUnavailable)
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
	}
	a.mu.Lock()
	a.number++
	q.number = a.number
	a.pending[q.number] = appending{sub: sub, done: done, since: time.Now()}
	a.mu.Unlock()
	if a.grouped {
		a.enqueue(q)
		return nil
	}
	err := a.publish(q, nats.Header{}, true)
	if err == nil {
		return nil
	}
	if _, open := a.take(q.number); !open { // it is settled: done has been called
		return nil
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// publish hands a message to the store, which answers it or not.
func (a *appender) publish(q queued, header nats.Header, answered bool) error {
	header[jetstream.MsgIDHeader] = []string{q.key}
	m := &nats.Msg{Subject: q.subject, Header: header, Data: q.body}
	if answered {
		m.Reply = a.prefix + strconv.FormatUint(q.number, 10)
	}
	return a.conn.PublishMsg(m)
}

// answered takes an answer of the store.
func (a *appender) answered(m *nats.Msg) {
	number, err := strconv.ParseUint(strings.TrimPrefix(m.Subject, a.prefix), 10, 64)
	if err != nil {
		return
	}
	if !a.grouped || !a.batchAnswered(number, m) {
		receipt, err := a.receipt(m)
		a.settle(number, receipt, err)
	}
	if a.grouped {
		a.publishWaiting()
	}
}

// receipt reads an answer.
func (a *appender) receipt(m *nats.Msg) (Receipt, error) {
	if rest, ok := bytes.CutPrefix(m.Data, a.ack); ok {
		if digits, ok := bytes.CutSuffix(rest, []byte("}")); ok {
			if seq, err := strconv.ParseUint(string(digits), 10, 64); err == nil {
				return Receipt{Seq: seq}, nil
			}
		}
	}
	if len(m.Data) == 0 {
		return Receipt{}, fmt.Errorf("%w: nobody stores what is published: %w", ErrUnavailable, nats.ErrNoResponders)
	}
	var answer struct {
		Error     *jetstream.APIError `json:"error"`
		Seq       uint64              `json:"seq"`
		Duplicate bool                `json:"duplicate"`
	}
	switch err := json.Unmarshal(m.Data, &answer); {
	case err != nil:
		return Receipt{}, fmt.Errorf("%w: its answer cannot be read: %w", ErrUnavailable, err)
	case answer.Error != nil:
		return Receipt{}, fmt.Errorf("%w: %w", ErrUnavailable, answer.Error)
	case answer.Seq == 0:
		return Receipt{}, fmt.Errorf("%w: it does not say where it stored a message", ErrUnavailable)
	}
	return Receipt{Seq: answer.Seq, Duplicate: answer.Duplicate}, nil
}

func (a *appender) settle(number uint64, r Receipt, err error) {
	p, open := a.take(number)
	if !open {
		return
	}
	if err == nil && p.sub != nil {
		p.sub.noteStored(r.Seq)
	}
	p.done(r, err)
}

// take returns what waits for an answer, once, and frees its slot.
func (a *appender) take(number uint64) (p appending, open bool) {
	a.mu.Lock()
	p, open = a.pending[number]
	delete(a.pending, number)
	if p.out {
		if a.group.out--; a.group.out == 0 {
			a.group.batch = nil // settled: what the store says of it now comes too late
		}
	}
	if len(a.pending) == 0 && a.settled != nil {
		close(a.settled)
		a.settled = nil
	}
	a.mu.Unlock()
	if open {
		<-a.slots
	}
	return p, open
}

// expire settles what the store has not answered for appendTimeout, until ctx
// ends.
func (a *appender) expire(ctx context.Context) {
	ticker := time.NewTicker(appendTimeout / 10)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			a.failSince(now.Add(-appendTimeout), fmt.Errorf("%w: it does not answer", ErrUnavailable))
		}
	}
}

// fail settles everything under way. What the store has of it all the same counts
// as not acknowledged, and sending again finds it.
func (a *appender) fail(err error) { a.failSince(time.Time{}, err) }

// failSince settles what is under way since before then, or everything, in the
// order it was published.
func (a *appender) failSince(then time.Time, err error) {
	a.mu.Lock()
	var late []uint64
	for number, p := range a.pending {
		if then.IsZero() || p.since.Before(then) {
			late = append(late, number)
		}
	}
	a.mu.Unlock()
	slices.Sort(late)
	for _, number := range late {
		a.settle(number, Receipt{}, err)
	}
	if a.grouped {
		a.publishWaiting()
	}
}

// close waits until every append under way is settled or ctx ends.
func (a *appender) close(ctx context.Context) {
	a.mu.Lock()
	if len(a.pending) == 0 {
		a.mu.Unlock()
		return
	}
	if a.settled == nil {
		a.settled = make(chan struct{})
	}
	settled := a.settled
	a.mu.Unlock()
	select {
	case <-settled:
	case <-ctx.Done():
	}
}
