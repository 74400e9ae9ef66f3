package loglimit

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// record returns a limited logger, and a function that returns the lines that it has
// written since the last call.
func record() (*slog.Logger, func() []string) {
	var written bytes.Buffer
	withoutTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	logger := New(slog.New(slog.NewTextHandler(&written, &slog.HandlerOptions{ReplaceAttr: withoutTime})))
	return logger, func() []string {
		synctest.Wait()
		defer written.Reset()
		return slices.Collect(strings.Lines(written.String()))
	}
}

func TestOneRecordPerInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, lines := record()
		check := func(when string, want ...string) {
			t.Helper()
			if got := lines(); !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", when, got, want)
			}
		}
		for n := range 5 {
			logger.Warn("refused", "n", n)
		}
		check("at once", "level=WARN msg=refused n=0\n")
		logger.With("from", "x").Info("another")
		check("another message", "level=INFO msg=another from=x\n")
		time.Sleep(Interval - time.Nanosecond)
		check("before the interval is over")
		time.Sleep(time.Nanosecond)
		check("after it", "level=WARN msg=refused n=4 left_out=3\n")

		logger.With("from", "x").Warn("refused", "n", 5)
		check("in the next interval")
		time.Sleep(Interval)
		check("after that", "level=WARN msg=refused from=x n=5\n")
		time.Sleep(Interval)
		logger.Warn("refused", "n", 6)
		check("after an interval with none", "level=WARN msg=refused n=6\n")
	})
}

// Messages that are not repeated take no memory.
func TestMessagesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, lines := record()
		for n := range 100 {
			logger.Warn(strings.Repeat("x", n))
		}
		if got := len(lines()); got != 100 {
			t.Errorf("different messages: got %d lines, want 100", got)
		}
		time.Sleep(Interval)
		synctest.Wait()
		if n := len(logger.Handler().(handler).limits.paused); n != 0 {
			t.Errorf("messages that are remembered: got %d, want 0", n)
		}
	})
}

func TestRecordsBelowTheLevelAreNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, lines := record()
		logger.Debug("refused")
		logger.Info("refused")
		if got := lines(); !slices.Equal(got, []string{"level=INFO msg=refused\n"}) {
			t.Errorf("got %q, want the record of level INFO", got)
		}
	})
}
