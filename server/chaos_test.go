package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"websockets/server/servertest"
)

var (
	chaosFor  = flag.Duration("chaos.for", 20*time.Second, "how long TestChaos injects faults")
	chaosSeed = flag.Uint64("chaos.seed", 0, "its seed; 0 makes one up")
)

// TestChaos floods a real server through lines that it breaks, while it kills,
// stops and freezes the server, at moments and in an order that a seed decides.
// By the clients' own records nothing that was acked is lost, nothing is shown
// twice, and everybody is shown the same order. It ends with a table.
func TestChaos(t *testing.T) {
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d: repeat with -chaos.seed=%d -chaos.for=%v", seed, seed, *chaosFor)
	random := rand.New(rand.NewPCG(seed, 0))

	rooms := []string{"one", "two", "three"}
	server := servertest.Start(t, "--rate", "0")
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	w := &world{random: random, server: server}
	for i := range 4 {
		proxy := servertest.NewProxy(t, server.Addr)
		r := newRecorder(t, proxy.WS(), fmt.Sprintf("c%d", i), rooms)
		w.proxies, w.recorders = append(w.proxies, proxy), append(w.recorders, r)
		running.Go(func() { r.run(ctx) })
	}
	for _, r := range w.recorders {
		r.awaitJoined(rooms)
	}
	flooding, endFlood := context.WithCancel(ctx)
	var floods sync.WaitGroup
	for _, r := range w.recorders {
		floods.Go(func() { r.flood(flooding, rooms) })
	}

	tallies := make([]tally, len(faults))
	for end := time.Now().Add(*chaosFor); time.Now().Before(end); {
		w.pause(100, 900)
		i := random.IntN(len(faults))
		faults[i].inject(w)
		before, over := w.acked(), time.Now()
		for n, r := range w.recorders { // each is served again
			r.await("an ack after "+faults[i].name, func() bool { return len(r.acked) > before[n] })
		}
		tallies[i].note(time.Since(over))
	}
	endFlood()
	floods.Wait()
	for _, r := range w.recorders {
		r.awaitSettled()
	}
	written := map[string][]string{}
	for _, room := range rooms {
		written[room] = readAll(t, server.WS(), room)
	}
	for _, r := range w.recorders {
		r.awaitShown(written)
	}
	stop()
	running.Wait()

	t.Log("\n" + judge(t, w.recorders, written).table(tallies))
}

// world is what faults are injected into.
type world struct {
	random    *rand.Rand
	server    *servertest.Process
	proxies   []*servertest.Proxy // one for each recorder
	recorders []*recorder
}

// pause lets a random time pass, in milliseconds: a fault's moment and length
// are the dice's, not the program's.
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

func (w *world) acked() (counts []int) {
	for _, r := range w.recorders {
		counts = append(counts, r.ackedCount())
	}
	return counts
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

// verdict is what the clients' records say when they are laid beside the log.
type verdict struct {
	acked, logged            int
	lost, doubled, differing int
}

// judge fails the test for every acked message that is not in the log once, and
// every client that was shown another room than the log has.
func judge(t *testing.T, recorders []*recorder, written map[string][]string) (v verdict) {
	t.Helper()
	times := map[string]int{}
	for _, texts := range written {
		v.logged += len(texts)
		for _, text := range texts {
			if times[text]++; times[text] > 1 {
				v.doubled++
				t.Errorf("%q is in the log %d times", text, times[text])
			}
		}
	}
	for _, r := range recorders {
		for _, text := range r.ackedTexts() {
			if v.acked++; times[text] == 0 {
				v.lost++
				t.Errorf("client %s got an ack for %q, which is not in the log", r.name, text)
			}
		}
		for room, texts := range written {
			if shown := r.shownIn(room); !slices.Equal(shown, texts) {
				v.differing++
				t.Errorf("client %s was shown another room %q than the log has: %s", r.name, room, difference(shown, texts))
			}
		}
	}
	return v
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
