package jetstream

import (
	"context"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
)

// signalBuffer is how many signals wait for their follower; what comes when it is
// full is lost.
const signalBuffer = 4096

// Signal tells the other servers that follow the room something that is not kept
// and may be lost. A server that has its log to itself tells nobody.
func (l *Log) Signal(room string, data []byte) error {
	if !l.Shared() {
		return nil
	}
	if err := l.conn.Publish(l.shardOf(room).signalSubject(room), data); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// Shared reports whether other servers may use the same log.
func (l *Log) Shared() bool { return l.server == nil }

// signalSubject is where servers talk to each other about a room.
func (s *shard) signalSubject(room string) string {
	return "signal." + strconv.Itoa(s.number) + "." + room
}

// followSignals subscribes to what other servers signal about a room.
func (l *Log) followSignals(s *shard, room string) (*nats.Subscription, error) {
	if !l.Shared() {
		return nil, nil
	}
	return s.follower.conn.ChanSubscribe(s.signalSubject(room), s.follower.signals)
}

// runSignals hands on signals until ctx ends. This server's own are among them.
func (f *follower) runSignals(ctx context.Context, signal func(room string, data []byte)) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-f.signals:
			signal(roomOf(m.Subject), m.Data)
		}
	}
}
