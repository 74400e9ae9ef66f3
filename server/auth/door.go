package auth

import (
	"context"
	"net/http"
)

// Door says who presents what: guests, or the operator's own users, never both.
type Door struct {
	// Guests, if set, takes everyone.
	Guests *Guests
	// Tokens, if Guests is not set, takes those who have a token.
	Tokens *Tokens
}

// Verify returns the session that a token stands for. The error wraps
// ErrBadSession or ErrExpired.
func (d Door) Verify(ctx context.Context, token string) (Session, error) {
	if d.Guests != nil {
		return d.Guests.Verify(token)
	}
	return d.Tokens.Verify(ctx, token)
}

// FromRequest returns the session that a request presents, see TokenOf. The error
// wraps ErrNoSession, ErrBadSession or ErrExpired.
func (d Door) FromRequest(r *http.Request) (Session, error) {
	token, err := TokenOf(r)
	if err != nil {
		return Session{}, err
	}
	return d.Verify(r.Context(), token)
}
