//go:build perf

package e2e

import (
	"fmt"
	"math"
	"strings"
	"syscall"
	"testing"
	"time"

	"websockets/server/servertest"
)

// pace is how fast a flood was: messages a second until everybody had them all,
// and how old they were when they came.
type pace struct {
	rate float64
	p99  time.Duration
}

// measure floods a hall and returns the pace.
func (h *hall) measure(n int) pace {
	h.t.Helper()
	begin := time.Now()
	h.flood(n)
	took := time.Since(begin)
	var ages []time.Duration
	for _, m := range h.members {
		ages = append(ages, m.Late(n)...)
	}
	return pace{float64(n) / took.Seconds(), servertest.Percentile(ages, 99)}
}

// compare reports by what factor a hall was slower while some did not read than
// before. On a quiet machine it is 1. Noise on a shared one makes it 2 or 3; readers
// that hold up the others stop them altogether, which is a factor of 20 and more.
func compare(t *testing.T, who string, before, during pace) {
	t.Helper()
	servertest.Report(t,
		servertest.Figure{Name: "slowdown of a room with " + who, Got: before.rate / during.rate, Aim: 1.5, Unit: "times", Fails: 4},
		servertest.Figure{Name: "p99 of a delivery with " + who, Got: servertest.Milliseconds(during.p99), Unit: "ms"},
		servertest.Figure{Name: "p99 of a delivery before", Got: servertest.Milliseconds(before.p99), Unit: "ms"},
	)
}

// TestPerfOneWhoStopsReading: of a hundred members one stops reading. For the others
// nothing changes.
func TestPerfOneWhoStopsReading(t *testing.T) {
	const messages = 1500
	server := servertest.Start(t, "--rate", "0")
	slow := servertest.Listen(servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "hall", SmallWindow: true}), "hall")
	h := openHall(t, server, 99, 1600)
	h.flood(messages) // to warm up
	before := h.measure(messages)
	slow.Await(len(h.record))
	slow.Stop()
	during := h.measure(2 * messages)
	slow.Resume()
	slow.Await(len(h.record))
	h.check("the slow member", []*servertest.Listener{slow})
	h.check("member", h.members)
	compare(t, "one of 100 who stops reading", before, during)
}

// TestPerfAThousandStopReading: a thousand members stop at once. The others go on as
// if they were not there, and the server holds little for each.
func TestPerfAThousandStopReading(t *testing.T) {
	const readers, size, messages, fill = 1000, 2000, 350, 150
	needFiles(t, readers+500)
	server := servertest.Start(t, "--rate", "0")
	h := openHall(t, server, 16, size)
	h.flood(messages)
	alone := h.measure(messages)
	missed := len(h.record)
	slow := h.joinStopped(readers)
	before, watched, begin := server.Memory(), server.WatchMemory(), time.Now()
	h.flood(fill) // into the kernels' buffers
	during := h.measure(messages)
	<-time.After(giveUp - time.Since(begin))
	peak := watched()

	resumed := time.Now()
	h.resume(slow, missed)
	caughtUp := time.Since(resumed)
	h.check("member", h.members)
	compare(t, "1,000 who stop reading", alone, during)
	servertest.Report(t,
		// A page of 12 KiB, a stack, and the headroom of a heap that is collected. A queue
		// for each would be 1000 KiB.
		servertest.Figure{Name: "memory of a reader that has stopped", Got: float64(peak-before) / readers / 1024, Aim: 96, Unit: "KiB", Fails: 2},
		servertest.Figure{Name: "1,000 stopped readers catch up", Got: readers * (messages + fill) / caughtUp.Seconds(), Unit: "messages/s", MoreIsBetter: true},
	)
}

// needFiles skips a test that needs more open files than are allowed.
func needFiles(t *testing.T, n uint64) {
	t.Helper()
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur < n {
		t.Skipf("NOT RUN: %d open files are allowed, %d are needed: ulimit -n", files.Cur, n)
	}
}

// TestPerfAcksBesideAFlood: how long another client's acks take while one floods and
// reads its acks, and while one floods and reads nothing.
func TestPerfAcksBesideAFlood(t *testing.T) {
	const sends = 500
	server := servertest.Start(t, "--rate", "0")
	other := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "other"})
	took := func() time.Duration {
		t.Helper()
		var times []time.Duration
		for range sends {
			begin := time.Now()
			askAcks(t, other, 1)
			times = append(times, time.Since(begin))
		}
		return servertest.Percentile(times, 99)
	}
	before := took()

	text := strings.Repeat("x", 200)
	reads := startFlooder(t, server, text, servertest.DialOptions{Room: "flooded"})
	done := make(chan struct{})
	go func() { defer close(done); reads.read() }()
	during := took()
	reads.stop()
	<-done

	deaf := startFlooder(t, server, text, servertest.DialOptions{Room: "flooded", SmallWindow: true})
	besideDeaf := took()
	deaf.stop()
	deaf.read()

	servertest.Report(t,
		servertest.Figure{Name: "p99 of an ack, alone", Got: servertest.Milliseconds(before), Unit: "ms"},
		// A flood that is not held keeps the log busy for seconds.
		servertest.Figure{Name: "p99 of an ack beside a flood", Got: servertest.Milliseconds(during), Aim: 50, Unit: "ms", Fails: 20},
		servertest.Figure{Name: "p99 of an ack beside a flood that reads nothing", Got: servertest.Milliseconds(besideDeaf), Aim: 50, Unit: "ms", Fails: 20},
	)
}

// TestPerfTenThousandConnectionsFromOneAddress: how many connections beyond the limit
// of an address are refused in a second.
func TestPerfTenThousandConnectionsFromOneAddress(t *testing.T) {
	begin := time.Now()
	const attempts = 10_000
	crowdOneAddress(t, attempts)
	servertest.Report(t, servertest.Figure{
		Name: "connections refused beyond an address's limit", Got: attempts / time.Since(begin).Seconds(), Unit: "1/s", MoreIsBetter: true,
	})
}

// TestPerfReturnAfterAHundredThousandMessages: clients that come back after a hundred
// thousand messages get exactly what they missed. That holds up neither what is live
// on the same connection nor anybody else, and the server's memory does not grow
// with it.
func TestPerfReturnAfterAHundredThousandMessages(t *testing.T) {
	const missed, returning = 100_000, 3
	a := goAway(t, missed)
	// In the room "live" one talks and the others listen: at first that is all, then
	// the returning clients get what they missed meanwhile.
	talker := servertest.Dial(t, a.server.WS(), servertest.DialOptions{Room: "live"})
	bystander := servertest.Listen(servertest.Dial(t, a.server.WS(), servertest.DialOptions{Room: "live"}), "live")
	said := 0
	say := func() {
		said++
		if _, err := talker.Flood("live", fmt.Sprint("said-", said), 1, 1, func(string) string { return servertest.Stamp(100) }); err != nil {
			t.Fatal(err)
		}
	}
	var back []*returner
	for range returning {
		back = append(back, a.comeBack(servertest.DialOptions{}))
	}
	for range 200 {
		say()
	}
	bystander.Await(said)
	alone, before := servertest.Percentile(bystander.Late(said), 99), a.server.Memory()

	saidBefore, begin, watched := said, time.Now(), a.server.WatchMemory()
	ends := make(chan error, returning)
	ages := make([][]time.Duration, returning)
	for i, r := range back {
		go func() {
			err := r.join(a.cursors)
			if err == nil {
				err = r.read(func() bool {
					for range r.live[len(ages[i]):] {
						ages[i] = append(ages[i], servertest.Age(r.live[len(ages[i])].Text))
					}
					return r.back()
				})
			}
			ends <- err
		}()
	}
	for open := returning; open > 0; {
		select {
		case err := <-ends:
			if err != nil {
				t.Fatal(err)
			}
			open--
		default:
			say()
		}
	}
	took, peak := time.Since(begin), watched()
	bystander.Await(said)
	besides := servertest.Percentile(bystander.Late(said-saidBefore), 99)
	var late []time.Duration
	for i, r := range back {
		late = append(late, ages[i][min(len(ages[i]), 200):]...)
		a.check(r)
	}
	a.checkUser()
	servertest.Report(t,
		// A machine that was shared by ten made it 5 times slower. What this is about makes
		// it 20 times slower and more.
		servertest.Figure{Name: "3 clients catch up with 100,000 messages each", Got: returning * missed / took.Seconds(), Aim: 100_000, Unit: "messages/s", MoreIsBetter: true, Fails: 10},
		servertest.Figure{Name: "p99 of a delivery before they come back", Got: servertest.Milliseconds(alone), Unit: "ms"},
		servertest.Figure{Name: "p99 of a delivery to another meanwhile", Got: servertest.Milliseconds(besides), Unit: "ms"},
		servertest.Figure{Name: "p99 of a delivery to one that catches up", Got: servertest.Milliseconds(late99(late)), Unit: "ms"},
		// Live after all that was missed would be as late as the catching up takes.
		servertest.Figure{Name: "that, in percent of the time it takes", Got: 100 * float64(late99(late)) / float64(took), Aim: 12, Unit: "%", Fails: 4},
		// What was missed is 25 MB. The store keeps blocks that it has read for a while,
		// once for all readers, and the heap may be twice what is in use.
		servertest.Figure{Name: "growth of memory meanwhile", Got: float64(peak-before) / math.Pow(2, 20), Aim: 96, Unit: "MiB", Fails: 2},
	)
}

// late99 is the 99th percentile of the ages of what was live, 0 if nothing was.
func late99(ages []time.Duration) time.Duration {
	if len(ages) == 0 {
		return 0
	}
	return servertest.Percentile(ages, 99)
}
