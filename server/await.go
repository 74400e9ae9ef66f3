package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"websockets/server/auth"
	"websockets/server/eventlog"
)

const (
	// startWithin is how long the server waits at start for each thing that it needs.
	startWithin = time.Minute
	// attemptPause is the time between two attempts.
	attemptPause = time.Second
	// waitingEvery is how often the server logs that it waits.
	waitingEvery = 5 * time.Second
)

// await calls open until it succeeds, fails for good, or startWithin is over. It logs what
// it waits for. One call at a time runs.
func await(ctx context.Context, logger *slog.Logger, what string, open func(context.Context) error) error {
	waiting, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	ticker := time.NewTicker(waitingEvery)
	defer ticker.Stop()
	began := time.Now()
	outcome := make(chan error, 1)
	attempt := func() { outcome <- open(waiting) }
	go attempt()
	last := errors.New("no answer yet")
	var again <-chan time.Time
	for {
		select {
		case err := <-outcome:
			if err == nil || !mayComeSoon(err) {
				return err
			}
			last, again = err, time.After(attemptPause)
			if ctx.Err() != nil {
				return last
			}
			if waiting.Err() != nil {
				return fmt.Errorf("waited %v for %s: %w", startWithin, what, last)
			}
		case <-again:
			again = nil
			go attempt()
		case <-ticker.C:
			logger.Warn("waiting for what the server needs to start", "for", what,
				"since", time.Since(began).Round(time.Second), "at_most", startWithin, "err", last)
		}
	}
}

// mayComeSoon reports whether what could not be opened may only not be there yet.
func mayComeSoon(err error) bool {
	return errors.Is(err, eventlog.ErrUnavailable) || errors.Is(err, auth.ErrProviderAway)
}
