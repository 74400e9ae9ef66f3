package chat

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/auth"
	"websockets/server/eventlog"
	"websockets/server/userdata"
	"websockets/shared"
)

const (
	// authenticateWait is how long a client without a session may take to send a valid
	// token, and authenticateTries how many events it may send until then.
	authenticateWait  = 5 * time.Second
	authenticateTries = 5
)

// authenticateRequest returns the session of a request, and the name of the cookie that
// carries it. If the request has none, the session is that of a new guest; with tokens it
// is empty, and the client has to send authenticate. So it has if the URL asks for that:
// a page of another site can send neither a header nor a cookie. If ok is false, the
// request has been refused.
func (a *acceptor) authenticateRequest(w http.ResponseWriter, r *http.Request) (session auth.Session, cookie string, ok bool) {
	if r.URL.Query().Has("authenticate") {
		return auth.Session{}, "", true
	}
	session, cookie, err := a.authenticator.FromRequest(r)
	guests := a.authenticator.Guests
	switch {
	case err == nil:
		return session, cookie, true
	case errors.Is(err, eventlog.ErrUnavailable):
		a.respondStoreUnavailable(w, r, err)
		return auth.Session{}, "", false
	case errors.Is(err, auth.ErrNoSession) && guests != nil:
		return guests.New(), "", true
	case errors.Is(err, auth.ErrNoSession):
		return auth.Session{}, "", true
	}
	a.sessionRefused(r, err)
	switch {
	case cookie == "":
		http.Error(w, "invalid or expired session: get a new one, or connect without a session", http.StatusUnauthorized)
	case guests != nil:
		a.closeInvalidSession(w, r)
	default: // the cookie is not valid any more; the page may have a newer token
		return auth.Session{}, "", true
	}
	return auth.Session{}, "", false
}

// closeInvalidSession refuses a browser whose cookie is not a valid session, for example
// because the store is a new one. Browsers hide the HTTP status of a failed upgrade, so
// the refusal is a close code. The page then asks the user how to go on: a new guest must
// not send messages that were written as another user.
func (a *acceptor) closeInvalidSession(w http.ResponseWriter, r *http.Request) {
	var h handshake
	if a.openSocket(w, r, nil, &h) {
		closeWith(h.conn, shared.CloseSession, "invalid session")
	}
}

// respondStoreUnavailable refuses a request whose user cannot be looked up.
func (a *acceptor) respondStoreUnavailable(w http.ResponseWriter, r *http.Request, err error) {
	a.userDataUnavailable(r.RemoteAddr, err)
	a.refuse(w, r, refusal{http.StatusServiceUnavailable, shared.CloseTryLater, 2 * time.Second, storeUnavailable})
}

// storeUnavailable is the error text for clients when the store cannot be reached.
const storeUnavailable = "the server's store cannot be reached"

// identify sets the user of a handshake, and looks up their display name. Errors wrap
// eventlog.ErrUnavailable.
func (a *acceptor) identify(ctx context.Context, h *handshake, session auth.Session) (err error) {
	h.session = session
	switch {
	case session.Name != "": // a name in the token counts as chosen
		h.name, h.named = session.Name, true
	case session.IsNew: // nothing is stored yet
		h.name, h.named = userdata.DefaultName(session.User), false
	default:
		h.name, h.named, err = a.names.Get(ctx, session.User)
	}
	return err
}

// startAuthentication runs awaitAuthentication on a goroutine of its own. If the acceptor
// is closed, it closes the connection instead.
func (a *acceptor) startAuthentication(h *handshake) {
	a.mu.Lock()
	closed := a.closed
	if !closed {
		a.authenticating.Go(func() { a.awaitAuthentication(h) })
	}
	a.mu.Unlock()
	if closed {
		_ = h.conn.Close()
		a.quotas.Release(time.Now(), h.addrQuota)
	}
}

// awaitAuthentication waits for a valid token and serves the connection then. If none
// comes in time, it closes the connection. No other event is handled before.
func (a *acceptor) awaitAuthentication(h *handshake) {
	stop := context.AfterFunc(a.ctx, func() { _ = h.conn.Close() })
	defer stop()
	deadline := time.Now().Add(authenticateWait)
	_ = h.conn.SetReadDeadline(deadline)
	_ = h.conn.SetWriteDeadline(deadline)
	h.conn.SetReadLimit(shared.MaxFrameBytes)
	h.conn.SetCloseHandler(func(code int, _ string) error {
		frame := websocket.FormatCloseMessage(h.frames.closeAnswer(code), "")
		return h.conn.WriteControl(websocket.CloseMessage, frame, deadline)
	})
	authenticated := a.readToken(h)
	if !authenticated || !stop() { // stop fails when the server is shutting down
		a.logger.Info("a connection ended before it had sent a valid token", "from", h.from.Addr().String(),
			"hint", "a client sends authenticate with a token within 5 s, or presents it as Authorization: Bearer")
		closeWith(h.conn, shared.CloseToken, "send authenticate with a valid token within 5 s")
		a.quotas.Release(time.Now(), h.addrQuota)
		return
	}
	_ = h.conn.SetReadDeadline(time.Time{})
	_ = h.conn.SetWriteDeadline(time.Time{})
	h.conn.SetReadLimit(0) // readMessages has its own
	a.serve(h)
}

// readToken reads events until one has a valid token, and answers the others with an
// error. It reports false if reading fails or no tries are left.
func (a *acceptor) readToken(h *handshake) bool {
	for range authenticateTries {
		kind, frame, err := h.conn.ReadMessage()
		if err != nil || kind != websocket.TextMessage {
			return false
		}
		session, id, err := a.authenticateFrame(h, frame)
		if err == nil {
			err = a.identify(a.ctx, h, session)
			if err != nil {
				a.userDataUnavailable(h.from.Addr().String(), err)
			}
		}
		if err == nil {
			if id != "" {
				h.ack = shared.Ack.Frame(id, shared.AckPayload{})
			}
			return true
		}
		_ = h.conn.WriteMessage(websocket.TextMessage, shared.Failed.Frame(id, *clientError(err)))
	}
	return false
}

// authenticateFrame returns the session of an authenticate event. It returns the event's
// id even with an error.
func (a *acceptor) authenticateFrame(h *handshake, frame []byte) (session auth.Session, id string, err error) {
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
	session, err = a.authenticator.Verify(a.ctx, payload.Token)
	if err != nil {
		a.tokenRefused(h.from.Addr().String(), err)
		return auth.Session{}, event.ID, tokenError(err)
	}
	return session, event.ID, nil
}

// clientError returns an error of authentication as one for the client.
func clientError(err error) *shared.Error {
	var known *shared.Error
	if errors.As(err, &known) {
		return known
	}
	return tryAgain(storeUnavailable)
}

// tokenError returns the error for a client whose token is refused. err is that of
// auth.Authenticator.Verify.
func tokenError(err error) *shared.Error {
	switch {
	case errors.Is(err, eventlog.ErrUnavailable):
		return tryAgain(storeUnavailable)
	case errors.Is(err, auth.ErrExpired):
		return shared.Errorf(shared.CodeBadToken, "the token has expired: get a new one")
	}
	return shared.Errorf(shared.CodeBadToken, "invalid token")
}
