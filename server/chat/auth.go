package chat

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/auth"
	"websockets/server/eventlog"
	"websockets/shared"
)

const (
	// authenticateWait is how long a connection without a session may take to send a
	// valid token, and authenticateTries how many events it may send for that.
	authenticateWait  = 5 * time.Second
	authenticateTries = 5
)

// authenticateRequest returns the session of a request. Without one a guest is created,
// or, with tokens, the session is empty and the client has to send authenticate. If ok
// is false, the request has been answered.
func (m *Manager) authenticateRequest(w http.ResponseWriter, r *http.Request) (session auth.Session, ok bool) {
	session, err := m.authenticator.FromRequest(r)
	guests := m.authenticator.Guests
	switch {
	case err == nil:
		return session, true
	case errors.Is(err, eventlog.ErrUnavailable):
		m.respondStoreUnavailable(w, err)
		return auth.Session{}, false
	case errors.Is(err, auth.ErrNoSession) && guests != nil:
		return guests.New(), true
	case errors.Is(err, auth.ErrNoSession):
		return auth.Session{}, true
	}
	m.log.Debug("session refused", "err", err, "from", r.RemoteAddr)
	switch {
	case r.Header.Get("Authorization") != "":
		http.Error(w, "invalid or expired session: get a new one, or connect without a session", http.StatusUnauthorized)
	case guests != nil:
		m.closeInvalidSession(w, r)
	default: // the cookie is old; the page may have a newer token to send
		return auth.Session{}, true
	}
	return auth.Session{}, false
}

// closeInvalidSession refuses a browser whose cookie is not a valid session, as when the
// server's store is a new one. A browser hides the HTTP status of a failed upgrade, so
// the refusal is a close code. The user decides what comes next: a new guest cannot send
// what was written as somebody else.
func (m *Manager) closeInvalidSession(w http.ResponseWriter, r *http.Request) {
	conn, err := m.upgrader.Upgrade(w, r, nil)
	if err != nil {
		m.log.Debug("upgrade refused", "err", err, "from", r.RemoteAddr)
		return
	}
	closeWith(conn, shared.CloseSession, "invalid session")
}

// closeWith closes a connection that is no client yet.
func closeWith(conn *websocket.Conn, code int, reason string) {
	frame := websocket.FormatCloseMessage(code, reason)
	_ = conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(flushTimeout))
	_ = conn.Close()
}

// respondStoreUnavailable answers a request whose user cannot be looked up.
func (m *Manager) respondStoreUnavailable(w http.ResponseWriter, err error) {
	m.log.Error("reading user data failed", "err", err)
	w.Header().Set("Retry-After", "2")
	http.Error(w, storeUnavailable, http.StatusServiceUnavailable)
}

// storeUnavailable is what a client is told when the store cannot be reached.
const storeUnavailable = "the server's store cannot be reached"

// startAuthentication runs awaitAuthentication on a goroutine of its own. It closes the
// connection if the server is shutting down.
func (m *Manager) startAuthentication(conn *websocket.Conn, first firstRoom) {
	if m.begin() {
		go func() {
			defer m.wg.Done()
			m.awaitAuthentication(conn, first)
		}()
		return
	}
	_ = conn.Close()
	m.quotas.Release(time.Now(), first.addrQuota)
}

// awaitAuthentication makes a connection a client when it has sent a valid token, and
// closes it if it does not in time. Until then the connection is in no map and can do
// nothing else.
func (m *Manager) awaitAuthentication(conn *websocket.Conn, first firstRoom) {
	stop := context.AfterFunc(m.ctx, func() { _ = conn.Close() })
	defer stop()
	deadline := time.Now().Add(authenticateWait)
	_ = conn.SetReadDeadline(deadline)
	_ = conn.SetWriteDeadline(deadline)
	conn.SetReadLimit(shared.MaxFrameBytes)
	for range authenticateTries {
		kind, frame, err := conn.ReadMessage()
		if err != nil || kind != websocket.TextMessage {
			break
		}
		session, id, err := m.authenticateFrame(frame)
		var name string
		var named bool
		if err == nil {
			name, named, err = m.nameOf(m.ctx, session)
		}
		if err != nil {
			_ = conn.WriteMessage(websocket.TextMessage, shared.Failed.Frame(id, *authenticationError(err)))
			continue
		}
		if !stop() {
			break // the server is shutting down
		}
		_ = conn.SetReadDeadline(time.Time{})
		_ = conn.SetWriteDeadline(time.Time{})
		conn.SetReadLimit(0) // readMessages has its own
		if id != "" {
			first.answer = shared.Ack.Frame(id, shared.AckPayload{})
		}
		m.start(conn, session, name, named, first)
		return
	}
	closeWith(conn, shared.CloseToken, "send authenticate with a valid token within 5 s")
	m.quotas.Release(time.Now(), first.addrQuota)
}

// authenticateFrame returns the session of an authenticate event, and the event's id,
// also with an error.
func (m *Manager) authenticateFrame(frame []byte) (session auth.Session, id string, err error) {
	event, err := shared.DecodeEvent(frame)
	if err != nil {
		return auth.Session{}, event.ID, err
	}
	if event.Type != shared.Authenticate.Name() {
		return auth.Session{}, event.ID, shared.Errorf(shared.CodeForbidden, "authentication required: send authenticate with a token first")
	}
	payload, err := shared.Authenticate.Decode(event)
	if err != nil {
		return auth.Session{}, event.ID, err
	}
	session, err = m.verifyToken(m.ctx, payload.Token)
	return session, event.ID, err
}

// authenticationError returns what a client is told of an error: itself if it is meant
// for clients, else that the store cannot be reached.
func authenticationError(err error) *shared.Error {
	var told *shared.Error
	if errors.As(err, &told) {
		return told
	}
	return tryAgain(storeUnavailable)
}

// verifyToken returns the session of a token that came in an event. The error is a
// *shared.Error.
func (m *Manager) verifyToken(ctx context.Context, token string) (auth.Session, error) {
	session, err := m.authenticator.Verify(ctx, token)
	switch {
	case err == nil:
		return session, nil
	case errors.Is(err, eventlog.ErrUnavailable):
		return auth.Session{}, tryAgain(storeUnavailable)
	case errors.Is(err, auth.ErrExpired):
		return auth.Session{}, shared.Errorf(shared.CodeBadToken, "the token has expired: get a new one")
	}
	m.log.Debug("token refused", "err", err)
	return auth.Session{}, shared.Errorf(shared.CodeBadToken, "invalid token")
}
