package auth

import "context"

// Authenticator finds the session of a request or a token. Its methods may be called
// from any goroutine.
type Authenticator struct {
	// Guests, if set, accepts everyone as a guest.
	Guests *GuestSessions
	// Tokens, if Guests is nil, accepts users who present a token.
	Tokens *TokenVerifier
	// Revocations must not be nil: what is revoked is refused.
	Revocations *Revocations
}

// Verify returns the session of a token. The error wraps ErrBadSession or ErrExpired,
// or eventlog.ErrUnavailable if the store cannot say whether the session is revoked.
func (a Authenticator) Verify(ctx context.Context, token string) (s Session, err error) {
	if a.Guests != nil {
		s, err = a.Guests.Verify(token)
	} else {
		s, err = a.Tokens.Verify(ctx, token)
	}
	if err != nil {
		return Session{}, err
	}
	err = a.Revocations.Check(ctx, s)
	if err != nil {
		return Session{}, err
	}
	return s, nil
}
