package chat

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/auth"
	"websockets/server/quota"
	"websockets/server/userdata"
	"websockets/shared"
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
	logger        *slog.Logger    // limited, see loglimit
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

func newAcceptor(ctx context.Context, config Config, authenticator auth.Authenticator, names *userdata.Names, quotas *quota.Registry, logger *slog.Logger, serve func(*handshake)) *acceptor {
	a := &acceptor{
		ctx: ctx, logger: logger, authenticator: authenticator, names: names, quotas: quotas,
		allowOrigins: config.AllowOrigins,
		handshakes:   make(chan struct{}, maxHandshakes*runtime.GOMAXPROCS(0)),
		serve:        serve,
	}
	a.upgrader = websocket.Upgrader{
		HandshakeTimeout: 10 * time.Second,
		ReadBufferSize:   512, // an event that is larger is read past it
		WriteBufferPool:  &sync.Pool{},
		Subprotocols:     []string{shared.Subprotocol},
		CheckOrigin:      func(*http.Request) bool { return true }, // checkHandshake has done so
	}
	return a
}

// accept refuses a request, or upgrades it and calls serve. If the client still has to
// authenticate, serve is called on another goroutine when it has.
func (a *acceptor) accept(w http.ResponseWriter, r *http.Request) {
	if !a.checkHandshake(w, r) {
		return
	}
	if a.isClosed() {
		a.logger.Info("refused a connection: the server is stopping", "from", r.RemoteAddr)
		a.refuse(w, r, refusal{http.StatusServiceUnavailable, shared.CloseRestart, time.Second, "the server is stopping"})
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
		a.refuseQuota(w, r, err)
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
	session, cookie, ok := a.authenticateRequest(w, r)
	if !ok {
		return false
	}
	if session.User != "" {
		err := a.identify(r.Context(), h, session)
		if err != nil {
			a.respondStoreUnavailable(w, r, err)
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
	if cookie != "" || isOwnPage(r) {
		h.session.Token = "" // it is in a cookie, which no script can read
	}
	return true
}

// openSocket upgrades a request and sets the handshake's connection. If it reports
// false, the request has been refused.
func (a *acceptor) openSocket(w http.ResponseWriter, r *http.Request, header http.Header, h *handshake) bool {
	const subprotocols = "Sec-WebSocket-Protocol"
	offered := strings.Join(r.Header.Values(subprotocols), ", ") // gorilla would look at the first header only
	if offered != "" {
		r.Header.Set(subprotocols, offered)
	}
	h.frames = &frameWatch{}
	conn, err := a.upgrader.Upgrade(hijacker{w, h.frames}, r, header)
	if err != nil {
		a.logger.Info("a request could not be upgraded", "from", r.RemoteAddr, "err", err)
		return false
	}
	if offered != "" && conn.Subprotocol() == "" {
		a.logger.Warn("connected a client without any of the subprotocols that it offered", "from", r.RemoteAddr, "offered", offered,
			"hint", "a browser closes such a connection: offer "+shared.Subprotocol+" or none")
	}
	h.conn = conn
	return true
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
