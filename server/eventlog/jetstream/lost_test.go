package jetstream_test

import (
	"fmt"
	"sync"
	"testing"

	"websockets/server/eventlog"
	"websockets/server/eventlog/jetstream"
	"websockets/server/servertest"
)

// reader is a subscriber that keeps up to where it has been told.
type reader struct {
	mu      sync.Mutex
	reached uint64
	skipped int
}

func (r *reader) Start(_ string, head eventlog.Record) { r.reached = head.Seq }
func (r *reader) Reset(string)                         {}
func (r *reader) Signal([]byte)                        {}
func (r *reader) Flush()                               {}

func (r *reader) Append(record eventlog.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reached = record.Seq
}

func (r *reader) Skip(seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reached = seq
	r.skipped++
}

func (r *reader) state() (reached uint64, skipped int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reached, r.skipped
}

// What the feed loses is found by comparing with the stream, the last record of a
// room too, and until then the subscription is not trusted.
func TestWhatTheFeedLosesIsSkipped(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	r := &reader{}
	sub, err := l.Subscribe(t.Context(), "x", r)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	err = jetstream.LoseFeed(sub)
	if err != nil {
		t.Fatal(err)
	}
	last := uint64(0)
	for i := range 5 {
		last = put(t, l, "x", fmt.Sprint(i), fmt.Sprint(i)).Seq
	}
	if reached, _ := r.state(); reached < last && sub.Trusted() {
		t.Errorf("Trusted: got true at %d, want false: the log has acknowledged %d", reached, last)
	}
	servertest.Eventually(t, "the subscriber is sent to the log", func() bool {
		reached, _ := r.state()
		return reached == last
	})
	if _, skipped := r.state(); skipped == 0 {
		t.Errorf("skips: got none, want one: the feed brought nothing")
	}
	servertest.Eventually(t, "the subscription is trusted again", sub.Trusted)
}

// A record of somebody else's, who uses the same store, is found too.
func TestWhatOthersAppendIsFoundToo(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	quiet, busy := &reader{}, &reader{}
	sub, err := l.Subscribe(t.Context(), "quiet", quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	beside, err := l.Subscribe(t.Context(), "busy", busy)
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	last := put(t, l, "busy", "busy", "busy").Seq
	servertest.Eventually(t, "the room beside has its record", func() bool {
		reached, _ := busy.state()
		return reached == last
	})
	if _, skipped := quiet.state(); skipped != 0 {
		t.Errorf("skips of a room that nobody wrote to: got %d, want none", skipped)
	}
}
