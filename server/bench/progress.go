package bench

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"
)

const (
	// redrawInterval is how often the line on a terminal is redrawn, and lineInterval
	// how often a line is written elsewhere.
	redrawInterval = 250 * time.Millisecond
	lineInterval   = 5 * time.Second
)

// Progress shows the progress of a run: on a terminal one line that is redrawn,
// elsewhere one line every few seconds.
type Progress struct {
	W        io.Writer
	Terminal bool

	shown time.Time // time of the last line, if W is no terminal
}

// during shows the text of describe until done is closed or ctx ends.
func (p *Progress) during(ctx context.Context, describe func() string, done <-chan struct{}) {
	ticker := time.NewTicker(redrawInterval)
	defer ticker.Stop()
	if p.Terminal {
		defer fmt.Fprint(p.W, "\r\x1b[K")
	}
	if p.shown.IsZero() {
		p.shown = time.Now()
	}
	for {
		line := describe()
		switch {
		case p.Terminal:
			fmt.Fprintf(p.W, "\r%s\x1b[K", line)
		case time.Since(p.shown) >= lineInterval:
			p.shown = time.Now()
			fmt.Fprintln(p.W, line)
		}
		select {
		case <-ticker.C:
		case <-done:
			return
		case <-ctx.Done():
			return
		}
	}
}

// period is during for a fixed time.
func (p *Progress) period(ctx context.Context, describe func() string, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	p.during(ctx, describe, nil)
}

// describeLoad describes the progress of the load.
func (r *run) describeLoad() string {
	took := r.now() - r.start
	delivered, acked := r.seen.delivered.count(), r.seen.acked.count()
	return fmt.Sprintf("%.0f s of %.0f s: %s messages acked, %s delivered, %s a second", took.Seconds(), r.Duration.Seconds(),
		count(acked), count(delivered), count(int64(float64(delivered)/max(took.Seconds(), 0.1))))
}

// describeRest describes what is still in flight after the load.
func (r *run) describeRest() string {
	return fmt.Sprintf("waiting for %s messages in flight", count(r.inFlight.Load()))
}

// count formats a number with commas.
func count[N int | int64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
