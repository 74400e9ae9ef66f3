package main

import (
	"context"
	"log/slog"
	"time"

	"websockets/server/auth"
	"websockets/server/eventlog"
)

const (
	// guestKeys is where the store keeps the keys that guests' sessions are signed
	// with; all servers of one store share them.
	guestKeys = "guest-keys"
	// guestKeysEvery is how often they are looked at: one that another server has made
	// is known here that much later, and signs that much later too.
	guestKeysEvery = time.Minute
)

// openGuests returns the guests of the store's keys, making the first if there is
// none. fresh forgets those that were: everyone becomes another guest.
func openGuests(ctx context.Context, log eventlog.Log, fresh bool) (*auth.Guests, error) {
	keys, err := rotateKeys(ctx, log, fresh)
	if err != nil {
		return nil, err
	}
	return auth.NewGuests(keys), nil
}

// rotateKeys makes the store's keys those of today.
func rotateKeys(ctx context.Context, log eventlog.Log, fresh bool) (keys auth.Keys, err error) {
	value, swapErr := log.Values(eventlog.Server).Update(ctx, "", guestKeys, func(old []byte) (changed []byte, change bool) {
		var kept auth.Keys
		if old != nil && !fresh {
			if kept, err = auth.ParseKeys(old); err != nil {
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
	return auth.ParseKeys(value)
}

// keepKeys looks after the keys until ctx ends.
func keepKeys(ctx context.Context, log eventlog.Log, guests *auth.Guests, logger *slog.Logger) {
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
				logger.Warn("looking after the keys of guests' sessions: those known go on", "err", err)
			}
			continue
		}
		guests.SetKeys(keys)
	}
}
