package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"websockets/server/servertest"
)

var (
	chaosFor  = flag.Duration("chaos.for", 10*time.Second, "how long TestChaos injects faults")
	chaosSeed = flag.Uint64("chaos.seed", 0, "its seed; 0 makes one up")
)

// TestChaos floods a server through lines that it breaks, while it kills, stops and
// freezes the server, at moments and in an order that a seed decides. By the
// clients' own records nothing that was acked is lost, nothing is shown twice, and
// everybody is shown the same order. It ends with a table.
func TestChaos(t *testing.T) {
	t.Parallel()
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d: repeat with -chaos.seed=%d -chaos.for=%v", seed, seed, *chaosFor)
	random := rand.New(rand.NewPCG(seed, 0))

	server := servertest.Start(t, "--rate", "0")
	w := &world{random: random, server: server}
	var urls []string
	for range 4 {
		proxy := servertest.NewProxy(t, server.Addr)
		w.proxies, urls = append(w.proxies, proxy), append(urls, proxy.WS())
	}
	c := gather(t, []string{"one", "two", "three"}, urls...)
	tallies := make([]tally, len(faults))
	c.whileFlooding(func() {
		for end := time.Now().Add(*chaosFor); time.Now().Before(end); {
			w.pause(100, 900)
			i := random.IntN(len(faults))
			faults[i].inject(w)
			over := time.Now()
			c.awaitAcks(c.recorders, 1) // each is served again
			tallies[i].note(time.Since(over))
		}
	})
	v, _ := c.judge(server.WS())
	t.Log("\n" + v.table(tallies))
}

// world is what faults are injected into.
type world struct {
	random  *rand.Rand
	server  *servertest.Process
	proxies []*servertest.Proxy // one for each recorder
}

// pause lets a random time pass, in milliseconds: a fault's moment and length are
// random. It waits for nothing.
func (w *world) pause(least, most int) {
	timer := time.NewTimer(time.Duration(least+w.random.IntN(most-least)) * time.Millisecond)
	<-timer.C
}

// some returns at least one of the lines.
func (w *world) some() []*servertest.Proxy {
	n := 1 + w.random.IntN(len(w.proxies))
	lines := slices.Clone(w.proxies)
	w.random.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	return lines[:n]
}

// fault is something that goes wrong, and is over when inject returns.
type fault struct {
	name   string
	inject func(*world)
}

var faults = []fault{
	{"server killed (SIGKILL)", func(w *world) {
		w.server.Kill()
		w.server.Start()
	}},
	{"server killed twice", func(w *world) {
		w.server.Kill()
		w.server.Start()
		w.pause(10, 400)
		w.server.Kill()
		w.server.Start()
	}},
	{"server stopped (SIGINT)", func(w *world) {
		w.server.Stop()
		w.server.Start()
	}},
	{"server frozen (SIGSTOP)", func(w *world) {
		_ = syscall.Kill(w.server.PID(), syscall.SIGSTOP)
		w.pause(200, 1500)
		_ = syscall.Kill(w.server.PID(), syscall.SIGCONT)
	}},
	{"line cut", func(w *world) {
		for _, line := range w.some() {
			line.Cut()
		}
	}},
	{"line held back", func(w *world) {
		lines := w.some()
		for _, line := range lines {
			line.Hold()
		}
		w.pause(200, 2500)
		for _, line := range lines {
			line.Forward()
		}
	}},
	{"answers lost, line cut", func(w *world) {
		lines := w.some()
		for _, line := range lines {
			line.Swallow()
		}
		w.pause(50, 500)
		for _, line := range lines {
			line.Cut()
			line.Forward()
		}
	}},
}

// tally is what came of one fault.
type tally struct {
	times   int
	longest time.Duration
}

func (t *tally) note(recovery time.Duration) {
	t.times++
	t.longest = max(t.longest, recovery)
}

func (v verdict) table(tallies []tally) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-28s %6s %17s\n", "fault", "times", "longest recovery")
	for i, f := range faults {
		fmt.Fprintf(&b, "%-28s %6d %17s\n", f.name, tallies[i].times, tallies[i].longest.Round(time.Millisecond))
	}
	fmt.Fprintf(&b, "acked %d, in the log %d, lost %d, doubled %d, timelines that differ from the log %d\n",
		v.acked, v.logged, v.lost, v.doubled, v.differing)
	return b.String()
}
