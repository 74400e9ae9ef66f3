package bench

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gorilla/websocket"

	"websockets/shared"
)

const (
	// readBuffers is the approximate size of all read buffers together. Each has at
	// least smallBuffer and at most largeBuffer bytes.
	readBuffers = 64 << 20
	smallBuffer = 4 << 10
	largeBuffer = 64 << 10
	// dialWait is how long the server may take to accept a connection.
	dialWait = 30 * time.Second
	// retries is how often to try a connection that the server refuses temporarily.
	retries = 30
)

// target is the server.
type target struct {
	url    url.URL // of the WebSocket endpoint
	token  string
	dialer *websocket.Dialer
}

// parseTarget parses an address with or without a scheme, and with or without /ws.
func parseTarget(o Options) (target, error) {
	address := o.URL
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return target{}, fmt.Errorf("%q is not an address like http://127.0.0.1:8080", o.URL)
	}
	switch u.Scheme {
	case "http", "ws":
		u.Scheme = "ws"
	case "https", "wss":
		u.Scheme = "wss"
	default:
		return target{}, fmt.Errorf("%s: the scheme must be http, https, ws or wss", o.URL)
	}
	if u.Path = strings.TrimSuffix(u.Path, "/"); !strings.HasSuffix(u.Path, "/ws") {
		u.Path += "/ws"
	}
	return target{url: *u, token: o.Token, dialer: &websocket.Dialer{
		HandshakeTimeout: dialWait,
		ReadBufferSize:   min(max(readBuffers/o.Connections, smallBuffer), largeBuffer),
		WriteBufferSize:  smallBuffer + o.Size,
		WriteBufferPool:  &sync.Pool{},
		Proxy:            http.ProxyFromEnvironment,
	}}, nil
}

// dial opens a connection and asks for a room. session is the guest session of an
// earlier connection, empty for a new guest.
func (t target) dial(ctx context.Context, room string, after *shared.Cursor, session string) (*websocket.Conn, error) {
	u := t.url
	query := u.Query()
	query.Set("room", room)
	if after != nil {
		cursor, _ := json.Marshal(after) // never fails
		query.Set("after", string(cursor))
	}
	u.RawQuery = query.Encode()
	header := http.Header{}
	if t.token != "" {
		session = t.token
	}
	if session != "" {
		header.Set("Authorization", "Bearer "+session)
	}
	for try := 1; ; try++ {
		conn, response, err := t.dialer.DialContext(ctx, u.String(), header)
		if err == nil {
			return conn, nil
		}
		if wait := retryAfter(response); wait > 0 && try < retries && ctx.Err() == nil {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
			continue
		}
		return nil, t.refused(response, err)
	}
}

// retryAfter returns how long the server asks to wait, 0 if that is too long. The
// server limits how fast an address may open connections.
func retryAfter(response *http.Response) time.Duration {
	if response == nil || response.StatusCode != http.StatusTooManyRequests && response.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if err != nil || seconds > 2 {
		return 0
	}
	return time.Duration(max(seconds, 1)) * time.Second
}

// refused returns an error that says why dialing failed and what to do about it.
func (t target) refused(response *http.Response, err error) error {
	host := t.url.Host
	if response != nil {
		body, _ := io.ReadAll(response.Body) // gorilla keeps a kilobyte
		said := strings.TrimSpace(string(body))
		switch response.StatusCode {
		case http.StatusBadRequest:
			if strings.Contains(said, "HTTPS") { // from Go's servers and nginx
				return fmt.Errorf("%s speaks TLS: is it https://%s?", host, host)
			}
		case http.StatusTooManyRequests:
			return fmt.Errorf("the server refuses connections (%s): start it with --max-conns-per-address 0, or use fewer --connections", said)
		case http.StatusUnauthorized:
			return fmt.Errorf("the server refuses the --token (%s)", said)
		case http.StatusServiceUnavailable:
			return fmt.Errorf("the server is not ready (%s)", said)
		case http.StatusNotFound, http.StatusOK:
			return fmt.Errorf("%s answers %s: is it a websockets server?", t.url.Redacted(), response.Status)
		}
		return fmt.Errorf("%s refuses connections: %s %s", t.url.Redacted(), response.Status, said)
	}
	var authority x509.UnknownAuthorityError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens at %s: start the server, or give its address: websockets bench http://HOST:PORT", host)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("too many open files: raise the limit (ulimit -n), or use fewer --connections (%w)", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("this machine has no free ports left: use fewer --connections, or widen net.ipv4.ip_local_port_range (%w)", err)
	case errors.As(err, &authority):
		return fmt.Errorf("the certificate of %s is signed by an unknown authority: set SSL_CERT_FILE to its certificate (%w)", host, err)
	case strings.Contains(err.Error(), "does not look like a TLS handshake"):
		return fmt.Errorf("%s does not speak TLS: is it http://%s?", host, host)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%s did not answer within %v: has the server reached its limit of open files (ulimit -n)? (%w)", host, dialWait, err)
	}
	return fmt.Errorf("cannot connect to %s: %w", host, err)
}

// ended returns an error that says why a connection ended and what to do about it.
func (t target) ended(err error) error {
	var failed *shared.Error
	var closed *websocket.CloseError
	switch {
	case errors.As(err, &failed):
		return errors.New(t.advise(*failed))
	case !errors.As(err, &closed):
		return err
	}
	switch closed.Code {
	case shared.ClosePolicy:
		return fmt.Errorf("%s: start the server with --rate 0, or use a lower --rate", closed.Text)
	case shared.CloseTryLater:
		return fmt.Errorf("%s: with a --token all connections are one user's; start the server with --max-conns-per-address 0", closed.Text)
	case shared.CloseToken, shared.CloseSession, shared.CloseSessionRevoked:
		return fmt.Errorf("authentication required (%s): give a valid --token that does not expire during the run", closed.Text)
	case shared.CloseRestart:
		return errors.New("the server is stopping or restarting")
	}
	return fmt.Errorf("the server closed the connection with code %d %s", closed.Code, closed.Text)
}

// advise returns the text of a refusal with advice.
func (t target) advise(refusal shared.Error) string {
	switch refusal.Code {
	case shared.CodeRateLimited:
		return refusal.Message + " (rate_limited): start the server with --rate 0, or use a lower --rate, more --senders or fewer --rooms"
	case shared.CodeForbidden:
		return refusal.Message + `: the token must allow the rooms bench-*, {"bench-*":["read","write"]}`
	}
	return fmt.Sprintf("%s (%s)", refusal.Message, refusal.Code)
}
