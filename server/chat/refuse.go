package chat

import (
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/auth"
	"websockets/server/eventlog"
	"websockets/server/quota"
	"websockets/shared"
)

// refusal says how a request is refused for now.
type refusal struct {
	status     int           // for clients that are not browsers
	code       int           // the close code for browsers
	retryAfter time.Duration // at least a second
	reason     string        // for people
}

// refuse refuses a request for now. Browsers hide the HTTP status of a failed upgrade
// from the page, so they get a connection that is closed with a code and the reason.
func (a *acceptor) refuse(w http.ResponseWriter, r *http.Request, why refusal) {
	if r.Header.Get("Origin") == "" {
		w.Header().Set("Retry-After", strconv.Itoa(int(why.retryAfter.Seconds())))
		http.Error(w, why.reason, why.status)
		return
	}
	var h handshake
	if a.openSocket(w, r, nil, &h) {
		closeWith(h.conn, why.code, why.reason)
	}
}

// refuseQuota refuses a request whose address has reached a limit.
func (a *acceptor) refuseQuota(w http.ResponseWriter, r *http.Request, err error) {
	a.logger.Warn("refused a connection: its address has reached a limit",
		"from", r.RemoteAddr, "reason", err, "hint", addressHint(r, err))
	why := refusal{http.StatusTooManyRequests, shared.CloseTryLater, time.Second, err.Error()}
	var exceeded *quota.Refusal
	if errors.As(err, &exceeded) {
		why.retryAfter = exceeded.RetryAfter
	}
	a.refuse(w, r, why)
}

// addressHint says what an operator can do if an address has reached a limit.
func addressHint(r *http.Request, err error) string {
	// Package web removes those of a trusted proxy.
	header := "X-Forwarded-For"
	if r.Header.Get(header) == "" {
		header = "Forwarded"
	}
	if r.Header.Get(header) == "" {
		return limitHint(err, "if many people share this address, raise --max-conns-per-address")
	}
	host, _, splitErr := net.SplitHostPort(r.RemoteAddr)
	if splitErr != nil {
		host = r.RemoteAddr
	}
	return header + " came from " + host + ", which is not a --trusted-proxy: if it is your proxy, make it one"
}

// userHint says what an operator can do if a user has reached a limit.
func userHint(err error) string {
	return limitHint(err, "a user may have "+strconv.Itoa(quota.MaxUserConns)+" connections, and each tab is one; "+
		"--max-conns-per-address=0 removes the limit")
}

// limitHint returns hint, unless the limit is that of the server.
func limitHint(err error, hint string) string {
	if errors.Is(err, quota.ErrFull) {
		return "too many different addresses or users have been here within a minute: it goes away by itself, unless this is an attack"
	}
	return hint
}

// proxyHint says what a proxy has to do so that requests can be upgraded.
const proxyHint = "if there is a proxy in front, let it pass WebSockets on (nginx: proxy_http_version 1.1; " +
	"proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade)"

// checkHandshake refuses a request that must not be upgraded, whatever its session is,
// and reports false then. gorilla would upgrade over HTTP/1.0, and answers a wrong version
// with 400.
func (a *acceptor) checkHandshake(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case !websocket.IsWebSocketUpgrade(r) && r.URL.Query().Has(shared.OriginQuery):
		a.answerOriginQuery(w, r)
	case !r.ProtoAtLeast(1, 1):
		a.refuseHandshake(w, r, http.StatusBadRequest, "a WebSocket needs HTTP/1.1", proxyHint)
	case !websocket.IsWebSocketUpgrade(r):
		a.refuseHandshake(w, r, http.StatusBadRequest, "Connection: Upgrade or Upgrade: websocket is missing", proxyHint)
	case r.Header.Get("Sec-WebSocket-Version") != shared.HandshakeVersion:
		requireUpgrade(w, r)
		a.refuseHandshake(w, r, http.StatusUpgradeRequired, "Sec-WebSocket-Version must be "+shared.HandshakeVersion,
			"if this is a client of yours, use a current WebSocket library")
	case !a.originAllowed(r):
		http.Error(w, "pages of this origin may not connect", http.StatusForbidden)
	default:
		return true
	}
	return false
}

// refuseHandshake refuses a request for a reason, which is a constant text.
func (a *acceptor) refuseHandshake(w http.ResponseWriter, r *http.Request, status int, reason, hint string) {
	a.logger.Warn("refused a WebSocket handshake: "+reason, "from", r.RemoteAddr, "hint", hint)
	http.Error(w, "not a WebSocket handshake: "+reason, status)
}

// requireUpgrade sets the header of an answer with status 426.
func requireUpgrade(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Sec-WebSocket-Version", shared.HandshakeVersion)
	if r.ProtoMajor == 1 { // HTTP/2 does not allow these
		h.Set("Connection", "Upgrade")
		h.Set("Upgrade", "websocket")
	}
}

// answerOriginQuery answers a page that could not open a WebSocket, see
// shared.OriginQuery.
func (a *acceptor) answerOriginQuery(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Sec-WebSocket-Version", shared.HandshakeVersion)
	w.Header().Set("Cache-Control", "no-store")
	if !a.allows(r.URL.Query().Get(shared.OriginQuery), r) {
		http.Error(w, "pages of this origin may not connect", http.StatusForbidden)
		return
	}
	w.WriteHeader(http.StatusNoContent) // a browser would show 426 as an error in its console
}

// userDataUnavailable logs that a connection was refused because its user could not be
// looked up.
func (a *acceptor) userDataUnavailable(from string, err error) {
	a.logger.Error("refused a connection: reading user data failed", "from", from, "err", err,
		"hint", "the client will try again; /readyz says whether the store can be reached")
}

// sessionRefused logs that the session of a request is not valid.
func (a *acceptor) sessionRefused(r *http.Request, err error) {
	a.logger.Info("refused a session", "from", r.RemoteAddr, "err", err, "hint", a.sessionHint(err))
}

// tokenRefused logs that the token of an event is not valid.
func (a *acceptor) tokenRefused(from string, err error) {
	a.logger.Info("refused a token", "from", from, "err", err, "hint", a.sessionHint(err))
}

// sessionHint says what to do about a session or token that was refused.
func (a *acceptor) sessionHint(err error) string {
	switch {
	case errors.Is(err, auth.ErrExpired):
		return "the client has to get a new one"
	case errors.Is(err, eventlog.ErrUnavailable):
		return "the client will try again: the store could not be asked"
	case a.authenticator.Guests == nil:
		return "compare what the identity provider signs with the --jwt flags"
	}
	return "it is of another store, was revoked or forgotten; loading the page makes a new guest"
}

// closeWith closes a connection that is not a client.
func closeWith(conn *websocket.Conn, code int, reason string) {
	frame := websocket.FormatCloseMessage(code, reason)
	_ = conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(flushTimeout))
	_ = conn.Close()
}

// expel closes a client's connection because of what the client has sent. Only the reader
// may call it.
func (c *Client) expel(code int, reason string) {
	if !c.out.IsClosing() {
		c.logger().Info("closed a connection because of what its client sent", "code", code, "reason", reason)
	}
	c.out.Close(code, reason)
}
