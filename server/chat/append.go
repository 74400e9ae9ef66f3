package chat

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"sync"

	"websockets/server/eventlog"
	"websockets/shared"
)

// appender appends records to the log and counts those that have no outcome yet. Its
// methods may be called from any goroutine.
type appender struct {
	log eventlog.Log

	mu      sync.Mutex // guards what follows
	pending int
	idle    chan struct{} // closed when pending falls to 0; nil if nobody waits for that
}

// append appends a user's record and calls done with the outcome, as eventlog.Log.Append
// does. The user's id names the record within the room: the same id again stores nothing.
func (a *appender) append(ctx context.Context, room, user, id string, record []byte, done func(eventlog.Receipt, error)) error {
	a.begin()
	err := a.log.Append(ctx, room, appendKey(user, room, id), record, func(receipt eventlog.Receipt, err error) {
		done(receipt, err)
		a.end()
	})
	if err != nil {
		a.end()
	}
	return err
}

// appendAndWait appends a user's record like append, and waits for the outcome even if
// ctx ends. The log bounds how long that takes.
func (a *appender) appendAndWait(ctx context.Context, room, user, id string, record []byte) (eventlog.Receipt, error) {
	type outcome struct {
		receipt eventlog.Receipt
		err     error
	}
	answer := make(chan outcome, 1)
	err := a.append(ctx, room, user, id, record, func(receipt eventlog.Receipt, err error) {
		answer <- outcome{receipt, err}
	})
	if err != nil {
		return eventlog.Receipt{}, err
	}
	o := <-answer
	return o.receipt, o.err
}

// begin makes wait wait until end is called.
func (a *appender) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending++
}

func (a *appender) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending--
	if a.pending == 0 && a.idle != nil {
		close(a.idle)
		a.idle = nil
	}
}

// wait waits until nothing is pending, for at most flushTimeout, or until ctx ends.
func (a *appender) wait(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	a.mu.Lock()
	if a.pending == 0 {
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

// appendKey returns the log's key of a record: the same for the same user, room and id.
// The log remembers keys for a while, so it is short.
func appendKey(user, room, id string) string {
	sum := sha256.Sum256([]byte(user + "\x00" + room + "\x00" + id))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func idReused(id string) *shared.Error {
	return shared.Errorf(shared.CodeIDReused, "the id %s was used for another message: a new message needs a new id", id)
}
