package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"websockets/server/auth"
	"websockets/server/eventlog"
)

func TestAwait(t *testing.T) {
	away := fmt.Errorf("%w: nobody listens", eventlog.ErrUnavailable)
	broken := errors.New("too old")
	for name, c := range map[string]struct {
		results []error // of the attempts; the last one stays
		took    time.Duration
		want    string // in the error, empty for none
	}{
		"at once":           {[]error{nil}, 0, ""},
		"at the third time": {[]error{away, fmt.Errorf("%w", auth.ErrProviderAway), nil}, 2 * attemptPause, ""},
		"broken":            {[]error{broken}, 0, "too old"},
		"broken later":      {[]error{away, broken}, attemptPause, "too old"},
		"never":             {[]error{away}, startWithin, "waited 1m0s for NATS: " + away.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				began, n := time.Now(), 0
				err := await(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), "NATS", func(context.Context) error {
					n++
					return c.results[min(n, len(c.results))-1]
				})
				took := time.Since(began)
				if took < c.took || took > c.took+attemptPause {
					t.Errorf("time: got %v, want %v", took, c.took)
				}
				if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("error: got %v, want %q", err, c.want)
				}
				if lines := strings.Count(log.String(), "for=NATS"); lines < int(c.took/waitingEvery)-1 || lines > int(took/waitingEvery) {
					t.Errorf("lines in the log after %v: got %d, want one every %v:\n%s", took, lines, waitingEvery, &log)
				}
			})
		})
	}
}

// TestAwaitWhileAnAttemptHangs: the log says what is waited for, and the wait has an end.
func TestAwaitWhileAnAttemptHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		began := time.Now()
		err := await(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), "NATS", func(ctx context.Context) error {
			<-ctx.Done()
			return fmt.Errorf("%w: %w", eventlog.ErrUnavailable, ctx.Err())
		})
		if took := time.Since(began); err == nil || took != startWithin {
			t.Errorf("got %v after %v, want an error after %v", err, took, startWithin)
		}
		if lines := strings.Count(log.String(), "for=NATS"); lines < 10 {
			t.Errorf("lines in the log: got %d, want one every %v:\n%s", lines, waitingEvery, &log)
		}
	})
}
