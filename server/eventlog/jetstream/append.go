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

// Bounds of the appends of one shard.
const (
	// maxInFlight is how many may be in flight at once; one more waits.
	maxInFlight = 4096
	// slotTimeout is how long an append waits for a slot. Like appendTimeout it is far
	// below duplicateWindow, so that a retry is still recognized as a duplicate.
	slotTimeout = 10 * time.Second
	// appendTimeout is how long the store may take to reply. A message that it stores
	// later counts as not acknowledged; a retry is told where it is.
	appendTimeout = 10 * time.Second
)

// Receipt is eventlog's.
type Receipt = eventlog.Receipt

// Append implements eventlog.Log. With Options.SyncAlways a record is on disk when done
// is called, otherwise up to SyncInterval later.
func (l *Log) Append(ctx context.Context, room, key string, body []byte, done func(Receipt, error)) error {
	s := l.shardOf(room)
	subject, err := s.stream.subject(room)
	if err != nil {
		return err
	}
	err = l.health.err()
	if err != nil {
		return err
	}
	sub := s.subscriptionTo(room)
	receipt, isStored, err := s.findStored(ctx, key)
	switch {
	case err != nil:
		return err
	case isStored:
		if sub != nil {
			sub.noteStored(receipt.Seq)
		}
		done(receipt, nil)
		return nil
	}
	return s.appender.append(ctx, sub, message{subject: subject, key: key, body: body}, done)
}

// appender publishes to one shard and matches the store's replies to the messages.
// It does without the client library's asynchronous publisher, which costs a timer,
// a future and a pass through the JSON decoder for each message.
//
// Its methods may be called from any goroutine once it is open.
type appender struct {
	conn      *nats.Conn
	inbox     string        // where replies come to: inbox and the message's number
	ackPrefix []byte        // how the reply to a stored message begins
	slots     chan struct{} // one for each append in flight

	batching   bool       // the store syncs every message, so many go as a batch; see batch.go
	batchIDs   string     // the prefix of batch IDs
	batches    uint64     // published so far; guarded by publishing
	publishing sync.Mutex // held while publishing, if batching; comes before mu

	keys *recentKeys // the shard's

	mu      sync.Mutex // guards what follows
	queue   queue
	number  uint64 // of the last append
	pending map[uint64]pendingAppend
	idle    chan struct{} // closed when nothing is pending any more; nil if nobody waits
}

// pendingAppend is an append in flight.
type pendingAppend struct {
	sub       *subscription // the room's, nil if it has none
	key       string
	done      func(Receipt, error)
	since     time.Time
	published bool // it counts in queue.published
}

func (a *appender) open(conn *nats.Conn, stream string) error {
	a.conn = conn
	a.batchIDs = rand.Text()
	a.inbox = nats.InboxPrefix + a.batchIDs + "."
	a.ackPrefix = fmt.Appendf(nil, `{"stream":%q,"seq":`, stream)
	a.slots = make(chan struct{}, maxInFlight)
	a.pending = map[uint64]pendingAppend{}
	_, err := conn.Subscribe(a.inbox+"*", a.handleReply)
	return err
}

func (a *appender) append(ctx context.Context, sub *subscription, m message, done func(Receipt, error)) error {
	err := a.acquireSlot(ctx)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.number++
	m.number = a.number
	a.pending[m.number] = pendingAppend{sub: sub, key: m.key, done: done, since: time.Now()}
	a.mu.Unlock()
	if a.batching {
		a.enqueue(m)
		return nil
	}
	err = a.publish(m, nats.Header{}, true)
	if err == nil {
		return nil
	}
	_, open := a.take(m.number)
	if !open { // done has been called
		return nil
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

func (a *appender) acquireSlot(ctx context.Context) error {
	select {
	case a.slots <- struct{}{}:
		return nil
	default: // without the cost of a timer
	}
	timeout := time.NewTimer(slotTimeout)
	defer timeout.Stop()
	select {
	case a.slots <- struct{}{}:
		return nil
	case <-timeout.C:
		return fmt.Errorf("%w: too many appends are in flight", ErrUnavailable)
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
}

// publish sends a message to the store, and asks for a reply if wantReply is set.
func (a *appender) publish(m message, header nats.Header, wantReply bool) error {
	header[jetstream.MsgIDHeader] = []string{m.key}
	msg := &nats.Msg{Subject: m.subject, Header: header, Data: m.body}
	if wantReply {
		msg.Reply = a.inbox + strconv.FormatUint(m.number, 10)
	}
	return a.conn.PublishMsg(msg)
}

// handleReply settles what the store has replied to.
func (a *appender) handleReply(reply *nats.Msg) {
	number, err := strconv.ParseUint(strings.TrimPrefix(reply.Subject, a.inbox), 10, 64)
	if err != nil {
		return
	}
	if !a.batching || !a.handleBatchReply(number, reply) {
		receipt, err := a.parseReply(reply)
		a.settle(number, receipt, err)
	}
	if a.batching {
		a.publishQueued()
	}
}

// parseReply reads the reply to one message.
func (a *appender) parseReply(reply *nats.Msg) (Receipt, error) {
	seq, ok := a.parseAck(reply.Data)
	if ok {
		return Receipt{Seq: seq}, nil
	}
	if len(reply.Data) == 0 {
		return Receipt{}, fmt.Errorf("%w: no stream takes what is published: %w", ErrUnavailable, nats.ErrNoResponders)
	}
	var ack struct {
		Error     *jetstream.APIError `json:"error"`
		Seq       uint64              `json:"seq"`
		Duplicate bool                `json:"duplicate"`
	}
	err := json.Unmarshal(reply.Data, &ack)
	switch {
	case err != nil:
		return Receipt{}, fmt.Errorf("%w: invalid reply: %w", ErrUnavailable, err)
	case ack.Error != nil:
		return Receipt{}, fmt.Errorf("%w: %w", ErrUnavailable, ack.Error)
	case ack.Seq == 0:
		return Receipt{}, fmt.Errorf("%w: reply without a sequence", ErrUnavailable)
	}
	return Receipt{Seq: ack.Seq, Duplicate: ack.Duplicate}, nil
}

// parseAck reads the usual reply, {"stream":"…","seq":…}, without a JSON decoder.
func (a *appender) parseAck(data []byte) (seq uint64, ok bool) {
	rest, ok := bytes.CutPrefix(data, a.ackPrefix)
	if !ok {
		return 0, false
	}
	digits, ok := bytes.CutSuffix(rest, []byte("}"))
	if !ok {
		return 0, false
	}
	seq, err := strconv.ParseUint(string(digits), 10, 64)
	return seq, err == nil
}

// settle calls an append's done, unless that has been called.
func (a *appender) settle(number uint64, r Receipt, err error) {
	p, open := a.take(number)
	if !open {
		return
	}
	if err == nil && !r.Duplicate {
		a.keys.add(r.Seq, p.key)
	}
	if err == nil && p.sub != nil {
		p.sub.noteStored(r.Seq)
	}
	p.done(r, err)
}

// take removes an append from those in flight, and frees its slot. It reports false
// if somebody else has taken it.
func (a *appender) take(number uint64) (p pendingAppend, open bool) {
	a.mu.Lock()
	p, open = a.pending[number]
	delete(a.pending, number)
	if p.published {
		a.queue.published--
		if a.queue.published == 0 {
			a.queue.batch = nil // settled: a reply comes too late now
		}
	}
	if len(a.pending) == 0 && a.idle != nil {
		close(a.idle)
		a.idle = nil
	}
	a.mu.Unlock()
	if open {
		<-a.slots
	}
	return p, open
}

// expire fails appends that have had no reply for appendTimeout, until ctx ends.
func (a *appender) expire(ctx context.Context) {
	ticker := time.NewTicker(appendTimeout / 10)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			a.failBefore(now.Add(-appendTimeout), fmt.Errorf("%w: no reply within %v", ErrUnavailable, appendTimeout))
		}
	}
}

// fail settles every append in flight with err. The store may have the messages all
// the same; a retry finds out.
func (a *appender) fail(err error) { a.failBefore(time.Time{}, err) }

// failBefore fails the appends that are in flight since before a time, in the order
// of their calls. The zero time means all of them.
func (a *appender) failBefore(then time.Time, err error) {
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
	if a.batching {
		a.publishQueued()
	}
}

// drain waits until no append is in flight or ctx ends.
func (a *appender) drain(ctx context.Context) {
	a.mu.Lock()
	if len(a.pending) == 0 {
		a.mu.Unlock()
		return
	}
	if a.idle == nil {
		a.idle = make(chan struct{})
	}
	idle := a.idle
	a.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}
