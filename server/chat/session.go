package chat

import (
	"context"
	"slices"
	"time"

	"websockets/server/auth"
	"websockets/server/wsframe"
	"websockets/shared"
)

// expiryGrace is how long a connection stays open after its session has expired, so
// that a refreshed token may arrive a little late.
const expiryGrace = 25 * time.Second

// refreshSession replaces the client's session with that of a new token of the same
// user. The client leaves the rooms that the new session may not read.
func (m *Manager) refreshSession(ctx context.Context, r request, p shared.TokenPayload) error {
	if m.authenticator.Tokens == nil {
		return shared.Errorf(shared.CodeUnsupported, "this server has guests only and takes no tokens")
	}
	session, err := m.authenticator.Verify(ctx, p.Token)
	if err != nil {
		m.acceptor.tokenRefused(r.from, err)
		return tokenError(err)
	}
	if session.User != r.user {
		return shared.Errorf(shared.CodeBadToken, "the token belongs to another user: connect again to use it")
	}
	r.session.Store(&session)
	for _, here := range slices.Clone(r.rooms) {
		name := here.room.name
		if !session.May(auth.Read, name) {
			r.out.Unsubscribe(&here.sub, wsframe.NewText(shared.Left.Frame("", shared.LeavePayload{Name: name})))
			r.exitRoom(here)
		}
	}
	r.done()
	return nil
}

// sessionRevoked is the reason with which connections of a revoked session are closed.
const sessionRevoked = "an operator ended your session"

// RevokeSessions ends all sessions of a user that were issued up to now, on every
// server: it closes their connections, and the sessions are refused from then on. It
// returns when the revocation is durable. Errors wrap eventlog.ErrUnavailable.
func (m *Manager) RevokeSessions(ctx context.Context, user string) error {
	return m.authenticator.Revocations.Revoke(ctx, user)
}

// onRevoked closes a user's connections whose session was issued up to a time. It
// remembers the revocation first, so that addClient finds it for a connection that is
// not registered yet.
func (m *Manager) onRevoked(user string, upTo time.Time) {
	m.revoked.add(user, upTo, time.Now())
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, c := range m.clientsOf[user] {
		if c.session.Load().IsRevoked(upTo) {
			c.out.Close(shared.CloseSessionRevoked, sessionRevoked)
		}
	}
}

// expired reports whether the session expired more than expiryGrace ago. Sessions of
// guests are checked only when they connect.
func (c *Client) expired() bool {
	return c.manager.authenticator.Tokens != nil && time.Since(c.session.Load().Expires) > expiryGrace && !c.out.IsClosing()
}
