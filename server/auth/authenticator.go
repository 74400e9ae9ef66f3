package auth

import (
	"context"
	"net/http"
)

// Authenticator finds the session of a request or a token. Exactly one of its fields
// is set. Its methods may be called from any goroutine.
type Authenticator struct {
	// Guests accepts everyone as a guest.
	Guests *GuestSessions
	// Tokens accepts users who present a token.
	Tokens *TokenVerifier
}

// Verify returns the session of a token. The error wraps ErrBadSession or
// ErrExpired.
func (a Authenticator) Verify(ctx context.Context, token string) (Session, error) {
	if a.Guests != nil {
		return a.Guests.Verify(token)
	}
	return a.Tokens.Verify(ctx, token)
}

// FromRequest returns the session that a request presents, see TokenOf. The error
// wraps ErrNoSession, ErrBadSession or ErrExpired.
func (a Authenticator) FromRequest(r *http.Request) (Session, error) {
	token, err := TokenOf(r)
	if err != nil {
		return Session{}, err
	}
	return a.Verify(r.Context(), token)
}
