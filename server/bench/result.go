package bench

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"
)

// Result is the result of a run.
type Result struct {
	Options
	// Room is the name of the first room.
	Room string
	// Interrupted is true if the context ended the load early.
	Interrupted bool
	// Connecting is how long it took to open all connections.
	Connecting time.Duration
	// Seconds is how long the load lasted.
	Seconds float64
	// Due, Sent and Acked count messages. Without a rate, Due equals Sent.
	Due, Sent, Acked int64
	// Deliveries counts first deliveries to reading members, During those before the
	// end of the load. The last delivery came Rest after the end.
	Deliveries, During int64
	Rest               time.Duration
	// Lost counts acked messages that a member did not get, Doubled messages that it
	// got again, Misordered messages that came after a later one. Odd counts invalid
	// frames.
	Lost, Doubled, Misordered, Odd int
	// Invalid shows the first invalid frame. Failure is why the load ended early.
	Invalid, Failure string

	// All latencies begin when a message is due. Sending ends when it is written; it is
	// high if bench is late or the server applies back-pressure. Delivered ends when a
	// member has the message, Complete when all have it, Ack with the ack.
	Sending, Delivered, Complete, Ack Percentiles

	Slow struct {
		// Behind is the most messages that a slow reader was behind. Stopped is how long
		// they did not read, CaughtUp how long they took to get everything. Closed counts
		// connections that the server closed and that then resumed.
		Behind            int64
		Stopped, CaughtUp time.Duration
		Closed            int
	}

	// Server is the server's process, empty if it is unknown. Then memory (in bytes) and
	// CPU are 0. CPU is the time used during the load.
	Server string
	Memory struct {
		Before, Connected, Loaded, Peak, After int64
	}
	ServerCPU, OwnCPU time.Duration
}

// summarize fills in the result. All connections must be closed.
func (r *run) summarize(result *Result) {
	for _, s := range r.senders {
		result.Sent += int64(s.sent.Load())
		result.Due += min(s.due.Load(), int64(1)<<40)
	}
	switch {
	case r.Rate == 0:
		result.Due = result.Sent
	case r.whole:
		result.Due = r.dueInAll() // pace counts fewer if this machine stalled
	}
	unacked := map[*sender]map[uint32]bool{}
	for _, s := range r.senders {
		unacked[s] = s.unacked()
	}
	for _, m := range r.members {
		for _, s := range m.room.senders {
			sent := s.sent.Load()
			if m.ended {
				sent = m.order.next[s.place]
			}
			result.Lost += m.order.lost(s.place, sent, unacked[s])
		}
		result.Lost += m.order.beyond
		result.Doubled += m.order.doubled
		result.Misordered += m.order.misordered
		result.Odd += m.odd
		result.Slow.Closed += m.reconnects
	}
	result.Acked, result.Deliveries = r.seen.acked.count(), r.seen.delivered.count()
	result.Sending, result.Delivered = r.seen.sent.percentiles(), r.seen.delivered.percentiles()
	result.Complete, result.Ack = r.seen.complete.percentiles(), r.seen.acked.percentiles()
	r.mu.Lock()
	defer r.mu.Unlock()
	result.Failure, result.Invalid = r.failure, r.invalid
	if r.closing != "" && r.failure != "" {
		result.Failure += " (reason: " + r.closing + ")"
	}
	if r.server != nil {
		result.Server = fmt.Sprintf("%s, process %d", r.server.name, r.server.pid)
	}
}

// Err returns what went wrong, nil if everything was delivered once and in order.
func (r *Result) Err() error {
	var wrong []string
	add := func(n int, what string) {
		if n > 0 {
			wrong = append(wrong, fmt.Sprintf("%s %s", count(n), what))
		}
	}
	add(r.Lost, "lost")
	add(r.Doubled, "doubled")
	add(r.Misordered, "misordered")
	add(r.Odd, "invalid")
	var problems []string
	if len(wrong) > 0 {
		problems = append(problems, "deliveries are wrong: "+strings.Join(wrong, ", "))
	}
	if r.Invalid != "" {
		problems = append(problems, "the first invalid frame: "+r.Invalid)
	}
	if r.Failure != "" {
		problems = append(problems, r.Failure)
	}
	if n := r.Sent - r.Acked; n > 0 && r.Failure == "" {
		problems = append(problems, fmt.Sprintf("%s messages were not acked within %v", count(n), patience))
	}
	if len(problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(problems, "; "))
}

// Print writes the result as text.
func (r *Result) Print(w io.Writer) {
	fmt.Fprintf(w, "%s connections in %s (%s), opened in %.1f s; %s of them sent %s-byte messages for %.1f s, %s\n\n",
		count(r.Connections), plural(r.Rooms, "room"), r.Room, r.Connecting.Seconds(), count(r.Senders), count(r.Size), r.Seconds, r.howFast())
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("messages", "%s acked, %s a second%s", count(r.Acked), perSecond(r.Acked, r.Seconds), r.shortfall())
	row("deliveries", "%s, %s a second; the last came %s after the load", count(r.Deliveries), perSecond(r.During, r.Seconds), brief(r.Rest))
	row("wrong", "%s lost, %s doubled, %s misordered", count(r.Lost), count(r.Doubled), count(r.Misordered))
	if r.Options.Slow > 0 {
		row("slow", "%s did not read for %s and were up to %s messages behind; they caught up in %s", count(r.Options.Slow), brief(r.Slow.Stopped), count(r.Slow.Behind), brief(r.Slow.CaughtUp))
		if r.Slow.Closed > 0 {
			row("", "the server closed slow connections %s times; they reconnected and resumed", count(r.Slow.Closed))
		}
	}
	_ = table.Flush()

	fmt.Fprintln(w)
	line := func(name string, columns ...any) {
		fmt.Fprintf(w, "%-18s%10s%10s%10s%10s%10s\n", append([]any{name}, columns...)...)
	}
	line("from due to", "p50", "p90", "p99", "p99.9", "max")
	for _, l := range []struct {
		name string
		p    Percentiles
	}{{"written", r.Sending}, {"acked", r.Ack}, {"delivered to each", r.Delivered}, {"to the last one", r.Complete}} {
		line(l.name, brief(l.p.P50), brief(l.p.P90), brief(l.p.P99), brief(l.p.P999), brief(l.p.Max))
	}

	fmt.Fprintln(w)
	if r.Server == "" {
		fmt.Fprintln(w, "The server's memory and CPU cannot be read from here.")
		return
	}
	table = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	memory := r.Memory
	row("server", "%s", r.Server)
	each := ""
	if r.Connections >= 1000 { // with few connections, fixed costs dominate
		each = fmt.Sprintf(" (%.1f KiB each)", float64(memory.Connected-memory.Before)/float64(r.Connections)/1024)
	}
	row("memory", "%s before, %s with the connections%s, %s after the load, at most %s, %s when they were closed",
		megabytes(memory.Before), megabytes(memory.Connected), each, megabytes(memory.Loaded), megabytes(memory.Peak), megabytes(memory.After))
	cpu := r.ServerCPU.Seconds()
	row("CPU", "%.2f s during the load, %.0f %% of a core; %s deliveries a CPU second (the bench itself took %.2f s)",
		cpu, 100*cpu/r.Seconds, perSecond(r.During, max(cpu, 0.01)), r.OwnCPU.Seconds())
	_ = table.Flush()
}

func (r *Result) howFast() string {
	if r.Rate > 0 {
		return fmt.Sprintf("%g a second", r.Rate)
	}
	return fmt.Sprintf("each with %d in flight", r.InFlight)
}

// shortfall describes messages that were due and never sent. They appear in no
// latency.
func (r *Result) shortfall() string {
	if r.Due <= r.Sent {
		return ""
	}
	return fmt.Sprintf("; %s more were due but not sent: the server or this machine is too slow for the rate", count(r.Due-r.Sent))
}

func perSecond(n int64, seconds float64) string {
	return count(int64(math.Round(float64(n) / seconds)))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return count(n) + " " + what + "s"
}

// brief formats a duration with about three digits.
func brief(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(d)/1e6)
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func megabytes(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/(1<<20)) }
