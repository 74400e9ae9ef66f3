package servertest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Patience bounds every single wait of a test: for a frame, a log line, a process,
// a page. On a quiet machine with two processors no wait takes a tenth of it, so a
// test that runs into it waits for something that does not happen. It measures
// nothing: no test may assert that something took less. In a synctest bubble it takes
// no time: the clock jumps to its end when every goroutine waits.
const Patience = 2 * time.Minute

// Eventually polls until done reports true, and fails the test if that takes
// longer than Patience. It is for what nobody announces: another process's files,
// memory or health. What a test can wait for by reading, it reads.
func Eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	if err := TryEventually(t.Context(), what, done); err != nil {
		t.Fatal(err)
	}
}

// TryEventually is Eventually for goroutines that may not end the test, and for
// waits that end with a context.
func TryEventually(ctx context.Context, what string, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("waited %v for %s", Patience, what)
			}
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		}
	}
	return nil
}

// children are the processes that were started, by pid; most of them have ended.
var children sync.Map

// Main runs the tests of a package. Shortly before go test would end a package
// that hangs with the stack of each of its goroutines, Main ends it with each
// different stack once, and how many goroutines share it. go test names the tests
// that were running. Main leaves neither processes of the tests nor the server's
// binary behind.
func Main(m *testing.M) int {
	flag.Parse()
	limit := flag.Lookup("test.timeout").Value.(flag.Getter).Get().(time.Duration)
	if margin := 10 * time.Second; limit > margin {
		alarm := time.AfterFunc(limit-margin, func() {
			fmt.Fprintf(os.Stderr, "FAIL: tests of this package still run after %v; its goroutines:\n", limit-margin)
			_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
			children.Range(func(_, child any) bool { _ = child.(*os.Process).Kill(); return true })
			_ = os.RemoveAll(buildDir)
			os.Exit(1)
		})
		defer alarm.Stop()
	}
	defer func() { _ = os.RemoveAll(buildDir) }()
	return m.Run()
}

// MainWithoutLeaks is Main for packages whose tests have to end every goroutine
// that they began.
func MainWithoutLeaks(m *testing.M) int {
	code := Main(m)
	if code != 0 {
		return code // what failed may have left some behind
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL: after all tests:", err)
		return 1
	}
	return 0
}
