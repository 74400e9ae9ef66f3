package chat

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/identity"
	"websockets/server/wsframe"
	"websockets/shared"
)

const (
	// authenticateWait is how long a connection that came without a token may take to
	// send one, and authenticateTries how many events it may use for that.
	authenticateWait  = 5 * time.Second
	authenticateTries = 5
	// expiryGrace is how long a connection lives on when its session has expired, so
	// that a new token may come a little late.
	expiryGrace = 25 * time.Second
	// sentAwayKey is where the time is kept before which a user's sessions are no
	// longer valid.
	sentAwayKey = "sent-away"
)

// identify finds out who a request comes from. A guest without a session is made
// one up. A user without a valid token is nobody yet: the session's User is empty,
// and the connection has to authenticate. If it reports false, it has answered.
func (m *Manager) identify(w http.ResponseWriter, r *http.Request) (session identity.Session, ok bool) {
	session, err := m.door.FromRequest(r)
	if err == nil {
		err = m.notSentAway(r.Context(), session)
	}
	switch {
	case err == nil:
		return session, true
	case errors.Is(err, errNotRead):
		m.storeAway(w, err)
		return session, false
	case errors.Is(err, identity.ErrNoSession) && m.door.Guests != nil:
		return m.door.Guests.New(), true
	case errors.Is(err, identity.ErrNoSession):
		return identity.Session{}, true
	}
	m.log.Debug("refused a session", "err", err, "from", r.RemoteAddr)
	switch {
	case r.Header.Get("Authorization") != "":
		http.Error(w, "the session is not one of this server's, or it has expired: get a new one, or connect without", http.StatusUnauthorized)
	case m.door.Guests != nil:
		m.refuseSession(w, r)
	default: // it may have a newer token to send
		return identity.Session{}, true
	}
	return session, false
}

// refuseSession tells a browser that its cookie is not a session of this server's,
// as when the store is another one. It hears of a refusal after the upgrade only,
// and its user is to decide: what waits to be sent was written as somebody else.
func (m *Manager) refuseSession(w http.ResponseWriter, r *http.Request) {
	conn, err := m.upgrader.Upgrade(w, r, nil)
	if err != nil {
		m.log.Debug("refused an upgrade", "err", err, "from", r.RemoteAddr)
		return
	}
	refused := websocket.FormatCloseMessage(shared.CloseSession, "the session is not one of this server's")
	_ = conn.WriteControl(websocket.CloseMessage, refused, time.Now().Add(flushTimeout))
	_ = conn.Close()
}

// storeAway answers a request that the store has no answer for.
func (m *Manager) storeAway(w http.ResponseWriter, err error) {
	m.log.Error("reading what is kept of a user", "err", err)
	w.Header().Set("Retry-After", "2")
	http.Error(w, "the server's store cannot be reached", http.StatusServiceUnavailable)
}

// errNotRead is wrapped when the store could not be asked.
var errNotRead = errors.New("the store was not read")

// notSentAway returns an error if the session was issued before the user was sent
// away.
func (m *Manager) notSentAway(ctx context.Context, s identity.Session) error {
	if s.Fresh {
		return nil
	}
	value, err := m.users.Get(ctx, s.User, sentAwayKey)
	switch {
	case err != nil:
		return errors.Join(errNotRead, err)
	case len(value) == 0:
		return nil
	}
	at, err := time.Parse(time.RFC3339Nano, string(value))
	if err != nil || s.Issued.After(at) {
		return err
	}
	return identity.ErrBadSession
}

// lobby lets a connection in that came without a token, when it has sent one.
// Until then it is nobody: it can do nothing else and is in no map.
func (m *Manager) lobby(conn *websocket.Conn, first firstRoom) {
	if m.begin() {
		go func() {
			defer m.wg.Done()
			m.awaitToken(conn, first)
		}()
		return
	}
	_ = conn.Close()
	m.quotas.Release(time.Now(), first.addrQuota)
}

func (m *Manager) awaitToken(conn *websocket.Conn, first firstRoom) {
	stop := context.AfterFunc(m.ctx, func() { _ = conn.Close() })
	defer stop()
	say := func(e []byte) { _ = conn.WriteMessage(websocket.TextMessage, e) }
	deadline := time.Now().Add(authenticateWait)
	_ = conn.SetReadDeadline(deadline)
	_ = conn.SetWriteDeadline(deadline)
	conn.SetReadLimit(shared.MaxFrameBytes)
	for range authenticateTries {
		kind, frame, err := conn.ReadMessage()
		if err != nil || kind != websocket.TextMessage {
			break
		}
		session, id, err := m.tokenIn(frame)
		if err != nil {
			var told *shared.Error
			if !errors.As(err, &told) {
				told = tryAgain("the server's store cannot be reached")
			}
			say(shared.Failed.Frame(id, *told))
			continue
		}
		name, named, err := m.nameOf(m.ctx, session)
		if err != nil {
			say(shared.Failed.Frame(id, *tryAgain("the server's store cannot be reached")))
			continue
		}
		if !stop() {
			break // the server stops
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
	refused := websocket.FormatCloseMessage(shared.CloseToken, "send authenticate with a valid token within 5 s")
	_ = conn.WriteControl(websocket.CloseMessage, refused, time.Now().Add(flushTimeout))
	_ = conn.Close()
	m.quotas.Release(time.Now(), first.addrQuota)
}

// tokenIn reads an authenticate event.
func (m *Manager) tokenIn(frame []byte) (session identity.Session, id string, err error) {
	event, err := shared.DecodeEvent(frame)
	if err != nil {
		return session, event.ID, err
	}
	if event.Type != shared.Authenticate.Name() {
		return session, event.ID, shared.Errorf(shared.CodeForbidden, "this server wants to know who you are: send authenticate with a token first")
	}
	payload, err := shared.Authenticate.Decode(event)
	if err != nil {
		return session, event.ID, err
	}
	session, err = m.verify(m.ctx, payload.Token)
	return session, event.ID, err
}

// verify returns the session of a token that came in an event.
func (m *Manager) verify(ctx context.Context, token string) (identity.Session, error) {
	session, err := m.door.Verify(ctx, token)
	if err == nil {
		err = m.notSentAway(ctx, session)
	}
	switch {
	case errors.Is(err, errNotRead):
		return session, tryAgain("the server's store cannot be reached")
	case errors.Is(err, identity.ErrExpired):
		return session, shared.Errorf(shared.CodeBadToken, "the token has expired: get a new one")
	case err != nil:
		m.log.Debug("refused a token", "err", err)
		return session, shared.Errorf(shared.CodeBadToken, "the token is not one that is taken here")
	}
	return session, nil
}

// authenticate renews the session of a connection that has one: with a token of
// the same user. What the new one does not allow any more ends.
func (m *Manager) authenticate(ctx context.Context, r request, p shared.TokenPayload) error {
	if m.door.Tokens == nil {
		return shared.Errorf(shared.CodeUnsupported, "this server takes guests only: there is nothing to authenticate with")
	}
	session, err := m.verify(ctx, p.Token)
	if err != nil {
		return err
	}
	if session.User != r.user {
		return shared.Errorf(shared.CodeBadToken, "the token is another user's: connect anew with it")
	}
	r.session.Store(&session)
	for _, here := range append([]*member(nil), r.rooms...) {
		if name := here.room.name; !session.May(identity.Read, name) {
			r.out.Unsubscribe(&here.sub, wsframe.NewText(shared.Left.Frame("", shared.LeavePayload{Name: name})))
			r.forget(here)
		}
	}
	r.done()
	return nil
}

// SendAway ends all sessions of a user that were issued up to now, on every
// server: their connections are closed, and what they present is refused from then
// on. It returns when that is on disk.
func (m *Manager) SendAway(ctx context.Context, user string) error {
	now := time.Now().UTC().Format(time.RFC3339Nano)
	return m.users.Put(ctx, user, sentAwayKey, []byte(now))
}

// sentAway closes the connections of a user whom some server sends away.
func (m *Manager) sentAway(user string, since []byte) {
	at, err := time.Parse(time.RFC3339Nano, string(since))
	if err != nil {
		return
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, c := range m.clientsOf[user] {
		if !c.session.Load().Issued.After(at) {
			c.out.Close(shared.CloseSentAway, "your session was ended by an operator")
		}
	}
}
