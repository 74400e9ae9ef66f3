package jetstream

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// connect opens a connection to the store that reconnects forever. While it is down,
// publishing fails at once. It calls disconnected when it goes down, and missed when
// messages for its subscriptions may be lost.
func (l *Log) connect(disconnected, missed func()) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name("websockets"),
		nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1),
		nats.SyncQueueLen(2 * maxHeads), // the library's default takes half a megabyte for each read
		nats.ReconnectWait(250 * time.Millisecond),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				l.opts.Logger.Warn("disconnected from NATS", "err", err)
			}
			disconnected()
		}),
		nats.ReconnectHandler(func(*nats.Conn) { missed() }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			l.opts.Logger.Warn("NATS connection", "err", err)
			missed()
		}),
	}
	if l.server != nil {
		options = append(options, nats.InProcessServer(l.server))
	} else { // a server that is silently gone is noticed within 6 s
		options = append(options, nats.PingInterval(2*time.Second), nats.MaxPingsOutstanding(2))
	}
	conn, err := nats.Connect(l.opts.Servers, options...)
	if err != nil && l.server == nil {
		return nil, fmt.Errorf("cannot reach NATS at %s: %w", l.opts.Servers, err)
	}
	if err != nil {
		return nil, fmt.Errorf("connecting to the message log: %w", err)
	}
	return conn, nil
}
