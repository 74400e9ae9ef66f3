package chat

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/auth"
	"websockets/server/quota"
	"websockets/server/userdata"
)

// maxHandshakes is how many handshakes run at a time, for each processor. When
// thousands of clients connect at once, more at a time would not be faster, and would
// delay everyone who is connected already. A handshake may wait for the log.
const maxHandshakes = 16

// acceptor turns requests into connections with a verified session. It owns
// authentication, the check of the origin, the bound on handshakes, and the connections
// that have not authenticated yet. It knows neither clients nor rooms. Its methods may be
// called from any goroutine.
type acceptor struct {
	ctx           context.Context // when it ends, connections that are authenticating are cut
	logger        *slog.Logger
	authenticator auth.Authenticator
	names         *userdata.Names
	quotas        *quota.Registry
	allowOrigins  []string
	upgrader      websocket.Upgrader
	handshakes    chan struct{}    // has one element for each that is running
	serve         func(*handshake) // takes over the connection and its quota

	authenticating sync.WaitGroup // counts connections that have not authenticated yet

	mu     sync.Mutex // guards what follows
	closed bool
}

// handshake is what is known of a connection before it is a client.
type handshake struct {
	conn      *websocket.Conn
	frames    *frameWatch  // below conn
	from      netip.Prefix // what counts as its address
	addrQuota *quota.Quota // of from; whoever ends the connection releases it
	session   auth.Session
	name      string // the user's display name
	named     bool   // whether the user chose it
	room      string // the first room, empty for the default
	after     string // a cursor in that room as JSON, or empty
	ack       []byte // answers the authenticate event; nil if there was none
}

func newAcceptor(ctx context.Context, config Config, authenticator auth.Authenticator, names *userdata.Names, quotas *quota.Registry, serve func(*handshake)) *acceptor {
	a := &acceptor{
		ctx: ctx, logger: config.Logger, authenticator: authenticator, names: names, quotas: quotas,
		allowOrigins: config.AllowOrigins,
		handshakes:   make(chan struct{}, maxHandshakes*runtime.GOMAXPROCS(0)),
		serve:        serve,
	}
	a.upgrader = websocket.Upgrader{
		HandshakeTimeout: 10 * time.Second,
		ReadBufferSize:   512, // an event that is larger is read past it
		WriteBufferPool:  &sync.Pool{},
		CheckOrigin:      a.originAllowed,
	}
	return a
}

// accept refuses a request, or upgrades it and calls serve. If the client still has to
// authenticate, serve is called on another goroutine when it has.
func (a *acceptor) accept(w http.ResponseWriter, r *http.Request) {
	if !checkHandshake(w, r) {
		return
	}
	if a.isClosed() {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the server is stopping", http.StatusServiceUnavailable)
		return
	}
	select {
	case a.handshakes <- struct{}{}:
		defer func() { <-a.handshakes }()
	case <-r.Context().Done():
		return
	}
	from := quota.AddressOf(r.RemoteAddr)
	addrQuota, err := a.quotas.AcquireAddress(from, time.Now())
	if err != nil {
		refuse(w, err)
		return
	}
	query := r.URL.Query()
	h := &handshake{from: from, addrQuota: addrQuota, room: query.Get("room"), after: query.Get("after")}
	upgraded := a.upgrade(w, r, h)
	switch {
	case !upgraded:
		a.quotas.Release(time.Now(), addrQuota)
	case h.session.User == "":
		a.startAuthentication(h)
	default:
		a.serve(h)
	}
}

// upgrade authenticates a request and upgrades it. If it reports false, the request has
// been refused.
func (a *acceptor) upgrade(w http.ResponseWriter, r *http.Request, h *handshake) bool {
	session, ok := a.authenticateRequest(w, r)
	if !ok {
		return false
	}
	if session.User != "" {
		err := a.identify(r.Context(), h, session)
		if err != nil {
			a.respondStoreUnavailable(w, err)
			return false
		}
	}
	var header http.Header
	if session.IsNew {
		header = http.Header{"Set-Cookie": {auth.Cookie(session, r).String()}}
	}
	if !a.openSocket(w, r, header, h) {
		return false
	}
	if r.Header.Get("Origin") != "" {
		h.session.Token = "" // a browser has its cookie, which no script can read
	}
	return true
}

// checkHandshake refuses a request that RFC 6455 does not allow to be upgraded, and
// reports false then. gorilla would upgrade over HTTP/1.0, and answers a wrong version
// with 400.
func checkHandshake(w http.ResponseWriter, r *http.Request) bool {
	const version = "13"
	switch {
	case !r.ProtoAtLeast(1, 1):
		http.Error(w, "a WebSocket needs HTTP/1.1", http.StatusBadRequest)
	case websocket.IsWebSocketUpgrade(r) && r.Header.Get("Sec-WebSocket-Version") != version:
		h := w.Header()
		h.Set("Connection", "Upgrade")
		h.Set("Upgrade", "websocket")
		h.Set("Sec-WebSocket-Version", version)
		http.Error(w, "the version of the WebSocket protocol must be "+version, http.StatusUpgradeRequired)
	default:
		return true
	}
	return false
}

// openSocket upgrades a request and sets the handshake's connection. If it reports
// false, the request has been refused.
func (a *acceptor) openSocket(w http.ResponseWriter, r *http.Request, header http.Header, h *handshake) bool {
	h.frames = &frameWatch{}
	conn, err := a.upgrader.Upgrade(hijacker{w, h.frames}, r, header)
	if err != nil {
		a.logger.Debug("upgrade refused", "err", err, "from", r.RemoteAddr)
		return false
	}
	h.conn = conn
	return true
}

// refuse answers a request that would exceed a quota.
func refuse(w http.ResponseWriter, err error) {
	var refusal *quota.Refusal
	if errors.As(err, &refusal) {
		w.Header().Set("Retry-After", strconv.Itoa(int(refusal.RetryAfter.Seconds())))
	}
	http.Error(w, err.Error(), http.StatusTooManyRequests)
}

// closeWith closes a connection that is not a client.
func closeWith(conn *websocket.Conn, code int, reason string) {
	frame := websocket.FormatCloseMessage(code, reason)
	_ = conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(flushTimeout))
	_ = conn.Close()
}

// close makes accept refuse every request from now on. Handshakes that are running
// continue.
func (a *acceptor) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
}

func (a *acceptor) isClosed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.closed
}

// wait returns when no connection is authenticating any more. Call it after close and
// after the end of the acceptor's context, which cuts such connections.
func (a *acceptor) wait() { a.authenticating.Wait() }
