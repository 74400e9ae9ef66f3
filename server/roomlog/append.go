package roomlog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
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

// Receipt says where an append ended up.
type Receipt struct {
	Seq uint64
	// Duplicate means that a message with the same key was there already, at Seq.
	// Whether it is the same message is for the caller to see.
	Duplicate bool
}

// Append stores body as the room's next message and calls done with the outcome
// when the store has it, on disk if the store syncs always. key makes it known:
// the same key again within DedupeWindow stores nothing.
//
// Appends of one goroutine to one room are stored in the order of the calls.
// Append waits while too much is under way. It returns an error if the message
// was not handed over, and then done is not called; else done is called once,
// from another goroutine, and must not block.
func (l *Log) Append(ctx context.Context, room, key string, body []byte, done func(Receipt, error)) error {
	s := l.shardOf(room)
	subject, err := s.subject(room)
	if err != nil {
		return err
	}
	if err := l.broken(); err != nil {
		return err
	}
	return s.appender.append(ctx, subject, key, body, done)
}

// appender publishes to one shard and matches the store's answers.
type appender struct {
	js    jetstream.JetStream
	slots chan struct{} // one for each append under way

	mu      sync.Mutex
	pending map[*nats.Msg]func(Receipt, error)
}

func (a *appender) open(conn *nats.Conn) (err error) {
	a.slots = make(chan struct{}, maxAppends)
	a.pending = map[*nats.Msg]func(Receipt, error){}
	a.js, err = jetstream.New(conn,
		jetstream.WithPublishAsyncMaxPending(2*maxAppends), // never reached: slots are fewer
		jetstream.WithPublishAsyncTimeout(appendTimeout),
		jetstream.WithPublishAsyncAckHandler(func(_ jetstream.JetStream, m *nats.Msg, ack *jetstream.PubAck) {
			a.settle(m, Receipt{Seq: ack.Sequence, Duplicate: ack.Duplicate}, nil)
		}),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, m *nats.Msg, err error) {
			a.settle(m, Receipt{}, fmt.Errorf("%w: %w", ErrUnavailable, err))
		}),
	)
	return err
}

func (a *appender) append(ctx context.Context, subject, key string, body []byte, done func(Receipt, error)) error {
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
	m := &nats.Msg{Subject: subject, Data: body, Header: nats.Header{jetstream.MsgIDHeader: {key}}}
	a.mu.Lock()
	a.pending[m] = done
	a.mu.Unlock()
	// No retries by the library: it would store them out of order.
	if _, err := a.js.PublishMsgAsync(m, jetstream.WithRetryAttempts(0)); err != nil {
		if a.take(m) == nil {
			return nil // settled meanwhile: done has been called
		}
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

func (a *appender) settle(m *nats.Msg, r Receipt, err error) {
	if done := a.take(m); done != nil {
		done(r, err)
	}
}

// take returns what waits for m, once, and frees its slot.
func (a *appender) take(m *nats.Msg) func(Receipt, error) {
	a.mu.Lock()
	done := a.pending[m]
	delete(a.pending, m)
	a.mu.Unlock()
	if done != nil {
		<-a.slots
	}
	return done
}

// fail settles everything under way. What the store has of it all the same counts
// as not acknowledged, and sending again finds it.
func (a *appender) fail(err error) {
	a.mu.Lock()
	under := slices.Collect(maps.Keys(a.pending))
	a.mu.Unlock()
	for _, m := range under {
		a.settle(m, Receipt{}, err)
	}
}

// close waits until every append under way is settled or ctx ends.
func (a *appender) close(ctx context.Context) {
	if a.js == nil {
		return
	}
	select {
	case <-a.js.PublishAsyncComplete():
	case <-ctx.Done():
	}
}
