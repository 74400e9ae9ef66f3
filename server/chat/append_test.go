package chat

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// waitFor returns how long wait takes if the last outcome comes after d.
func waitFor(ctx context.Context, a *appender, d time.Duration) time.Duration {
	begun := time.Now()
	a.begin()
	a.begin()
	a.end()
	done := time.AfterFunc(d, a.end)
	a.wait(ctx)
	took := time.Since(begun)
	if done.Stop() {
		a.end()
	}
	return took
}

// Wait returns as soon as every append has its outcome, and is bounded.
func TestAppenderWaitsForOutcomes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &appender{}
		a.wait(t.Context()) // nothing is pending
		for pending, want := range map[time.Duration]time.Duration{
			time.Millisecond: time.Millisecond,
			time.Hour:        flushTimeout,
		} {
			if took := waitFor(t.Context(), a, pending); took != want {
				t.Errorf("wait for %v: took %v, want %v", pending, took, want)
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if took := waitFor(ended, a, time.Hour); took != 0 {
			t.Errorf("wait with a context that has ended: took %v, want 0s", took)
		}
		if took := waitFor(t.Context(), a, 2*time.Millisecond); took != 2*time.Millisecond {
			t.Errorf("wait again: took %v, want 2ms", took)
		}
	})
}
