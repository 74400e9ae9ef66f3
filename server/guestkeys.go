package main

import (
	"context"
	"log/slog"
	"time"

	"websockets/server/auth"
	"websockets/server/eventlog"
)

const (
	// guestKeys is the key in the store of the keys that sign guest sessions. All
	// servers on the store share them.
	guestKeys = "guest-keys"
	// guestKeysInterval is how often they are read and rotated. A key that another
	// server has made is known here after at most this long, well before it signs.
	guestKeysInterval = time.Minute
)

// openGuestSessions returns the guest sessions of the store's keys, and creates the
// first key. With forget it replaces the keys that there were, so everyone becomes a
// new guest.
func openGuestSessions(ctx context.Context, log eventlog.Log, forget bool) (*auth.GuestSessions, error) {
	keys, err := rotateKeys(ctx, log, forget)
	if err != nil {
		return nil, err
	}
	return auth.NewGuestSessions(keys), nil
}

// rotateKeys rotates the keys in the store and returns them. With forget it replaces
// them all.
func rotateKeys(ctx context.Context, log eventlog.Log, forget bool) (auth.Keys, error) {
	value, err := log.Values(eventlog.Server).Update(ctx, "", guestKeys, func(old []byte) ([]byte, bool) {
		var keys auth.Keys
		if old != nil && !forget {
			var err error
			keys, err = auth.ParseKeys(old)
			if err != nil {
				return nil, false // and old is parsed again below, with the same error
			}
		}
		rotated, changed := keys.Rotate(time.Now())
		return rotated.Marshal(), changed
	})
	if err != nil {
		return nil, err
	}
	return auth.ParseKeys(value)
}

// rotateKeysLoop reads and rotates the keys until ctx ends.
func rotateKeysLoop(ctx context.Context, log eventlog.Log, guests *auth.GuestSessions, logger *slog.Logger) {
	ticker := time.NewTicker(guestKeysInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		keys, err := rotateKeys(ctx, log, false)
		if err != nil {
			if ctx.Err() == nil {
				logger.Warn("rotating guest keys failed, keeping the current ones", "err", err)
			}
			continue
		}
		guests.SetKeys(keys)
	}
}
