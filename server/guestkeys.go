package main

import (
	"context"
	"log/slog"
	"time"

	"websockets/server/eventlog"
	"websockets/server/identity"
)

const (
	// guestKeys is the name of the stored keys that sign guest sessions. All servers on
	// the same store share them.
	guestKeys = "guest-keys"
	// guestKeysEvery is how often the keys are read and rotated. A server learns within
	// that time of a key that another one has added.
	guestKeysEvery = time.Minute
)

// openGuests returns guest sessions with the stored keys, and creates the first key
// if there is none. With forget it discards all stored keys: every session becomes
// invalid.
func openGuests(ctx context.Context, log eventlog.Log, forget bool) (*identity.Guests, error) {
	keys, err := rotateKeys(ctx, log, forget)
	if err != nil {
		return nil, err
	}
	return identity.NewGuests(keys), nil
}

// rotateKeys rotates the stored keys if that is due, and returns them. With forget it
// starts from no keys.
func rotateKeys(ctx context.Context, log eventlog.Log, forget bool) (keys identity.Keys, err error) {
	value, swapErr := log.Values(eventlog.Server).Update(ctx, "", guestKeys, func(old []byte) (changed []byte, change bool) {
		var kept identity.Keys
		if old != nil && !forget {
			if kept, err = identity.ParseKeys(old); err != nil {
				return nil, false
			}
		}
		if keys, change = kept.Rotate(time.Now()); change {
			changed = keys.Marshal()
		}
		return changed, change
	})
	if swapErr != nil {
		return nil, swapErr
	} else if err != nil {
		return nil, err
	}
	return identity.ParseKeys(value)
}

// keepKeys rotates the keys once a minute until ctx ends.
func keepKeys(ctx context.Context, log eventlog.Log, guests *identity.Guests, logger *slog.Logger) {
	ticker := time.NewTicker(guestKeysEvery)
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
				logger.Warn("rotating guest session keys failed, keeping current keys", "err", err)
			}
			continue
		}
		guests.SetKeys(keys)
	}
}
