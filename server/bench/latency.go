package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// Latencies are kept from a microsecond to maxLatency, to a thousandth.
	maxLatency = 10 * time.Minute
	precision  = 3
	// shards of a histogram, so that readers do not wait for each other: 180 kB each.
	shards = 16
)

// latencies are the run's histograms.
type latencies struct {
	sent      histogram // from when a message was due until it was written
	acked     histogram // until its ack
	delivered histogram // until a member has it, for every member that reads
	complete  histogram // until the last of these has it, and it is acked
}

// histogram may be used from any goroutine.
type histogram [shards]struct {
	mu     sync.Mutex
	values *hdrhistogram.Histogram
}

// add counts a latency; by is anything that spreads over the shards.
func (h *histogram) add(by int, latency time.Duration) {
	shard := &h[by%shards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.values == nil {
		shard.values = hdrhistogram.New(int64(time.Microsecond), int64(maxLatency), precision)
	}
	_ = shard.values.RecordValue(int64(min(max(latency, 0), maxLatency))) // within its bounds
}

func (h *histogram) count() (n int64) {
	for i := range h {
		h[i].mu.Lock()
		if h[i].values != nil {
			n += h[i].values.TotalCount()
		}
		h[i].mu.Unlock()
	}
	return n
}

// Percentiles of a latency.
type Percentiles struct{ P50, P90, P99, P999, Max time.Duration }

func (h *histogram) percentiles() Percentiles {
	all := hdrhistogram.New(int64(time.Microsecond), int64(maxLatency), precision)
	for i := range h {
		h[i].mu.Lock()
		if h[i].values != nil {
			all.Merge(h[i].values)
		}
		h[i].mu.Unlock()
	}
	at := func(percent float64) time.Duration { return time.Duration(all.ValueAtPercentile(percent)) }
	return Percentiles{at(50), at(90), at(99), at(99.9), time.Duration(all.Max())}
}
