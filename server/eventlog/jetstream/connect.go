package jetstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
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
		conn, err := nats.Connect("", append(options, nats.InProcessServer(l.server))...)
		if err != nil {
			return nil, fmt.Errorf("connecting to the message log: %w", err)
		}
		return conn, nil
	}
	addresses, err := Addresses(l.opts.Servers) // the library's error would have the password
	if err != nil {
		return nil, err
	}
	credentials, err := l.opts.Credentials.options()
	if err != nil {
		return nil, err
	}
	options = append(options, credentials...)
	options = append(options, nats.PingInterval(2*time.Second), nats.MaxPingsOutstanding(2)) // a server that is silently gone is noticed within 6 s
	conn, err := nats.Connect(l.opts.Servers, options...)
	if err != nil {
		return nil, fmt.Errorf("cannot reach NATS at %s: %w", addresses, err)
	}
	err = checkVersion(conn.ConnectedServerVersion())
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// checkVersion returns an error if a server is older than 2.11, which reads several
// messages for one request. It lets pass a version that is not a number.
func checkVersion(version string) error {
	var major, minor int
	_, err := fmt.Sscanf(version, "%d.%d", &major, &minor)
	if err == nil && (major < 2 || major == 2 && minor < 11) {
		return fmt.Errorf("NATS %s is too old: use 2.11 or newer", version)
	}
	return nil
}

// Errors of JetStream's API that the library has no names for.
const (
	errCodeNoPeers       jetstream.ErrorCode = 10005 // too few servers to place a stream on
	errCodeNotLeader     jetstream.ErrorCode = 10009
	errCodeStreamOffline jetstream.ErrorCode = 10118
)

// isTemporary reports whether a server may answer otherwise soon: it is starting, has no
// quorum, or elects a leader.
func isTemporary(err error) bool {
	var refused *jetstream.APIError
	if errors.As(err, &refused) {
		codes := []jetstream.ErrorCode{errCodeNoPeers, errCodeNotLeader, errCodeStreamOffline}
		return refused.Code == 503 || slices.Contains(codes, refused.ErrorCode)
	}
	if errors.Is(err, nats.ErrTLS) || strings.Contains(err.Error(), "tls: ") {
		return false // a certificate does not become right by waiting
	}
	var network *net.OpError // not net.Error, which a missing file is too
	return errors.As(err, &network) || errors.Is(err, nats.ErrNoServers) || isUnanswered(err) || errors.Is(err, nats.ErrConnectionClosed)
}

// isUnanswered reports whether nobody has answered a request.
func isUnanswered(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse)
}

// Addresses returns the addresses in Options.Servers without the users, passwords and
// tokens that they may have. Its error has none of them either.
func Addresses(servers string) (string, error) {
	var addresses []string
	for i, server := range strings.Split(servers, ",") {
		server = strings.TrimSpace(server)
		if server == "" {
			continue
		}
		if !strings.Contains(server, "://") {
			server = "nats://" + server
		}
		u, err := url.Parse(server)
		if err != nil || u.Host == "" || u.User == nil && strings.Contains(server, "@") {
			return "", fmt.Errorf("address %d of NATS is not like nats://host:4222, or a user or password in it is not percent-encoded", i+1)
		}
		addresses = append(addresses, u.Scheme+"://"+u.Host)
	}
	return strings.Join(addresses, ","), nil
}
