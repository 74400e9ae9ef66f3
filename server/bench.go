package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"websockets/server/bench"
)

const benchHelp = `Load a server with real clients and check every delivery.

The messages go to new rooms named bench-… and stay in their log. Latencies are measured from the time a message was due, so they show a server that delays its senders. Lost, duplicate and misordered deliveries are counted; if there are any, the exit code is 1. Ctrl-C ends the load early.

By default a server allows 100 connections and 200 events a second per address. The defaults of bench stay below that. For more, start the server with --max-conns-per-address 0 --rate 0.

Memory and CPU of the server are shown if it runs on this machine and /proc is readable. Server and bench then share the cores. To find out what the server can do, run bench on another machine.`

// benchFlagHelp holds the longer help texts of benchCommand, by the names in its
// tags.
var benchFlagHelp = kong.Vars{
	"bench_url": "Address of the server: http, https, ws or wss.",
	"bench_rate": "Messages a second, all senders together. Each is sent when it is due, even if earlier ones are still in flight. " +
		"0 sends as fast as messages are delivered, see --in-flight.",
	"bench_in_flight": "With --rate 0: messages each sender keeps in flight. A message is in flight until it is acked and all reading " +
		"members of its room have it.",
	"bench_senders": "Connections that send. Default: all that read, at most 1000 a room; with --rate 0 one a room, " +
		"at least 4.",
	"bench_slow": "Connections that stop reading during the load. They then read to the end and must not have missed " +
		"a message.",
	"bench_token": "Token for a server with --auth=jwt. It must allow the rooms bench-*. Prefer the environment variable " +
		"WEBSOCKETS_TOKEN: other users of this machine cannot see it.",
}

// benchCommand has env:"-" on flags that share a name with a flag of serve. Only the
// token comes from the environment.
type benchCommand struct {
	URL         string        `arg:"" optional:"" default:"http://127.0.0.1:8080" help:"${bench_url} Default ${default}."`
	Connections int           `env:"-" default:"100" placeholder:"N" help:"Number of connections, spread evenly over the rooms. Default ${default}."`
	Rooms       int           `env:"-" default:"1" placeholder:"N" help:"Number of rooms. Default ${default}."`
	Rate        float64       `env:"-" default:"100" placeholder:"N" help:"${bench_rate} Default ${default}."`
	InFlight    int           `env:"-" default:"16" placeholder:"N" help:"${bench_in_flight} Default ${default}."`
	Senders     int           `env:"-" default:"0" placeholder:"N" help:"${bench_senders}"`
	Slow        int           `env:"-" default:"0" placeholder:"N" help:"${bench_slow} Default ${default}."`
	Duration    time.Duration `env:"-" default:"10s" placeholder:"DURATION" help:"Length of the load. Default ${default}."`
	Size        int           `env:"-" default:"128" placeholder:"BYTES" help:"Length of each message. Default ${default}."`
	Token       string        `placeholder:"TOKEN" help:"${bench_token}"`
}

// Run runs the load and prints the result. It returns an error if a delivery was
// wrong.
func (b *benchCommand) Run(ctx context.Context, stdout stdoutWriter, stderr stderrWriter) error {
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt, syscall.SIGTERM) }) // a second Ctrl-C kills the process
	result, err := bench.Run(ctx, bench.Options{
		URL: b.URL, Token: b.Token, Connections: b.Connections, Rooms: b.Rooms, Senders: b.Senders, Slow: b.Slow,
		Rate: b.Rate, InFlight: b.InFlight, Duration: b.Duration, Size: b.Size,
	}, &bench.Progress{W: stderr, Terminal: isTerminal(stderr.Writer)})
	if err != nil {
		return err
	}
	result.Print(stdout)
	return result.Err()
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
