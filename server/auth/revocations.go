package auth

import (
	"context"
	"fmt"
	"time"

	"websockets/server/eventlog"
)

// revokedKey is the key in the store of the time up to which a user's sessions are
// revoked. Stores of version 0.1.0 have it under this name.
const revokedKey = "sent-away"

// Revocations ends users' sessions before they expire, on all servers that share the
// store. Its methods may be called from any goroutine. Their errors wrap
// eventlog.ErrUnavailable if the store cannot be reached.
type Revocations struct {
	users eventlog.Values
}

// NewRevocations returns the Revocations in the bucket eventlog.Users.
func NewRevocations(users eventlog.Values) *Revocations {
	return &Revocations{users: users}
}

// Revoke revokes all sessions of a user that were issued up to now. When it returns,
// the revocation is durable and every server refuses the sessions.
func (r *Revocations) Revoke(ctx context.Context, user string) error {
	now := time.Now().UTC().Format(time.RFC3339Nano)
	return r.users.Put(ctx, user, revokedKey, []byte(now))
}

// Check returns an error that wraps ErrBadSession if the session is revoked.
func (r *Revocations) Check(ctx context.Context, s Session) error {
	value, err := r.users.Get(ctx, s.User, revokedKey)
	if err != nil {
		return err
	}
	if len(value) == 0 {
		return nil
	}
	upTo, err := time.Parse(time.RFC3339Nano, string(value))
	if err != nil {
		return fmt.Errorf("%w: unreadable revocation: %w", ErrBadSession, err)
	}
	if s.IsRevoked(upTo) {
		return fmt.Errorf("%w: revoked", ErrBadSession)
	}
	return nil
}

// Watch calls revoked when any server, this one included, revokes a user's sessions:
// those issued up to a time, see Session.IsRevoked. It does so until the log is closed.
// Calls come one at a time; revoked must not block or call the log.
func (r *Revocations) Watch(revoked func(user string, upTo time.Time)) error {
	return r.users.Watch(revokedKey, func(user string, value []byte) {
		upTo, err := time.Parse(time.RFC3339Nano, string(value))
		if err == nil {
			revoked(user, upTo)
		}
	})
}

// IsRevoked reports whether revoking the user's sessions up to a time ends this one.
func (s Session) IsRevoked(upTo time.Time) bool { return !s.Issued.After(upTo) }
