package jetstream

import (
	"fmt"
	"slices"
	"testing"

	"websockets/server/eventlog"
)

// calls is a subscriber that writes down how it is called.
type calls []string

func (c *calls) note(format string, v ...any)             { *c = append(*c, fmt.Sprintf(format, v...)) }
func (c *calls) Start(epoch string, head eventlog.Record) { c.note("start %s %d", epoch, head.Seq) }
func (c *calls) Append(r eventlog.Record)                 { c.note("append %d", r.Seq) }
func (c *calls) Skip(seq uint64)                          { c.note("skip %d", seq) }
func (c *calls) Flush()                                   { c.note("flush") }
func (c *calls) Reset(epoch string)                       { c.note("reset %s", epoch) }
func (c *calls) Signal([]byte)                            {}

// A subscription makes of a lossy, repeating feed what the subscriber was promised:
// every record once and in order, or a Skip.
func TestASubscriptionMendsTheFeed(t *testing.T) {
	t.Parallel()
	var got calls
	s := &shard{subs: map[string]*subscription{}}
	s.setEpoch([]byte("e1"))
	sub := &subscription{shard: s, room: roomReader{name: "x"}, to: &got}
	record := func(prev, seq uint64) entry {
		return entry{Record: eventlog.Record{Room: "x", Seq: seq}, prev: prev}
	}
	for _, step := range []struct {
		what string
		do   func()
		want []string
	}{
		{"a record before the start is left to be read", func() { sub.deliver(record(4, 7)) }, nil},
		{"start", func() { sub.begin(eventlog.Record{Seq: 4}) }, []string{"start e1 4", "skip 7", "flush"}},
		{"a record that is covered", func() { sub.deliver(record(4, 7)) }, nil},
		{"the next", func() { sub.deliver(record(7, 9)) }, []string{"append 9"}},
		{"the same again", func() { sub.deliver(record(7, 9)) }, nil},
		{"one after a hole", func() { sub.deliver(record(12, 13)) }, []string{"skip 12", "append 13"}},
		{"catching up with less", func() { sub.skip(13) }, nil},
		{"catching up", func() { sub.skip(20) }, []string{"skip 20", "flush"}},
		{"a record that was skipped", func() { sub.deliver(record(13, 20)) }, nil},
		{"another epoch", func() { sub.reset("e2") }, []string{"reset e2"}},
		{"its first record", func() { sub.deliver(record(2, 3)) }, []string{"skip 2", "append 3"}},
		{"after Close", func() { sub.Close(); sub.deliver(record(3, 4)); sub.skip(9); sub.reset("e3"); sub.flush() }, nil},
	} {
		got = nil
		step.do()
		if !slices.Equal(got, step.want) {
			t.Errorf("%s: got %q, want %q", step.what, got, step.want)
		}
	}
}
