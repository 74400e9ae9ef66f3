//go:build unix

package bench

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"websockets/server/servertest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// A load pauses most of the time, so more of them run at once than there are
	// processors.
	_ = flag.Set("test.parallel", "6")
	os.Exit(servertest.MainWithoutLeaks(m))
}

// small returns a load that is light enough to run beside others.
func small(url string) Options {
	return Options{URL: url, Connections: 12, Rooms: 3, Rate: 200, InFlight: 4, Duration: time.Second, Size: 100}
}

// measure runs a load. It returns the result and the progress that was shown.
func measure(t *testing.T, ctx context.Context, o Options) (*Result, string) {
	t.Helper()
	var shown strings.Builder
	result, err := Run(ctx, o, &Progress{W: &shown, Terminal: true})
	if err != nil {
		t.Fatal(err)
	}
	return result, shown.String()
}

// The result of a healthy server matches what was sent: with a rate, without one, and
// with slow readers.
func TestResultOfHealthyServer(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0", "--fsync", "interval")
	slow := small(server.URL())
	slow.Rooms, slow.Rate, slow.Slow, slow.Size = 1, 0, 3, 4000
	closed := small(server.URL())
	closed.Rate = 0
	for name, o := range map[string]Options{"open loop": small(server.URL()), "closed loop": closed, "slow readers": slow} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result, shown := measure(t, t.Context(), o)
			if err := result.Err(); err != nil {
				t.Error(err)
			}
			readers := int64((o.Connections - o.Slow) / o.Rooms)
			if result.Acked == 0 || result.Acked != result.Sent || result.Deliveries != result.Acked*readers {
				t.Errorf("messages: got %d sent, %d acked and %d deliveries to %d readers each, want as many acked as sent and delivered to each",
					result.Sent, result.Acked, result.Deliveries, readers)
			}
			if o.Rate > 0 && result.Due != 200 {
				t.Errorf("messages due in a second: got %d, want 200", result.Due)
			}
			if want := min(100, result.Acked/2); o.Slow > 0 && int64(result.Slow.Behind) < want {
				t.Errorf("slow readers were at most %d messages behind, want at least %d of %d", result.Slow.Behind, want, result.Acked)
			}
			for what, p := range map[string]Percentiles{"written": result.Sending, "acked": result.Ack, "delivered": result.Delivered, "complete": result.Complete} {
				sorted := []time.Duration{p.P50, p.P90, p.P99, p.P999, p.Max}
				if !slices.IsSorted(sorted) || p.P50 <= 0 {
					t.Errorf("percentiles of %s: got %v, want positive and ascending ones", what, sorted)
				}
			}
			if result.Complete.P50 < result.Ack.P50 || result.Complete.Max < result.Delivered.Max {
				t.Errorf("complete: got %+v, want at least acked, %+v, and delivered, %+v", result.Complete, result.Ack, result.Delivered)
			}
			for _, want := range []string{"\r", "connecting: ", "all connected", "messages acked"} {
				if !strings.Contains(shown, want) {
					t.Errorf("progress: got %q, want %q in it", shown, want)
				}
			}
			var printed strings.Builder
			result.Print(&printed)
			for _, want := range []string{"0 lost, 0 doubled, 0 misordered", "p99.9", "delivered to each"} {
				if !strings.Contains(printed.String(), want) {
					t.Errorf("printed: got %q, want %q in it", &printed, want)
				}
			}
			t.Run("memory", func(t *testing.T) {
				if result.Server == "" {
					t.Skip("NOT RUN: the server's memory: there is no /proc to read it from")
				}
				if m := result.Memory; m.Before == 0 || m.Connected == 0 || m.Peak < m.Connected || m.After == 0 {
					t.Errorf("got %+v, want all set and the peak not below connected", m)
				}
			})
		})
	}
}

// serverOf finds the server's process and no other.
func TestServerOf(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t)
	if self().memory() == 0 {
		t.Skip("NOT RUN: there is no /proc")
	}
	target, err := parseTarget(Options{URL: server.Addr, Connections: 1})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := target.dial(t.Context(), "x", nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if found := serverOf(conn.NetConn()); found == nil || found.pid != server.PID() || found.name != "websockets" || found.memory() < 1<<20 || found.cpu() == 0 {
		t.Errorf("the server's process: got %+v, want %d", found, server.PID())
	}
}

// When ctx ends during the load, the result covers what has run.
func TestRunEndsWithContext(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0")
	ctx, cancel := context.WithCancel(t.Context())
	o := small(server.URL())
	o.Duration = time.Hour
	var shown atomic.Int64
	progress := &Progress{Terminal: true, W: writer(func(line []byte) {
		if strings.Contains(string(line), "messages acked") && shown.Add(1) == 4 {
			cancel()
		}
	})}
	result, err := Run(ctx, o, progress)
	if err != nil {
		t.Fatal(err)
	}
	if result.Err() != nil || !result.Interrupted || result.Acked == 0 || result.Acked != result.Sent || result.Deliveries != 4*result.Acked {
		t.Errorf("got %v with %+v, want an interrupted run without an error", result.Err(), result)
	}

	ctx, cancel = context.WithCancel(t.Context())
	progress.W = writer(func([]byte) { cancel() })
	if _, err := Run(ctx, o, progress); err == nil || !strings.Contains(err.Error(), "nothing was measured") {
		t.Errorf("stopped before the load: got %v, want an error that nothing was measured", err)
	}
}

// When connections break, the load ends and the result says why. Messages in flight do
// not count as lost: they may be in the log.
func TestBrokenConnectionEndsLoad(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0", "--fsync", "interval")
	proxy := servertest.NewProxy(t, server.Addr)
	o := small(proxy.Addr)
	o.Rooms, o.Rate, o.Duration = 1, 0, time.Hour
	result, err := Run(t.Context(), o, &Progress{Terminal: true, W: writer(func(line []byte) {
		if bytes.Contains(line, []byte("messages acked")) && !bytes.Contains(line, []byte(": 0 messages")) {
			proxy.Cut()
		}
	})})
	if err != nil {
		t.Fatal(err)
	}
	if wrong := result.Lost + result.Doubled + result.Misordered + result.Odd; wrong != 0 || result.Acked == 0 || !strings.Contains(result.Failure, "a connection ended") {
		t.Errorf("got %v with %d acked of %d, %d lost and failure %q, want some acked, none lost, and the connection's end", result.Err(), result.Acked, result.Sent, result.Lost, result.Failure)
	}
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

// thief takes three consecutive messages from one connection, in the middle of a load,
// and passes on what makes returns for them.
type thief struct {
	makes func(frames [][]byte) [][]byte

	mu    sync.Mutex
	seen  int           // messages, of all lines
	line  *bufio.Reader // the one
	taken [][]byte
}

// read is the function of a filter proxy.
func (th *thief) read(r *bufio.Reader) ([]byte, error) {
	for {
		frame, err := servertest.ReadFrame(r)
		if err != nil || !bytes.Contains(frame, messageStart) {
			return frame, err
		}
		if frames, passes := th.take(r, frame); passes {
			return bytes.Join(frames, nil), nil
		}
	}
}

func (th *thief) take(r *bufio.Reader, frame []byte) (frames [][]byte, passes bool) {
	th.mu.Lock()
	defer th.mu.Unlock()
	if th.seen++; th.seen == 300 {
		th.line = r
	}
	if r != th.line || len(th.taken) == 3 {
		return [][]byte{frame}, true
	}
	if th.taken = append(th.taken, frame); len(th.taken) < 3 {
		return nil, false
	}
	return th.makes(th.taken), true
}

// If one delivery among thousands is lost, doubled, late or changed, it is counted and
// reported.
func TestWrongDeliveriesAreCounted(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0", "--fsync", "interval")
	inText := func(at int) func([]byte) int { // of a frame
		return func(frame []byte) int { return bytes.Index(frame, textStart) + len(textStart) + at }
	}
	lastOfSeq := func(frame []byte) int {
		return bytes.IndexByte(frame, ',') + bytes.IndexByte(frame[bytes.IndexByte(frame, ',')+1:], ',')
	}
	change := func(place func([]byte) int) func([][]byte) [][]byte {
		return func(f [][]byte) [][]byte {
			at := &f[2][place(f[2])]
			*at = '0' + (*at+1)%8
			return f
		}
	}
	const any = -1
	for name, c := range map[string]struct {
		makes                     func([][]byte) [][]byte
		lost, doubled, misordered int
		says                      string
	}{
		"lost":           {func(f [][]byte) [][]byte { return [][]byte{f[0], f[2]} }, 1, 0, 0, ": 1 lost"},
		"all lost":       {func(f [][]byte) [][]byte { return nil }, 3, 0, 0, ": 3 lost"},
		"doubled":        {func(f [][]byte) [][]byte { return [][]byte{f[0], f[1], f[1], f[2]} }, 0, 1, 0, ": 1 doubled"},
		"again later":    {func(f [][]byte) [][]byte { return [][]byte{f[0], f[1], f[2], f[0]} }, 0, 1, 0, ": 1 doubled"},
		"misordered":     {func(f [][]byte) [][]byte { return [][]byte{f[0], f[2], f[1]} }, 0, 0, 1, ": 1 misordered"},
		"renumbered":     {change(lastOfSeq), any, any, any, "invalid; the first invalid frame: "},
		"another due":    {change(inText(dueEnd - 1)), 0, 0, 0, ": 1 invalid; the first invalid frame: other members got a different message"},
		"another number": {change(inText(numberAt)), 1, 0, 0, ": 1 lost, 1 invalid; the first invalid frame: nobody sent this message to this room"},
		"another run":    {change(inText(0)), 1, 0, 0, ": 1 lost, 1 invalid; the first invalid frame: the message does not belong to this run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			thief := &thief{makes: c.makes}
			o := small(servertest.NewFilter(t, server.Addr, thief.read).Addr)
			o.Rooms = 1
			result, _ := measure(t, t.Context(), o)
			if len(thief.taken) < 3 {
				t.Fatalf("frames taken: got %d, want 3", len(thief.taken))
			}
			if c.lost != any && (result.Lost != c.lost || result.Doubled != c.doubled || result.Misordered != c.misordered) {
				t.Errorf("got %d lost, %d doubled, %d misordered, want %d, %d, %d",
					result.Lost, result.Doubled, result.Misordered, c.lost, c.doubled, c.misordered)
			}
			if err := result.Err(); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error: got %v, want %q in it", err, c.says)
			}
		})
	}
}

// A slow reader whose connection has ended reconnects with its cursor and has missed
// nothing.
func TestClosedSlowReaderReconnects(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0", "--fsync", "interval")
	var mu sync.Mutex
	carried := map[*bufio.Reader]int{}
	var lines []*bufio.Reader
	proxy := servertest.NewFilter(t, server.Addr, func(r *bufio.Reader) ([]byte, error) {
		frame, err := servertest.ReadFrame(r)
		mu.Lock()
		defer mu.Unlock()
		if carried[r]++; carried[r] == 1 {
			lines = append(lines, r)
		}
		if len(lines) == 2 && r == lines[1] && carried[r] > 50 { // the slow one's first
			err = io.EOF
		}
		return frame, err
	})
	o := small(proxy.Addr)
	o.Rooms, o.Connections, o.Slow = 1, 2, 1
	result, _ := measure(t, t.Context(), o)
	if result.Err() != nil || result.Slow.Closed != 1 || result.Acked <= 100 || result.Acked > 200 || result.Slow.Behind < result.Acked/2 {
		t.Errorf("got %v with %d acked, %d closed, %d behind, want some 200 acked, 1 closed, half of them behind", result.Err(), result.Acked, result.Slow.Closed, result.Slow.Behind)
	}
}

// The number of messages that were due follows from rate and duration, even if the
// machine stalled and they were not sent.
func TestDueFollowsRateAndDuration(t *testing.T) {
	for _, c := range []struct {
		rate     float64
		duration time.Duration
		want     int64
	}{
		{200, time.Second, 200}, {1.1, 10 * time.Second, 11}, {3, time.Second, 3}, {0.1, time.Second, 1},
		{1, 1500 * time.Millisecond, 2}, {1e6, time.Millisecond, 1000}, {1, 1, 1},
	} {
		r := &run{Options: Options{Rate: c.rate, Duration: c.duration}, whole: true}
		var result Result
		r.summarize(&result)
		if told := result.shortfall(); result.Due != c.want || !strings.Contains(told, count(c.want)+" more were due but not sent") {
			t.Errorf("%g a second for %v: got %d due, %q, want %d that were not sent", c.rate, c.duration, result.Due, told, c.want)
		}
		r.whole = false
		result = Result{}
		if r.summarize(&result); result.Due != 0 {
			t.Errorf("%g a second, ended at once: got %d due, want none", c.rate, result.Due)
		}
	}
}

// Latencies count from when a message was due. So if the server stalls for a second, that
// shows in the latency of every message that was due in this second, and not only in
// those that were in flight.
func TestLatencyIncludesServerStall(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0", "--fsync", "interval")
	proxy := servertest.NewProxy(t, server.Addr)
	o := small(proxy.Addr)
	o.Rooms, o.Connections, o.Duration = 1, 2, 2*time.Second
	o.Senders, o.Rate = 1, 1.5*maxInFlight // more are due in that second than may be under way
	const still = time.Second
	var once sync.Once
	var holding sync.WaitGroup
	defer holding.Wait()
	result, err := Run(t.Context(), o, &Progress{Terminal: true, W: writer(func(line []byte) {
		if bytes.Contains(line, []byte("messages acked")) {
			once.Do(func() {
				proxy.Hold()
				holding.Go(func() {
					<-time.After(still)
					proxy.Forward()
				})
			})
		}
	})})
	if err != nil || result.Err() != nil {
		t.Fatal(err, result.Err())
	}
	// Half of the messages were due in that second, and half of those waited for more
	// than half a second. A third of them could not be written before it was over.
	if result.Sending.Max < still/5 {
		t.Errorf("the latest write after it was due: got %v, want at least %v, as the server stood still for %v", result.Sending.Max, still/5, still)
	}
	for what, p := range map[string]Percentiles{"delivered": result.Delivered, "acked": result.Ack} {
		if p.P90 < still/2 || p.Max < still*9/10 {
			t.Errorf("%s: got %+v, want P90 of at least %v and a maximum of %v, as the server stood still for %v of %v", what, p, still/2, still*9/10, still, o.Duration)
		}
	}
}
