package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// Latencies range from a microsecond to maxLatency, with precision significant
	// digits.
	maxLatency = 10 * time.Minute
	precision  = 3
	// shards is the number of parts of a histogram, 180 kB each. Readers use different
	// shards, so that they do not contend for a lock.
	shards = 16
)

// latencies holds the histograms of a run. All latencies begin when a message is due.
type latencies struct {
	sent      histogram // until it is written
	acked     histogram // until its ack
	delivered histogram // until a member has it, once for every reading member
	complete  histogram // until all reading members have it and it is acked
}

// histogram is safe for concurrent use.
type histogram [shards]struct {
	mu     sync.Mutex
	values *hdrhistogram.Histogram
}

// add adds a latency. by selects the shard.
func (h *histogram) add(by int, latency time.Duration) {
	shard := &h[by%shards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.values == nil {
		shard.values = hdrhistogram.New(int64(time.Microsecond), int64(maxLatency), precision)
	}
	_ = shard.values.RecordValue(int64(min(max(latency, 0), maxLatency))) // never out of range
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

// Percentiles are percentiles of a latency.
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
