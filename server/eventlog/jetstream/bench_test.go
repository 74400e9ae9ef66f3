package jetstream_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"websockets/server/eventlog/jetstream"
)

// openShards opens a new log of so many shards.
func openShards(b *testing.B, shards int, syncAlways bool) *jetstream.Log {
	b.Helper()
	l := open(b, b.TempDir(), jetstream.WithShards(shards), func(o *jetstream.Options) { o.SyncAlways = syncAlways })
	if l.Shards() != shards {
		b.Fatalf("the log has %d shards, want %d", l.Shards(), shards)
	}
	return l
}

// sampleBody is a log record of 250 bytes.
var sampleBody = []byte(`{"id":"ZKQ7B4WX2N6M5T3RHJ8LYDPVGC","room":"den","user":"g-3fXk29QpLmZ7","from":"Ann","message":"` +
	strings.Repeat("Hello! ", 16) + `Ann","sent":"2025-11-23T01:02:03.456Z"}`)

// keys numbers the appends of all benchmarks: no key comes twice.
var keys atomic.Int64

// write appends messages to a room, with at most window of them in flight, as
// long as more reports true, and returns when all are settled.
func write(b *testing.B, l *jetstream.Log, room string, window int, more func() bool) {
	slots := make(chan struct{}, window)
	done := func(_ jetstream.Receipt, err error) {
		if err != nil {
			b.Error(err)
		}
		<-slots
	}
	for more() {
		slots <- struct{}{}
		key := strconv.FormatInt(keys.Add(1), 36)
		if err := l.Append(context.Background(), room, key, sampleBody, done); err != nil {
			b.Error(err)
			return
		}
	}
	for range window {
		slots <- struct{}{}
	}
}

// What it costs to store a message: in one room whose writer has a window of them in
// flight, and in a thousand rooms whose writers each wait for every receipt.
func BenchmarkAppend(b *testing.B) {
	for _, fsync := range []string{"interval", "always"} {
		for _, shards := range []int{1, 4} {
			b.Run(fmt.Sprintf("fsync=%s/shards=%d", fsync, shards), func(b *testing.B) {
				l := openShards(b, shards, fsync == "always")
				b.Run("rooms=1/window=64", func(b *testing.B) {
					b.ReportAllocs()
					write(b, l, "room", 64, b.Loop)
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
				})
				b.Run("rooms=1000/window=1", func(b *testing.B) {
					b.ReportAllocs()
					var taken atomic.Int64
					more := func() bool { return taken.Add(1) <= int64(b.N) }
					var writers sync.WaitGroup
					for n := range 1000 {
						writers.Go(func() { write(b, l, fmt.Sprint("room-", n), 1, more) })
					}
					writers.Wait()
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
				})
			})
		}
	}
}

// What it costs to read a page for a member who is behind: a page of the first size and
// one of the largest.
func BenchmarkAfter(b *testing.B) {
	l := open(b, b.TempDir())
	left := 4096
	write(b, l, "room", 64, func() bool { left--; return left >= 0 })
	for _, page := range []int{12 << 10, 128 << 10} {
		b.Run(fmt.Sprintf("bytes=%d", page), func(b *testing.B) {
			b.ReportAllocs()
			seq, messages, bytes := uint64(0), 0, 0
			for b.Loop() {
				read, err := l.After(b.Context(), "room", seq, 1024, page)
				if err != nil {
					b.Fatal(err)
				}
				n := len(read.Records)
				seq = 0
				if read.More {
					seq = read.Records[n-1].Seq
				}
				messages += n
				bytes += n * len(sampleBody)
			}
			b.SetBytes(int64(bytes / b.N))
			b.ReportMetric(float64(messages)/b.Elapsed().Seconds(), "msgs/s")
		})
	}
}

// What it costs to fill the table of keys when a log is opened, for each message.
func BenchmarkReadKeys(b *testing.B) {
	dir := b.TempDir()
	l := open(b, dir)
	left := 200_000
	write(b, l, "room", 64, func() bool { left--; return left >= 0 })
	l.Close()
	for b.Loop() {
		l = open(b, dir)
		l.AwaitKeys("room")
		l.Close()
	}
	b.ReportMetric(200_000*float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
}
